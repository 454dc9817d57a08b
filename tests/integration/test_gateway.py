"""The chat socket through real gateway processes, PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from deploy.testservers import EmbeddedServers
from orchestrator.events import MessageCompleted, MessageDelta, MessageStarted, StageProgress, StageStarted
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows, one_row
from orchestrator.tenants import revocations, tickets, tokens
from tests.integration.gateway_kit import Client, GatewayProcess, Person, a_person, running_gateway

Revoke = Callable[[str], Awaitable[str]]


@pytest.fixture(scope="module")
def gateways(
    platform: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[GatewayProcess, GatewayProcess]]:
    folder = tmp_path_factory.mktemp("gateways")
    with (
        running_gateway(platform, folder, index=0, SWITCHYARD_GATEWAYS="2") as first,
        running_gateway(platform, folder, index=1, SWITCHYARD_GATEWAYS="2") as second,
    ):
        yield first, second


@pytest.fixture
def gateway(gateways: tuple[GatewayProcess, GatewayProcess]) -> GatewayProcess:
    return gateways[0]


@pytest.fixture
def person(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker)


@pytest.fixture
def stranger(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker)


@pytest.fixture
def former(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker, active=False)


@pytest.fixture
def spaniard(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker, language="es")


@pytest.fixture
def revoke(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Revoke:
    """Return how to take a token back; gives its id."""

    def take_back(token: str) -> str:
        claims = tokens.read_access(token, now=time.time())
        with django_db_blocker.unblock():
            revocations.revoke(claims.jti, expires_at=claims.expires_at)
        return claims.jti

    async def revoke(token: str) -> str:
        return await asyncio.to_thread(take_back, token)

    return revoke


@pytest.fixture
def writer(redis_client: Redis, keys: Keys) -> LogWriter:
    return LogWriter(redis_client, keys)


def turns_of(person: Person) -> list[dict[str, Any]]:
    rows = all_rows(rw(), "SELECT * FROM switchyard_turn WHERE user_id = :user", user=person.account.user)
    return [dict(row) for row in rows]


def say_words(writer: LogWriter, conversation: str, turn: str, words: list[str]) -> None:
    """Do what a worker does with the log: start a message and append its words."""
    message = f"msg_{turn}"
    started = MessageStarted(turn=turn, attempt=1, message=message)
    writer.append(conversation, started, fence=1, cid="cid", asserted=True)
    index = 0
    for word in words:
        delta = MessageDelta(turn=turn, attempt=1, message=message, text=word, index=index)
        assert writer.append(conversation, delta, fence=1, cid="cid").verdict == "OK"
        index += len(word)


def finish(writer: LogWriter, conversation: str, turn: str, text: str) -> None:
    done = MessageCompleted(
        turn=turn, attempt=1, message=f"msg_{turn}", text=text, citations=(), usage={}, timeline={"stages": []}
    )
    writer.append(conversation, done, fence=1, cid="cid", asserted=True)


# --- the way in ---


async def test_hello_comes_first_and_the_server_selects_the_protocol(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        hello = client.frames[0]

        assert client.socket.subprotocol == "chat.v1"
        assert 890 <= hello["data"]["token_expires_in_s"] <= 900
        assert (hello["data"]["max_bytes"], hello["data"]["rate_per_s"]) == (65_536, 20)
        assert client.socket.response is not None
        assert client.socket.response.headers.get("Server") is None


async def refusal(gateway: GatewayProcess, person: Person, token: str | None = None, **headers: str) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with Client.to(gateway, person, token=token, **headers):
            pass
    return caught.value.response.status_code


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "x" * 40},
        {"issuer": "somebody"},
        {"audience": "somebody"},
        {"now": 1_000_000_000.0},
        {"now": 4_000_000_000.0},
    ],
    ids=["signature", "issuer", "audience", "expired", "from the future"],
)
async def test_a_token_that_proves_nothing_is_refused_before_accept(
    gateway: GatewayProcess, person: Person, changes: dict[str, Any]
) -> None:
    assert await refusal(gateway, person, person.token(**changes)) == 403


async def test_a_closed_tenant_is_refused(gateway: GatewayProcess, former: Person) -> None:
    assert await refusal(gateway, former) == 403


async def test_a_revoked_token_is_refused(gateway: GatewayProcess, person: Person, revoke: Revoke) -> None:
    token = person.token()
    await revoke(token)

    assert await refusal(gateway, person, token) == 403


async def test_a_foreign_page_is_refused_and_our_own_is_not(gateway: GatewayProcess, person: Person) -> None:
    own = f"http://127.0.0.1:{gateway.port}"

    assert await refusal(gateway, person, Origin="https://evil.example") == 403
    assert await refusal(gateway, person, Origin="null") == 403
    async with Client.to(gateway, person, Origin=own) as client:
        assert await client.alive()


async def test_a_token_in_the_url_is_no_way_in(gateway: GatewayProcess, person: Person) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"{gateway.url}?token={person.token()}"):
            pass

    assert caught.value.response.status_code == 403


async def test_a_ticket_lets_in_once(gateway: GatewayProcess, person: Person, redis_client: Redis, keys: Keys) -> None:
    _, claims = tokens.issue_access(person.account, now=time.time())
    ticket = tickets.issue(redis_client, keys.prefix, claims)

    async with connect(f"{gateway.url}?ticket={ticket}") as socket:
        hello = orjson.loads(await socket.recv())
    with pytest.raises(InvalidStatus):
        async with connect(f"{gateway.url}?ticket={ticket}"):
            pass

    assert hello["type"] == "hello"
    assert ticket not in gateway.log.read_text()


async def test_another_path_is_refused(gateway: GatewayProcess) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(gateway.url.replace("/ws/chat/", "/ws/other/")):
            pass

    assert caught.value.response.status_code == 403


# --- asking ---


async def test_a_question_is_committed_logged_and_acknowledged(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        id = await client.say("chat.send", {"text": "  ¿Cuánto vendimos?  "}, conversation=conversation)
        accepted = await client.seen("turn.accepted")
        ack = await client.answer(id)

    (turn,) = turns_of(person)
    assert (ack["type"], ack["data"]) == ("ack", {"accepted": True, "turn": turn["id"], "duplicate": False})
    assert accepted["data"] == {"turn": turn["id"], "text": "¿Cuánto vendimos?", "user": person.account.user}
    assert (accepted["seq"], turn["state"], turn["cid"]) == (1, "queued", accepted["cid"])
    assert accepted["cid"] == ack["cid"]


async def test_the_same_question_again_is_a_duplicate_and_another_under_its_id_is_refused(
    gateway: GatewayProcess, person: Person
) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        first = await client.ask("chat.send", {"text": "one"}, conversation=conversation, id="key-1")
        again = await client.ask("chat.send", {"text": "one"}, conversation=conversation, id="key-1")
        other = await client.ask("chat.send", {"text": "two"}, conversation=conversation, id="key-1")

    assert again["data"] == {**first["data"], "duplicate": True}
    assert (other["type"], other["data"]["code"]) == ("error", "id_reused")
    assert len(turns_of(person)) == 1


async def test_a_question_needs_no_earlier_open(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
    async with Client.to(gateway, person) as client:
        ack = await client.ask("chat.send", {"text": "hi"}, conversation=conversation)

    assert ack["type"] == "ack"


async def test_a_queued_turn_is_stopped_at_once_and_says_what_was_reached(
    gateway: GatewayProcess, person: Person
) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        ack = await client.ask("chat.send", {"text": "hi"}, conversation=conversation)
        turn = ack["data"]["turn"]
        id = await client.say("chat.cancel", {"turn": turn}, conversation=conversation)
        ending = await client.seen("turn.cancelled")
        answer = await client.answer(id)
        again = await client.ask("chat.cancel", {"turn": turn}, conversation=conversation)

    assert (answer["type"], answer["data"]["turn"]) == ("ack", turn)
    assert ending["data"]["reached"] == ["queued"]
    assert (again["type"], again["data"]["code"]) == ("error", "conflict")


async def test_errors_are_told_in_the_users_language(gateway: GatewayProcess, person: Person, spaniard: Person) -> None:
    async with Client.to(gateway, spaniard, **{"Accept-Language": "en"}) as client:
        error = await client.ask("conversation.open", {"conversation": "cnv_nobody"})
    async with Client.to(gateway, person, **{"Accept-Language": "fr, es;q=0.8"}) as client:
        other = await client.ask("conversation.open", {"conversation": "cnv_nobody"})

    assert error["data"]["message"] == other["data"]["message"]
    assert error["data"]["message"] != "There is no such thing here."


# --- bad input ---


async def test_bad_input_is_answered_and_stores_nothing(
    gateway: GatewayProcess, person: Person, stranger: Person
) -> None:
    async with Client.to(gateway, stranger) as other:
        strange = await other.open_new()
    async with Client.to(gateway, person) as client:
        mine = await client.open_new()
        answers = {}
        await client.socket.send('{"v":1,"type":"chat.send"')
        answers["broken JSON"] = await client.expect("error")
        answers["70 kB"] = await client.ask("chat.send", {"text": "x" * 70_000}, conversation=mine)
        answers["260 kB"] = await client.ask("chat.send", {"text": "x" * 260_000}, conversation=mine)
        answers["unknown type"] = await client.ask("chat.fly", conversation=mine)
        answers["layer's type"] = await client.ask("log.event", conversation=mine)
        answers["wrong type"] = await client.ask("chat.send", {"text": 17}, conversation=mine)
        answers["wrong route"] = await client.ask("chat.send", {"text": "x", "route": ["sql"]}, conversation=mine)
        answers["wrong version"] = await client.ask("ping", v=3)
        answers["empty"] = await client.ask("chat.send", {"text": "   "}, conversation=mine)
        answers["long"] = await client.ask("chat.send", {"text": "x" * 20_000}, conversation=mine)
        answers["stranger's, open"] = await client.ask("conversation.open", {"conversation": strange})
        answers["stranger's, send"] = await client.ask("chat.send", {"text": "hi"}, conversation=strange)
        answers["nobody's"] = await client.ask("chat.send", {"text": "hi"}, conversation="cnv_nobody")
        answers["no id at all"] = await client.ask("chat.send", {"text": "hi"}, conversation="'; DROP TABLE x; --")
        answers["NUL"] = await client.ask("chat.send", {"text": "a\x00b"}, conversation=mine)
        answers["stranger's turn"] = await client.ask("chat.cancel", {"turn": "trn_nobody"}, conversation=mine)
        answers["later"] = await client.ask("topic.subscribe", {"topic": "branch:1:kitchen"})
        answers["when_busy"] = await client.ask("chat.send", {"text": "hi", "when_busy": "never"}, conversation=mine)
        alive = await client.alive()

    assert {name: answer["data"]["code"] for name, answer in answers.items()} == {
        "broken JSON": "bad_json",
        "70 kB": "too_big",
        "260 kB": "too_big",
        "unknown type": "unknown_type",
        "layer's type": "unknown_type",
        "wrong type": "invalid",
        "wrong route": "invalid",
        "wrong version": "bad_frame",
        "empty": "invalid",
        "long": "too_big",
        "stranger's, open": "not_found",
        "stranger's, send": "not_found",
        "nobody's": "not_found",
        "no id at all": "not_found",
        "NUL": "invalid",
        "stranger's turn": "not_found",
        "later": "invalid",
        "when_busy": "invalid",
    }
    assert {answer["type"] for answer in answers.values()} == {"error"}
    assert all(len(answer["data"]["message"]) > 10 for answer in answers.values())
    assert alive
    assert turns_of(person) == []


@pytest.mark.parametrize(
    ("sent", "code"),
    [("x" * 263_000, 1009), (b"\xff\xfe\x00", 4000)],
    ids=["over the hard limit", "binary"],
)
async def test_what_can_not_be_answered_for_ever_is_closed_with_its_code(
    gateway: GatewayProcess, person: Person, sent: Any, code: int
) -> None:
    async with Client.to(gateway, person) as client:
        for _ in range(3):
            await client.socket.send(sent)

        assert await client.close_code() == code


async def test_invalid_utf_8_is_closed_with_1007(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        await client.socket.send(b"\xff\xfe", text=True)

        assert await client.close_code() == 1007


async def test_a_bye_with_the_reason_comes_before_a_close(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        for _ in range(3):
            await client.socket.send("{")
        code = await client.close_code()

    assert code == 4000
    assert client.frames[-1]["type"] == "bye"
    assert client.frames[-1]["data"] == {
        "code": 4000,
        "reason": "bad frame",
        "reconnect": False,
        "retry_after_ms": 0,
    }


# --- live events, replay, two gateways ---


async def test_events_of_a_worker_reach_both_gateways_in_order(
    gateways: tuple[GatewayProcess, GatewayProcess], person: Person, writer: LogWriter
) -> None:
    async with Client.to(gateways[0], person) as one, Client.to(gateways[1], person) as two:
        conversation = await one.open_new()
        await two.ask("conversation.open", {"conversation": conversation, "seq": 0})
        turn = (await one.ask("chat.send", {"text": "hi"}, conversation=conversation))["data"]["turn"]
        say_words(writer, conversation, turn, [f"word{n} " for n in range(200)])
        writer.publish_ephemeral(conversation, StageProgress(turn=turn, stage="llm", percent=50), cid="cid")
        finish(writer, conversation, turn, "all")
        await one.until("message.completed")
        await two.until("message.completed")

    for client in (one, two):
        numbers = [frame["seq"] for frame in client.frames if "seq" in frame]
        assert numbers == list(range(1, 204))
        assert [f["data"]["percent"] for f in client.frames if f["type"] == "stage.progress"] == [50]


async def test_a_client_that_comes_back_elsewhere_gets_what_it_missed(
    gateways: tuple[GatewayProcess, GatewayProcess], person: Person, writer: LogWriter
) -> None:
    async with Client.to(gateways[0], person) as client:
        conversation = await client.open_new()
        ack_id = await client.say("chat.send", {"text": "hi"}, conversation=conversation)
        accepted = await client.until("turn.accepted")
    turn, epoch = accepted["data"]["turn"], accepted["epoch"]
    say_words(writer, conversation, turn, ["a", "b", "c"])
    async with Client.to(gateways[1], person) as client:
        opened = await client.ask("conversation.open", {"conversation": conversation, "epoch": epoch, "seq": 1})
        missed = [await client.next() for _ in range(4)]

    assert ack_id
    assert opened["data"] == {
        "conversation": conversation,
        "recovered": True,
        "epoch": epoch,
        "top": 5,
        "replayed": 4,
    }
    assert [frame["seq"] for frame in missed] == [2, 3, 4, 5]


async def test_a_forgotten_log_is_told_and_not_papered_over(
    gateway: GatewayProcess, person: Person, redis_client: Redis, keys: Keys, writer: LogWriter
) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        first = (await client.ask("chat.send", {"text": "one"}, conversation=conversation))["data"]["turn"]
        redis_client.delete(keys.stream(conversation), keys.meta(conversation))
        second = (await client.ask("chat.send", {"text": "two"}, conversation=conversation))["data"]["turn"]
        news = await client.seen("conversation.opened", after=1)
    async with Client.to(gateway, person) as client:
        late = await client.ask("conversation.open", {"conversation": conversation, "seq": 0})

    assert first != second
    assert (news["data"]["recovered"], news["data"]["top"], "re" in news) == (False, 1, False)
    assert news["data"]["snapshot_url"] == f"/api/conversations/{conversation}/snapshot"
    assert late["data"]["recovered"] is False


async def test_the_log_of_a_new_conversation_is_whole(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        await client.ask("chat.send", {"text": "one"}, conversation=conversation)
        opened = await client.ask("conversation.open", {"conversation": conversation, "seq": 0})

    assert (opened["data"]["recovered"], opened["data"]["replayed"]) == (True, 1)


async def test_lost_subscriptions_cost_no_event(
    gateway: GatewayProcess, person: Person, redis_client: Redis, writer: LogWriter
) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        turn = (await client.ask("chat.send", {"text": "hi"}, conversation=conversation))["data"]["turn"]
        started = StageStarted(turn=turn, attempt=1, stage="classify", worker="w", queue_wait_ms=0)
        writer.append(conversation, started, fence=1, cid="cid", asserted=True)
        redis_client.client_kill_filter(_type="pubsub")
        say_words(writer, conversation, turn, ["a", "b", "c"])
        redis_client.client_kill_filter(_type="pubsub")
        finish(writer, conversation, turn, "abc")
        await client.until("message.completed", limit_s=12)

    numbers = [frame["seq"] for frame in client.frames if "seq" in frame]
    assert numbers == list(range(1, 8))


# --- limits, tokens ---


async def test_a_burst_over_the_rate_is_refused_and_then_closed(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        for _ in range(40):
            await client.say("chat.cancel", {"turn": "trn_nobody"})
        code = await client.close_code()

    codes = [frame["data"]["code"] for frame in client.frames if frame["type"] == "error"]
    assert code == 4429
    assert codes.count("rate_limited") == 3
    assert client.frames[-1]["data"]["retry_after_ms"] >= 1_000


async def test_coming_back_does_not_refill_the_bucket(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        for _ in range(20):
            await client.say("chat.fly")
        for _ in range(20):
            await client.until("error")
    async with Client.to(gateway, person) as client:
        for _ in range(20):
            await client.say("chat.fly")
        code = await client.close_code()

    assert code == 4429


async def test_too_many_sockets_of_one_user_are_refused(gateway: GatewayProcess, person: Person) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(Client.to(gateway, person))
        async with Client.to(gateway, person) as extra:
            code = await extra.close_code()

    assert code == 4409
    assert extra.frames[-1]["type"] == "bye"


async def test_a_newer_token_of_the_same_user_goes_on_and_anothers_does_not(
    gateway: GatewayProcess, person: Person, stranger: Person
) -> None:
    async with Client.to(gateway, person, token=person.token(lifetime_s=50)) as client:
        warning = await client.until("auth.expiring")
        good = await client.ask("auth.refresh", {"token": person.token()})
        nonsense = await client.ask("auth.refresh", {"token": "nonsense"})
        id = await client.say("auth.refresh", {"token": stranger.token()})
        code = await client.close_code()

    assert 40 <= warning["data"]["in_s"] <= 50
    assert good["type"] == "ack"
    assert (nonsense["type"], nonsense["data"]["code"]) == ("error", "unauthenticated")
    assert [f["data"]["code"] for f in client.frames if f.get("re") == id] == ["forbidden"]
    assert code == 4403


async def test_a_token_taken_back_closes_its_sockets_within_five_seconds(
    gateways: tuple[GatewayProcess, GatewayProcess],
    person: Person,
    redis_client: Redis,
    keys: Keys,
    revoke: Revoke,
) -> None:
    token = person.token()
    async with Client.to(gateways[1], person, token=token) as client, Client.to(gateways[0], person) as other:
        revocations.tell(redis_client, keys.prefix, await revoke(token))

        assert await client.close_code(limit_s=5) == 4401
        assert await other.alive()


@pytest.mark.drill
async def test_an_expired_token_is_closed_after_its_grace(gateway: GatewayProcess, person: Person) -> None:
    # Issued so that it is good for two more seconds.
    token = person.token(lifetime_s=60, now=time.time() - 58)
    async with Client.to(gateway, person, token=token) as client:
        code = await client.close_code(limit_s=35)

    assert code == 4402
    assert [frame["type"] for frame in client.frames] == ["hello", "auth.expiring", "bye"]


# --- leaving ---


async def wait_for_state(turn: str, state: str, *, limit_s: float) -> str:
    ends_at = time.monotonic() + limit_s
    while True:
        row = one_row(rw(), "SELECT state FROM switchyard_turn WHERE id = :turn", turn=turn)
        assert row is not None
        if row["state"] == state or time.monotonic() > ends_at:
            return str(row["state"])
        await asyncio.sleep(0.2)


@pytest.mark.drill
async def test_turns_stop_when_the_last_socket_that_asked_for_it_is_gone_for_ten_seconds(
    gateways: tuple[GatewayProcess, GatewayProcess], person: Person
) -> None:
    async with Client.to(gateways[0], person) as one:
        conversation = await one.open_new()
        await one.ask("conversation.open", {"conversation": conversation, "on_disconnect": "cancel"})
        turn = (await one.ask("chat.send", {"text": "hi"}, conversation=conversation))["data"]["turn"]
        async with Client.to(gateways[1], person) as two:
            await two.ask("conversation.open", {"conversation": conversation})
            await one.socket.close()
            still = await wait_for_state(turn, "cancelled", limit_s=11.5)

    assert still == "queued"
    assert await wait_for_state(turn, "cancelled", limit_s=14) == "cancelled"


@pytest.mark.drill
async def test_turns_go_on_when_nobody_asked_for_them_to_stop(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        turn = (await client.ask("chat.send", {"text": "hi"}, conversation=conversation))["data"]["turn"]

    assert await wait_for_state(turn, "cancelled", limit_s=12) == "queued"
