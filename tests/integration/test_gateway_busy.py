"""A question while another is answered: in line, refused, or instead of it; the same one twice; the same one again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from deploy.testservers import EmbeddedServers
from orchestrator import ids
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows
from tests.integration.api.kit import Worker, bearer
from tests.integration.gateway_kit import Client, GatewayProcess, Person, a_person, running_gateway

Pair = tuple[GatewayProcess, GatewayProcess]
FAST = {"SWITCHYARD_RATE_PER_S": "1000", "SWITCHYARD_USER_RATE_PER_S": "1000", "SWITCHYARD_GATEWAYS": "2"}


@pytest.fixture(scope="module")
def gateways(platform: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("gateways")
    with (
        running_gateway(platform, folder, index=20, **FAST) as first,
        running_gateway(platform, folder, index=21, **FAST) as second,
    ):
        yield first, second


@pytest.fixture
def gateway(gateways: Pair) -> GatewayProcess:
    return gateways[0]


@pytest.fixture
def person(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker)


@pytest.fixture
def stranger(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker)


@pytest.fixture
def spaniard(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker, language="es")


@pytest.fixture
def worker(redis_client: Redis, keys: Keys) -> Worker:
    return Worker(writer=LogWriter(redis_client, keys))


def turns_of(person: Person) -> list[dict[str, Any]]:
    """Return a person's turns, the oldest first."""
    statement = "SELECT * FROM switchyard_turn WHERE user_id = :user ORDER BY created_at, id"
    return [dict(row) for row in all_rows(rw(), statement, user=person.account.user)]


def run(turn: str) -> None:
    """Have a worker run the turn's first stage, as far as the rows tell."""
    all_rows(rw(), "UPDATE switchyard_turn SET state = 'running', started_at = now() WHERE id = :turn", turn=turn)
    statement = "UPDATE switchyard_stage SET state = 'running', owner = 'inc_x' WHERE turn_id = :turn AND place = 0"
    all_rows(rw(), statement, turn=turn)


async def ask(client: Client, conversation: str, text: str, **more: Any) -> dict[str, Any]:
    """Ask and return the answer."""
    id = more.pop("id", None)
    envelope = {} if id is None else {"id": id}
    return await client.ask("chat.send", {"text": text, **more}, conversation=conversation, **envelope)


# --- reject ---


async def test_a_busy_conversation_refuses_whoever_does_not_want_to_queue(
    gateway: GatewayProcess, person: Person, worker: Worker
) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        first = (await ask(client, conversation, "one", when_busy="reject"))["data"]["turn"]
        refused = await ask(client, conversation, "two", when_busy="reject")
        worker.complete(conversation, first, "m", "done")
        later = await ask(client, conversation, "two", when_busy="reject")

    assert (refused["type"], refused["data"]["code"], refused["data"]["retryable"]) == ("error", "busy", True)
    assert refused["data"]["message"] == "An earlier question is still being answered."
    assert later["type"] == "ack"
    assert [row["text"] for row in turns_of(person)] == ["one", "two"]


async def test_a_refusal_is_in_the_persons_language(gateway: GatewayProcess, spaniard: Person) -> None:
    async with Client.to(gateway, spaniard) as client:
        conversation = await client.open_new()
        await ask(client, conversation, "uno")
        refused = await ask(client, conversation, "dos", when_busy="reject")

    assert refused["data"]["message"] == "Todavía se está respondiendo a una pregunta anterior."


async def test_the_question_that_runs_is_not_refused_when_it_is_repeated(
    gateway: GatewayProcess, person: Person
) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        first = await ask(client, conversation, "one", when_busy="reject", id="q1")
        again = await ask(client, conversation, "one", when_busy="reject", id="q1")
        another = await ask(client, conversation, "other words", when_busy="reject", id="q1")

    assert again["data"] == {"accepted": True, "turn": first["data"]["turn"], "duplicate": True}
    assert another["data"]["code"] == "id_reused"


async def test_of_many_that_come_at_once_one_gets_in(gateways: Pair, person: Person) -> None:
    async with Client.to(gateways[0], person) as one, Client.to(gateways[1], person) as two:
        conversation = await one.open_new()
        mine = [await one.say("chat.send", {"text": "a", "when_busy": "reject"}, conversation=conversation)]
        for n in range(10):
            data = {"text": f"{n}", "when_busy": "reject"}
            mine.append(await one.say("chat.send", data, conversation=conversation))
            await two.say("chat.send", data, conversation=conversation, id=f"two-{n}")
        answers = [await one.answer(id) for id in mine] + [await two.answer(f"two-{n}") for n in range(10)]

    assert sorted(answer["type"] for answer in answers) == ["ack"] + ["error"] * 20
    assert {answer["data"]["code"] for answer in answers if answer["type"] == "error"} == {"busy"}
    assert len(turns_of(person)) == 1


async def test_over_http_a_busy_conversation_is_a_conflict(gateway: GatewayProcess, person: Person) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", headers=bearer(person)) as http:
        conversation = (await http.post("/api/conversations", json={})).json()["id"]
        await http.post(f"/api/conversations/{conversation}/turns", json={"text": "one"})
        refused = await http.post(
            f"/api/conversations/{conversation}/turns", json={"text": "two", "when_busy": "reject"}
        )

    assert (refused.status_code, refused.json()["code"]) == (409, "busy")


# --- interrupt ---


async def test_an_interrupt_ends_what_waits_and_takes_its_place(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        old = [(await ask(client, conversation, text))["data"]["turn"] for text in ("one", "two")]
        new = (await ask(client, conversation, "three", when_busy="interrupt"))["data"]["turn"]
        told = [await client.seen("turn.cancelled"), await client.seen("turn.cancelled", after=1)]

    assert {frame["data"]["turn"] for frame in told} == set(old)
    assert told[0]["data"]["message"] == "Stopped, because you asked something new."
    assert [(row["id"] == new, row["state"]) for row in turns_of(person)] == [
        (False, "cancelled"),
        (False, "cancelled"),
        (True, "queued"),
    ]


async def test_an_interrupt_leaves_the_wish_with_what_runs_and_the_new_one_waits(
    gateway: GatewayProcess, person: Person, redis_client: Redis, keys: Keys
) -> None:
    signals = redis_client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis-py's own
    signals.subscribe(keys.cancel())
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        old = (await ask(client, conversation, "one"))["data"]["turn"]
        run(old)
        await ask(client, conversation, "two", when_busy="interrupt")
    heard = [signals.get_message(timeout=2) for _ in range(2)]
    signals.close()

    running, waiting = turns_of(person)
    assert (running["state"], running["cancel_requested_at"] is not None) == ("running", True)
    assert (waiting["state"], waiting["cancel_requested_at"]) == ("queued", None)
    assert old.encode() in [message["data"] for message in heard if message is not None]


async def test_an_interrupt_that_is_repeated_stops_nothing_more(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        await ask(client, conversation, "one")
        await ask(client, conversation, "two", when_busy="interrupt", id="i1")
        await ask(client, conversation, "three")
        again = await ask(client, conversation, "two", when_busy="interrupt", id="i1")

    assert again["data"]["duplicate"] is True
    assert [(row["text"], row["state"]) for row in turns_of(person)] == [
        ("one", "cancelled"),
        ("two", "queued"),
        ("three", "queued"),
    ]


async def test_interrupts_at_once_leave_one_open(gateways: Pair, person: Person) -> None:
    async with Client.to(gateways[0], person) as one, Client.to(gateways[1], person) as two:
        conversation = await one.open_new()
        for n in range(10):
            data = {"text": f"{n}", "when_busy": "interrupt"}
            await one.say("chat.send", data, conversation=conversation, id=f"one-{n}")
            await two.say("chat.send", data, conversation=conversation, id=f"two-{n}")
        answers = [await one.answer(f"one-{n}") for n in range(10)] + [await two.answer(f"two-{n}") for n in range(10)]

    states = sorted(row["state"] for row in turns_of(person))
    assert {answer["type"] for answer in answers} == {"ack"}
    assert states == ["cancelled"] * 19 + ["queued"]


async def test_a_stale_cancel_never_stops_the_next_turn(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        old = (await ask(client, conversation, "one"))["data"]["turn"]
        await client.ask("chat.cancel", {"turn": old})
        await ask(client, conversation, "two")
        stale = await client.ask("chat.cancel", {"turn": old})

    assert (stale["type"], stale["data"]["code"]) == ("error", "conflict")
    assert [(row["text"], row["state"], row["cancel_requested_at"]) for row in turns_of(person)][1] == (
        "two",
        "queued",
        None,
    )


# --- the same question twice ---


async def test_the_same_id_from_two_sockets_at_once_is_one_turn(gateways: Pair, person: Person) -> None:
    pairs = []
    async with Client.to(gateways[0], person) as one, Client.to(gateways[1], person) as two:
        conversation = await one.open_new()
        for n in range(50):
            both = (ask(client, conversation, f"question {n}", id=f"same-{n}") for client in (one, two))
            pairs.append(await asyncio.gather(*both))
        await one.alive()

    assert all({answer["type"] for answer in pair} == {"ack"} for pair in pairs)
    assert all(pair[0]["data"]["turn"] == pair[1]["data"]["turn"] for pair in pairs)
    assert [sorted(answer["data"]["duplicate"] for answer in pair) for pair in pairs] == [[False, True]] * 50
    accepted = [frame["data"]["turn"] for frame in one.frames if frame["type"] == "turn.accepted"]
    assert accepted == [row["id"] for row in turns_of(person)]
    assert len(accepted) == 50


# --- the same question again ---


async def test_a_question_asked_again_is_a_new_turn_whose_parent_stays(
    gateway: GatewayProcess, person: Person, worker: Worker
) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        old = (await ask(client, conversation, "How much?", route="sql"))["data"]["turn"]
        worker.complete(conversation, old, "m", "42")
        ack = await client.ask("chat.regenerate", {"turn": old}, conversation=conversation, id="r1")
        accepted = await client.seen("turn.accepted", after=1)
        again = await client.ask("chat.regenerate", {"turn": old}, conversation=conversation, id="r1")
        edited = await client.ask("chat.regenerate", {"turn": old, "text": "How many?"}, id="r2")
        other = await client.ask("chat.regenerate", {"turn": old, "text": "How many?"}, id="r1")

    first, second, third = turns_of(person)
    assert (ack["type"], ack["data"]) == ("ack", {"accepted": True, "turn": second["id"], "duplicate": False})
    assert accepted["data"] == {
        "turn": second["id"],
        "text": "How much?",
        "user": person.account.user,
        "parent": old,
    }
    assert (again["data"]["turn"], again["data"]["duplicate"]) == (second["id"], True)
    assert (edited["data"]["turn"], other["data"]["code"]) == (third["id"], "id_reused")
    assert (first["state"], first["answer"]) == ("completed", "42")
    assert [(row["text"], row["parent_id"], row["forced_route"]) for row in (second, third)] == [
        ("How much?", old, "sql"),
        ("How many?", old, "sql"),
    ]


async def test_somebody_elses_question_cannot_be_asked_again(
    gateway: GatewayProcess, person: Person, stranger: Person
) -> None:
    async with Client.to(gateway, person) as client, Client.to(gateway, stranger) as other:
        conversation = await client.open_new()
        turn = (await ask(client, conversation, "mine"))["data"]["turn"]
        elsewhere = await client.open_new()
        foreign = await other.ask("chat.regenerate", {"turn": turn})
        unknown = await client.ask("chat.regenerate", {"turn": ids.turn_id()})
        misplaced = await client.ask("chat.regenerate", {"turn": turn}, conversation=elsewhere)
        blank = await client.ask("chat.regenerate", {"turn": turn, "text": " "})

    assert [a["data"]["code"] for a in (foreign, unknown, misplaced, blank)] == ["not_found"] * 3 + ["invalid"]
    assert len(turns_of(person)) == 1
