from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis

from orchestrator.chat import dead_letters, ending
from orchestrator.chat.dead_letters import Replayed, Wanted
from orchestrator.chat.models import Conversation, DeadLetter
from orchestrator.errors import ConflictError, NotFoundError
from orchestrator.log.keys import Keys
from orchestrator.tenants.models import Tenant, User
from tests.integration.core import kit
from tests.integration.core.kit import Person

HISTORY = [
    {
        "hop": "llm", "attempt": attempt, "outcome": "lost", "worker": "worker-llm",
        "ready_at": "2026-11-20T03:00:00+00:00", "started_at": f"2026-11-20T03:0{attempt}:00.5+00:00",
        "ended_at": None, "summary": "",
    }
    for attempt in (1, 2, 3)
]  # fmt: skip


def a_letter(who: Person, where: str | None = None, *, code: str = "internal", hop: str = "llm", **asked: Any) -> int:
    """Return the letter of a turn that failed."""
    turn = kit.ask(who, where, **asked).turn
    kit.end(kit.failed(turn))
    letter = DeadLetter.objects.create(
        tenant_id=who.tenant, turn_id=turn, hop=hop, code=code, cause="its worker died three times", history=HISTORY
    )
    return letter.pk


def letters(**wanted: Any) -> list[int]:
    return [found.letter for found in dead_letters.page(Wanted(**wanted))]


def test_letters_are_listed_newest_first_by_what_one_looks_for(anna: Person, rival: Person) -> None:
    first, second = a_letter(anna), a_letter(anna, code="dependency_down", hop="sql")
    foreign = a_letter(rival)
    dead_letters.replay(first, by="olga")

    assert letters() == [foreign, second, first]
    assert letters(tenant=anna.tenant) == [second, first]
    assert letters(code="internal", tenant=anna.tenant) == [first]
    assert letters(hop="sql") == [second]
    assert letters(replayed=False) == [foreign, second]
    assert letters(replayed=True) == [first]


def test_a_page_begins_where_the_one_before_ended(anna: Person) -> None:
    made = [a_letter(anna) for _ in range(5)]

    first = dead_letters.page(Wanted(), most=2)
    second = dead_letters.page(Wanted(), most=2, before=first[-1].letter)

    assert [one.letter for one in (*first, *second)] == made[:0:-1]
    assert dead_letters.count(Wanted()) == 5


def test_a_letter_tells_every_stage_of_every_attempt(anna: Person) -> None:
    letter = a_letter(anna, text="How many eggs?")

    opened = dead_letters.read(letter)

    assert (opened.text, opened.letter.cause, opened.letter.username) == (
        "How many eggs?", "its worker died three times", anna.username,
    )  # fmt: skip
    assert [(one.hop, one.attempt, one.outcome, one.worker) for one in opened.history] == [
        ("llm", attempt, "lost", "worker-llm") for attempt in (1, 2, 3)
    ]
    assert opened.history[1].started_at == datetime(2026, 11, 20, 3, 2, 0, 500_000, UTC)


def test_a_letter_of_a_turn_that_was_given_up_tells_how_its_open_stages_ended(anna: Person) -> None:
    turn = kit.released(anna, route="sql")
    kit.running(turn, "sql")
    event = kit.failed(turn)
    aside = ending.Aside(hop="sql", cause="the warehouse went away")
    ending.commit(event, fence=1, conversation=kit.turn_row(turn)["conversation_id"], cid="cid_test", aside=aside)

    (found,) = dead_letters.page(Wanted(tenant=anna.tenant))
    opened = dead_letters.read(found.letter)

    assert (found.turn, found.hop, found.code, found.cause) == (turn, "sql", event.code, aside.cause)
    assert [(one.hop, one.outcome) for one in opened.history] == [("sql", "failed"), ("llm", "skipped")]
    assert opened.history[0].worker == "worker inc_a"
    assert opened.history[0].ended_at == found.created_at


def test_a_replay_is_the_same_question_of_the_same_person_as_a_new_turn(anna: Person) -> None:
    where = kit.conversation(anna)
    letter = a_letter(anna, where, text="¿Cuántos?", language="es", route="sql", client_id="c1", deadline_ms=5_000)
    before = kit.turn_row(dead_letters.read(letter).letter.turn)

    turn = dead_letters.replay(letter, by="olga")

    after = kit.turn_row(turn)
    same = ("tenant_id", "user_id", "conversation_id", "text", "language", "forced_route")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (after["parent_id"], after["state"], after["client_id"]) == (before["id"], "queued", None)
    assert round((after["deadline_at"] - after["created_at"]).total_seconds()) == 120
    assert kit.stages(turn) == {"sql": "waiting", "llm": "waiting"}
    assert before == kit.turn_row(before["id"])


def test_a_replay_is_told_by_its_letter(anna: Person) -> None:
    letter = a_letter(anna)

    turn = dead_letters.replay(letter, by="olga")

    kept = dead_letters.read(letter).letter
    assert (kept.replayed_as, kept.replay_state) == (turn, "queued")
    assert kept.replayed_at is not None


def test_eight_operators_at_once_make_one_turn(anna: Person) -> None:
    where = kit.conversation(anna)
    letter = a_letter(anna, where)
    begin = threading.Barrier(8)

    def click(_: int) -> Replayed:
        begin.wait()
        return dead_letters.replay_all([letter], by="olga")[0]

    clicks = kit.at_once(8, click)

    assert sum(click.turn is not None for click in clicks) == 1
    assert {type(click.refusal) for click in clicks if click.turn is None} == {ConflictError}
    assert len(kit.look("SELECT id FROM switchyard_turn WHERE conversation_id = :c", c=where)) == 2


def test_what_cannot_be_replayed_is_refused_and_the_others_go_on(anna: Person, rival: Person) -> None:
    gone = kit.conversation(anna)
    deleted, unknown, good = a_letter(anna, gone), 999_999_999, a_letter(anna)
    closed = a_letter(rival)
    Conversation.objects.filter(pk=gone).update(deleted_at=datetime.now(UTC))
    User.objects.filter(pk=rival.user).update(is_active=False)

    results = dead_letters.replay_all([deleted, unknown, closed, good], by="olga")

    refusals = [one.refusal.detail_key if one.refusal else None for one in results]
    assert refusals == ["dead_letter.conversation_deleted", None, "dead_letter.user_inactive", None]
    assert isinstance(results[1].refusal, NotFoundError)
    assert results[3].turn is not None
    assert letters(replayed=True) == [good]


def test_a_closed_company_is_asked_nothing(anna: Person) -> None:
    letter = a_letter(anna)
    Tenant.objects.filter(pk=anna.tenant).update(is_active=False)

    with pytest.raises(ConflictError):
        dead_letters.replay(letter, by="olga")


def test_a_replay_that_is_not_accepted_leaves_the_letter_as_it_was(anna: Person) -> None:
    letter = a_letter(anna)
    # As if somebody had emptied the text since: no turn may be made of it.
    kit.look("UPDATE switchyard_turn SET text = '' WHERE id = (SELECT turn_id FROM switchyard_dead_letter)")

    result = dead_letters.replay_all([letter], by="olga")[0]

    assert result.turn is None
    assert letters(replayed=False) == [letter]


def test_a_conversations_questions_are_asked_again_in_their_order(anna: Person, redis: Redis, keys: Keys) -> None:
    where = kit.conversation(anna)
    for text in ("one", "two", "three"):
        a_letter(anna, where, text=text)

    with redis.pubsub(ignore_subscribe_messages=True) as heard:  # type: ignore[no-untyped-call]  # redis-py
        heard.subscribe(keys.wake())
        heard.get_message(timeout=5)
        dead_letters.replay_all(dead_letters.waiting(Wanted(tenant=anna.tenant)), by="olga")
        woken = heard.get_message(timeout=5)

    queued = kit.look("SELECT text FROM switchyard_turn WHERE state = 'queued' ORDER BY created_at, id")
    assert [row["text"] for row in queued] == ["one", "two", "three"]
    assert woken is not None
