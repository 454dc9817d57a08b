"""What the dispatcher does when it can't be sure what the broker, or another dispatcher, holds."""

from __future__ import annotations

import time

import pytest
from redis import Redis

from deploy.testservers import EmbeddedServers
from orchestrator.control.dispatcher import Dispatcher
from orchestrator.control.leader import Leader
from orchestrator.errors import StoreDownError
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.store import claiming, jobs
from orchestrator.store.engine import direct, rw
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.integration.core.rounds import at_work, listeners, sent, until

pytestmark = pytest.mark.usefixtures("empty")


# --- doubt ------


def test_a_broker_without_memory_gets_everything_again_under_new_numbers(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    turn = kit.ask(anna, route="sql").turn
    dispatcher.release()
    redis.flushall()

    dispatcher.release()

    old, new = kit.claim(turn, "sql", dispatch_no=1), kit.claim(turn, "sql", dispatch_no=2)
    assert sent(redis, keys, "sql") == [{"turn": turn, "fence": 1, "dispatch_no": 2}]
    assert old is not None
    assert new is not None
    assert (old["stage"], new["stage"] is not None) == (None, True)


def test_what_a_worker_has_claimed_is_not_sent_again(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    turn = kit.ask(anna, route="sql").turn
    dispatcher.release()
    kit.running(turn, "sql")
    redis.flushall()

    dispatcher.release()

    assert sent(redis, keys, "sql") == []
    assert sent(redis, keys, "llm") == []


def test_the_hop_after_a_finished_one_is_sent_again(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    turn = kit.ask(anna, route="sql").turn
    dispatcher.release()
    claiming.finish_stage(rw(), stage=kit.running(turn, "sql")["stage"], summary="s")
    redis.flushall()

    dispatcher.release()

    assert sent(redis, keys, "llm") == [{"turn": turn, "fence": 1, "dispatch_no": 2}]


def test_an_assigned_job_is_sent_again(dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys) -> None:
    job = jobs.insert(rw(), tenant=anna.tenant, user=None, type="clean_up", queue="batch", payload={}, cid="c")
    dispatcher.release()
    redis.flushall()

    dispatcher.release()

    assert sent(redis, keys, "batch") == [{"job": job, "fence": 1, "dispatch_no": 2}]


def test_a_new_dispatcher_sends_again_what_the_last_one_may_not_have(
    own: EmbeddedServers, dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    dispatcher.release()
    turn = kit.released(anna)  # committed, never published: its dispatcher died in between

    Dispatcher(sync_client(own.redis_url), keys).release()

    assert sent(redis, keys, "llm") == [{"turn": turn, "fence": 1, "dispatch_no": 2}]


def test_without_doubt_nothing_is_sent_twice(dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys) -> None:
    turn = kit.ask(anna, route="chat").turn

    dispatcher.release()
    dispatcher.release()

    assert sent(redis, keys, "llm") == [{"turn": turn, "fence": 1, "dispatch_no": 1}]


# --- the running process ------


def test_a_wake_up_is_heard_at_once(
    own: EmbeddedServers, dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    with at_work(dispatcher):
        until(lambda: listeners(redis, keys))
        kit.ask(anna, route="chat")
        redis.publish(keys.wake(), b"1")
        took_s = until(lambda: sent(redis, keys, "llm"))

    assert took_s < 0.4


def test_without_a_wake_up_the_poll_finds_it(dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys) -> None:
    with at_work(dispatcher):
        kit.ask(anna, route="chat")
        took_s = until(lambda: sent(redis, keys, "llm"))

    assert took_s < 3


def test_a_second_dispatcher_does_not_lead(own: EmbeddedServers) -> None:
    first, second = Leader(), Leader()

    led = (first.lead(), second.lead(), first.lead())
    first.resign()
    after = second.lead()
    second.resign()

    assert led == (True, False, True)
    assert after


@pytest.mark.drill
def test_another_leads_when_the_leaders_session_is_lost(own: EmbeddedServers) -> None:
    first, second = Leader(), Leader()
    first.lead()
    # The leader freezes: nothing touches its session any more.
    took_s = until(second.lead, limit_s=12)

    time.sleep(2.1)
    still = first.lead()
    second.resign()
    first.resign()
    assert took_s < 9
    assert still is False


def test_a_leader_whose_connection_is_ended_by_the_server_notices(own: EmbeddedServers) -> None:
    leader = Leader()
    leader.lead()
    kit.look("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    time.sleep(2.1)

    noticed = leader.lead()
    again = leader.lead()
    leader.resign()

    assert (noticed, again) == (False, True)


def test_followers_do_not_use_up_the_connections(own: EmbeddedServers) -> None:
    leader, follower = Leader(), Leader()
    leader.lead()

    answers = [follower.lead() for _ in range(20)]
    leader.resign()

    assert not any(answers)
    assert direct().pool.checkedout() == 0  # type: ignore[attr-defined]  # a QueuePool


@pytest.mark.drill
def test_overdue_turns_are_ended_while_redis_is_away(
    own: EmbeddedServers, dispatcher: Dispatcher, anna: Person, keys: Keys
) -> None:
    where = kit.conversation(anna)
    made = [kit.ask(anna, route="chat", deadline_ms=1_000).turn for _ in range(3)]
    made.append(kit.ask(anna, where, route="chat", deadline_ms=1_000).turn)
    with at_work(dispatcher):
        until(lambda: all(kit.turn_row(turn)["state"] == "running" for turn in made))
        own.redis.stop()
        try:
            until(lambda: all(kit.turn_row(turn)["state"] == "failed" for turn in made), limit_s=12)
        finally:
            own.redis.start()
        until(lambda: all(kit.outbox(turn)[0]["done_at"] for turn in made), limit_s=10)

    client = Redis.from_url(own.redis_url)
    assert kit.types_of(kit.frames(client, keys, where), made[-1])[-1] == "turn.failed"


def test_what_was_released_while_redis_was_away_is_sent_when_it_is_back(
    own: EmbeddedServers, dispatcher: Dispatcher, anna: Person, keys: Keys
) -> None:
    with at_work(dispatcher):
        until(lambda: Redis.from_url(own.redis_url).get(keys.incarnation()))
        own.redis.stop()
        try:
            turn = kit.ask(anna, route="chat").turn
            time.sleep(1.5)
        finally:
            own.redis.start()
        client = Redis.from_url(own.redis_url)
        until(lambda: sent(client, keys, "llm"), limit_s=10)

    assert kit.claim(turn, "llm", dispatch_no=int(sent(client, keys, "llm")[-1]["dispatch_no"])) is not None


def asked(anna: Person) -> bool:
    """Ask, unless this process still spares the database."""
    try:
        kit.ask(anna, route="chat")
    except StoreDownError:
        return False
    return True


def test_the_dispatcher_goes_on_after_the_database_was_away(
    own: EmbeddedServers, dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    with at_work(dispatcher):
        until(lambda: redis.get(keys.incarnation()))
        own.postgres.stop()
        time.sleep(1)
        own.postgres.start()
        until(lambda: asked(anna), limit_s=10)
        took_s = until(lambda: sent(redis, keys, "llm"), limit_s=15)

    assert took_s < 12


@pytest.mark.drill
def test_overdue_turns_are_ended_while_redis_is_frozen(
    own: EmbeddedServers, dispatcher: Dispatcher, anna: Person
) -> None:
    turn = kit.ask(anna, route="chat", deadline_ms=1_000).turn
    with at_work(dispatcher):
        until(lambda: kit.turn_row(turn)["state"] == "running")
        own.redis.pause()
        try:
            took_s = until(lambda: kit.turn_row(turn)["state"] == "failed", limit_s=30)
        finally:
            own.redis.resume()
        until(lambda: kit.outbox(turn)[0]["done_at"], limit_s=20)

    assert took_s < 25
