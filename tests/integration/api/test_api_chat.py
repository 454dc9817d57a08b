from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows, one_row
from tests.integration.api.kit import Worker, ask, bearer, begin, keep_artifact
from tests.integration.gateway_kit import Client, GatewayProcess, Person
from tests.unit.semantic_layer import LAYER


def events_of(lines: Iterator[str]) -> list[tuple[str | None, dict[str, Any]]]:
    """Read a stream of events to its end as (id, envelope)."""
    found: list[tuple[str | None, dict[str, Any]]] = []
    event_id: str | None = None
    for line in lines:
        if line.startswith("id: "):
            event_id = line[4:]
        if line.startswith("data: "):
            found.append((event_id, orjson.loads(line[6:])))
            event_id = None
    return found


def types(events: list[tuple[str | None, dict[str, Any]]]) -> list[str]:
    return [frame["type"] for _, frame in events]


# --- conversations ---


def test_a_conversation_is_made_listed_renamed_and_deleted(client: httpx.Client) -> None:
    conversation = begin(client, "Sales")

    renamed = client.patch(f"/api/conversations/{conversation}", json={"title": "Sales of May"})
    listed = client.get("/api/conversations").json()
    deleted = client.delete(f"/api/conversations/{conversation}")
    after = client.get("/api/conversations").json()

    assert renamed.json() == {"id": conversation, "title": "Sales of May"}
    assert [item["title"] for item in listed["items"]] == ["Sales of May"]
    assert deleted.status_code == 204
    assert after == {"items": []}


def test_conversations_are_listed_page_by_page(client: httpx.Client) -> None:
    made = [begin(client, str(number)) for number in range(5)]

    first = client.get("/api/conversations?limit=3").json()
    second = client.get(f"/api/conversations?limit=3&after={first['next']}").json()

    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]
    assert "next" not in second


def test_deleting_a_conversation_ends_its_open_turns(client: httpx.Client) -> None:
    conversation = begin(client)
    turn = ask(client, conversation)

    client.delete(f"/api/conversations/{conversation}")

    row = one_row(rw(), "SELECT state FROM switchyard_turn WHERE id = :turn", turn=turn)
    assert row == {"state": "cancelled"}


def test_a_snapshot_holds_the_turns_and_the_logs_top(client: httpx.Client, worker: Worker) -> None:
    conversation = begin(client)
    turn = ask(client, conversation)
    message = worker.start(conversation, turn)
    worker.write(conversation, turn, message, "Forty", 0)

    snapshot = client.get(f"/api/conversations/{conversation}/snapshot").json()

    assert snapshot["top"] == 3
    assert [(t["id"], t["state"], t["partial"]) for t in snapshot["turns"]] == [(turn, "running", "Forty")]
    assert snapshot["conversation"] == {"id": conversation, "title": "How many orders?"}


def test_a_snapshot_pages_backwards(client: httpx.Client) -> None:
    conversation = begin(client)
    asked = [ask(client, conversation, f"question {number}") for number in range(5)]

    last = client.get(f"/api/conversations/{conversation}/snapshot?limit=2").json()
    middle = client.get(f"/api/conversations/{conversation}/snapshot?limit=2&before={last['next']}").json()

    assert [turn["id"] for turn in middle["turns"] + last["turns"]] == asked[1:]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/conversations/{conversation}/snapshot"),
        ("PATCH", "/api/conversations/{conversation}"),
        ("DELETE", "/api/conversations/{conversation}"),
        ("POST", "/api/conversations/{conversation}/turns"),
        ("GET", "/api/turns/{turn}"),
        ("POST", "/api/turns/{turn}/cancel"),
        ("POST", "/api/turns/{turn}/feedback"),
        ("DELETE", "/api/turns/{turn}/feedback"),
        ("GET", "/api/artifacts/{artifact}"),
    ],
)
def test_somebody_elses_id_answers_like_one_that_does_not_exist(
    anybody: httpx.Client, client: httpx.Client, person: Person, stranger: Person, method: str, path: str
) -> None:
    conversation = begin(client)
    turn = ask(client, conversation)
    artifact = keep_artifact(person, turn, "table", {"columns": [], "rows": []})
    bodies = {"PATCH": {"title": "x"}, "POST": {"text": "x"}}
    if path.endswith("feedback"):
        bodies["POST"] = {"rating": "up"}
    theirs = path.format(conversation=conversation, turn=turn, artifact=artifact)
    nobodys = path.format(conversation="cnv_none", turn="trn_none", artifact="art_none")

    answers = [
        anybody.request(method, url, json=bodies.get(method), headers=bearer(stranger) | {"X-Request-ID": "same"})
        for url in (theirs, nobodys)
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert answers[0].json()["code"] == "not_found"


def test_own_messages_are_found_by_words_in_any_order(client: httpx.Client, worker: Worker) -> None:
    conversation = begin(client)
    turn = ask(client, conversation, "How many calzones went out in May?")
    worker.complete(conversation, turn, worker.start(conversation, turn), "There were 412 of them.")
    ask(client, conversation, "What is 100% of it?")

    by_question = client.get("/api/search", params={"q": "may CALZONES"}).json()
    by_answer = client.get("/api/search", params={"q": "412"}).json()
    by_percent = client.get("/api/search", params={"q": "0%"}).json()

    assert [item["turn"] for item in by_question["items"]] == [turn]
    assert by_answer["items"][0]["answer"] == "There were 412 of them."
    assert len(by_percent["items"]) == 1


def test_a_search_does_not_reach_into_others_messages(
    anybody: httpx.Client, client: httpx.Client, stranger: Person
) -> None:
    ask(client, begin(client), "pumpernickel")

    found = anybody.get("/api/search", params={"q": "pumpernickel"}, headers=bearer(stranger)).json()

    assert found == {"items": []}


def test_what_can_be_asked_is_told_from_ones_own_data_and_documents(
    anybody: httpx.Client, client: httpx.Client, person: Person, stranger: Person
) -> None:
    all_rows(
        rw(),
        "INSERT INTO switchyard_warehouse (tenant_id, label, url_encrypted, layer, updated_at)"
        " VALUES (:tenant, 'w', '', CAST(:layer AS jsonb), now())",
        tenant=person.account.tenant,
        layer=LAYER.model_dump_json(),
    )

    mine = client.get("/api/abilities").json()
    spanish = client.get("/api/abilities", params={"language": "es"}).json()
    theirs = anybody.get("/api/abilities", headers=bearer(stranger)).json()

    assert [question["route"] for question in mine["questions"]] == ["sql", "sql", "sql", "chat"]
    assert "net sales" in mine["measures"]
    assert "ventas netas" in spanish["measures"]
    assert theirs == {
        "questions": [{"route": "chat", "text": "What can you do?"}],
        "measures": [],
        "dimensions": [],
        "documents": [],
    }


# --- turns ---


def test_a_question_is_accepted_and_a_repeat_with_its_key_gives_the_same_turn(client: httpx.Client) -> None:
    conversation = begin(client)
    url, body = f"/api/conversations/{conversation}/turns", {"text": "How many orders?"}

    first = client.post(url, json=body, headers={"Idempotency-Key": "k-1"})
    again = client.post(url, json=body, headers={"Idempotency-Key": "k-1"})
    other = client.post(url, json={"text": "Another"}, headers={"Idempotency-Key": "k-1"})

    assert first.status_code == again.status_code == 202
    assert first.json() == {"turn": first.json()["turn"], "conversation": conversation, "duplicate": False}
    assert again.json() == first.json() | {"duplicate": True}
    assert (other.status_code, other.json()["code"]) == (422, "id_reused")


async def test_a_key_of_http_and_an_id_of_the_socket_are_the_same(
    gateway: GatewayProcess, client: httpx.Client, person: Person
) -> None:
    conversation = begin(client)
    turn = ask(client, conversation, "Once", **{"Idempotency-Key": "c-7"})

    async with Client.to(gateway, person) as socket:
        await socket.socket.send(
            orjson.dumps(
                {"v": 1, "type": "chat.send", "id": "c-7", "conversation": conversation, "data": {"text": "Once"}}
            ).decode()
        )
        ack = await socket.expect("ack")

    assert (ack["data"]["turn"], ack["data"]["duplicate"]) == (turn, True)


async def test_a_thumb_over_the_socket_is_kept(
    gateway: GatewayProcess, client: httpx.Client, person: Person, worker: Worker
) -> None:
    conversation = begin(client)
    turn = ask(client, conversation)
    worker.complete(conversation, turn, worker.start(conversation, turn), "412.")

    async with Client.to(gateway, person) as socket:
        ack = await socket.ask("chat.feedback", {"turn": turn, "rating": "down", "reason": "too_slow"})

    kept = one_row(rw(), "SELECT rating, reason FROM switchyard_feedback WHERE turn_id = :turn", turn=turn)
    assert (ack["type"], ack["data"]["turn"]) == ("ack", turn)
    assert kept == {"rating": "down", "reason": "too_slow"}


def test_the_last_thumb_counts(client: httpx.Client, worker: Worker) -> None:
    conversation = begin(client)
    turn = ask(client, conversation)
    early = client.post(f"/api/turns/{turn}/feedback", json={"rating": "up"})
    worker.complete(conversation, turn, worker.start(conversation, turn), "412.")

    client.post(f"/api/turns/{turn}/feedback", json={"rating": "up"})
    first = client.get(f"/api/turns/{turn}").json()["feedback"]
    down = {"rating": "down", "reason": "wrong_figures", "comment": " it was 421 "}
    by_http = client.post(f"/api/turns/{turn}/feedback", json=down)
    second = client.get(f"/api/conversations/{conversation}/snapshot").json()["turns"][0]["feedback"]
    gone = client.delete(f"/api/turns/{turn}/feedback")
    third = client.get(f"/api/turns/{turn}").json()

    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    assert first == {"rating": "up", "reason": None, "comment": None}
    assert by_http.status_code == gone.status_code == 204
    assert second == {"rating": "down", "reason": "wrong_figures", "comment": "it was 421"}
    assert "feedback" not in third


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"rating": "great"}, 400),
        ({"rating": "up", "reason": "other"}, 400),
        ({"rating": "down", "comment": "x" * 2_001}, 413),
    ],
)
def test_a_thumb_that_makes_no_sense_is_refused(
    client: httpx.Client, worker: Worker, body: dict[str, str], status: int
) -> None:
    conversation = begin(client)
    turn = ask(client, conversation)
    worker.complete(conversation, turn, worker.start(conversation, turn), "412.")

    refused = client.post(f"/api/turns/{turn}/feedback", json=body)

    assert refused.status_code == status
    assert "feedback" not in client.get(f"/api/turns/{turn}").json()


def test_a_turn_tells_its_text_so_far_and_then_its_answer(client: httpx.Client, worker: Worker) -> None:
    conversation = begin(client)
    turn = ask(client, conversation)
    message = worker.start(conversation, turn)
    worker.write(conversation, turn, message, "Forty", 0)

    running = client.get(f"/api/turns/{turn}").json()
    worker.complete(conversation, turn, message, "Forty-two.")
    done = client.get(f"/api/turns/{turn}").json()

    assert (running["state"], running["partial"]) == ("running", "Forty")
    assert (done["state"], done["answer"]) == ("completed", "Forty-two.")
    assert "partial" not in done


def test_cancelling_a_waiting_turn_ends_it_at_once_and_a_second_time_conflicts(client: httpx.Client) -> None:
    conversation = begin(client)
    turn = ask(client, conversation)

    cancelled = client.post(f"/api/turns/{turn}/cancel")
    again = client.post(f"/api/turns/{turn}/cancel")

    assert (cancelled.status_code, cancelled.json()) == (202, {"turn": turn, "ended": True})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert client.get(f"/api/turns/{turn}").json()["error"]["code"] == "cancelled"


def test_cancelling_a_running_turn_leaves_the_wish_for_its_worker(client: httpx.Client, worker: Worker) -> None:
    conversation = begin(client)
    turn = ask(client, conversation)
    worker.start(conversation, turn)

    cancelled = client.post(f"/api/turns/{turn}/cancel")

    row = one_row(rw(), "SELECT cancel_requested_at IS NOT NULL AS asked FROM switchyard_turn WHERE id = :t", t=turn)
    assert cancelled.json() == {"turn": turn, "ended": False}
    assert row == {"asked": True}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": "   "}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"text": 7}, "text"),
        ({}, "text"),
        ({"text": "x", "route": "fast"}, "route"),
        ({"text": "x", "deadline_ms": 5}, "deadline_ms"),
        ({"text": "x", "deadline_ms": "5000"}, "deadline_ms"),
        ({"text": "x", "txet": "y"}, "txet"),
    ],
)
def test_a_wrong_body_is_refused_by_the_name_of_its_field(
    client: httpx.Client, body: dict[str, object], field: str
) -> None:
    conversation = begin(client)

    refused = client.post(f"/api/conversations/{conversation}/turns", json=body)

    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (400, "invalid", field)
    assert client.get(f"/api/conversations/{conversation}/snapshot").json()["turns"] == []


def test_a_text_that_is_too_long_is_too_big(client: httpx.Client) -> None:
    refused = client.post(f"/api/conversations/{begin(client)}/turns", json={"text": "x" * 8_001})

    assert (refused.status_code, refused.json()["code"]) == (413, "too_big")
    assert "8000" in refused.json()["detail"]


# --- a turn as a stream ---


def test_a_streamed_turn_gives_its_events_in_order_and_ends_with_its_ending(
    client: httpx.Client, worker: Worker
) -> None:
    conversation = begin(client)

    with client.stream(
        "POST", f"/api/conversations/{conversation}/turns", json={"text": "How many?", "stream": True}
    ) as response:
        turn = response.headers["X-Turn"]
        answer = threading.Thread(target=answer_in_pieces, args=(worker, conversation, turn))
        answer.start()
        events = events_of(response.iter_lines())
    answer.join()

    assert response.headers["Content-Type"] == "text/event-stream"
    assert types(events) == [
        "turn.accepted", "message.started", "message.delta", "message.delta", "message.completed",
    ]  # fmt: skip
    assert [frame["seq"] for _, frame in events] == [1, 2, 3, 4, 5]
    assert all(event_id == f"{frame['epoch']}:{frame['seq']}" for event_id, frame in events)


def answer_in_pieces(worker: Worker, conversation: str, turn: str) -> None:
    message = worker.start(conversation, turn)
    worker.write(conversation, turn, message, "Forty-", 0)
    worker.write(conversation, turn, message, "two.", 6)
    worker.complete(conversation, turn, message, "Forty-two.")


def test_a_stream_goes_on_from_the_last_id_under_the_same_key(client: httpx.Client, worker: Worker) -> None:
    conversation = begin(client)
    url, body = f"/api/conversations/{conversation}/turns", {"text": "How many?", "stream": True}
    with client.stream("POST", url, json=body, headers={"Idempotency-Key": "s-1"}) as cut:
        turn = cut.headers["X-Turn"]
        lines = cut.iter_lines()
        first = next(line for line in lines if line.startswith("id: "))[4:]
    answer_in_pieces(worker, conversation, turn)

    with client.stream("POST", url, json=body, headers={"Idempotency-Key": "s-1", "Last-Event-ID": first}) as resumed:
        events = events_of(resumed.iter_lines())

    assert types(events) == ["message.started", "message.delta", "message.delta", "message.completed"]
    assert resumed.headers["X-Turn"] == turn


def test_a_stream_asked_for_again_without_an_id_tells_everything(client: httpx.Client, worker: Worker) -> None:
    conversation = begin(client)
    url, body = f"/api/conversations/{conversation}/turns", {"text": "How many?", "stream": True}
    turn = ask(client, conversation, "Earlier")
    worker.complete(conversation, turn, worker.start(conversation, turn), "Done.")
    turn = client.post(url, json={"text": "How many?"}, headers={"Idempotency-Key": "s-2"}).json()["turn"]
    answer_in_pieces(worker, conversation, turn)

    with client.stream("POST", url, json=body, headers={"Idempotency-Key": "s-2"}) as response:
        events = events_of(response.iter_lines())

    assert {frame["data"]["turn"] for _, frame in events} == {turn}
    assert types(events)[0] == "turn.accepted"
    assert types(events)[-1] == "message.completed"


def test_a_stream_whose_log_is_gone_says_so_and_tells_the_ending_from_the_row(
    client: httpx.Client, worker: Worker
) -> None:
    conversation = begin(client)
    url, body = f"/api/conversations/{conversation}/turns", {"text": "How many?", "stream": True}
    turn = client.post(url, json={"text": "How many?"}, headers={"Idempotency-Key": "s-3"}).json()["turn"]
    message = worker.start(conversation, turn)
    worker.complete(conversation, turn, message, "Forty-two.", logged=False)

    with client.stream(
        "POST", url, json=body, headers={"Idempotency-Key": "s-3", "Last-Event-ID": "otherepoch:9"}
    ) as response:
        events = events_of(response.iter_lines())

    assert types(events) == ["conversation.opened", "message.completed"]
    assert events[0][1]["data"]["recovered"] is False
    assert events[1][1]["data"]["text"] == "Forty-two."


def test_a_stream_does_not_begin_for_a_bad_last_id(client: httpx.Client) -> None:
    conversation = begin(client)

    refused = client.post(
        f"/api/conversations/{conversation}/turns",
        json={"text": "x", "stream": True},
        headers={"Last-Event-ID": "nonsense"},
    )

    assert (refused.status_code, refused.json()["field"]) == (400, "Last-Event-ID")


# --- artifacts ---


def table(rows: int) -> dict[str, Any]:
    return {
        "columns": [{"name": "day", "type": "date"}, {"name": "orders", "type": "integer"}],
        "rows": [[f"2026-05-{number:02}", number] for number in range(1, rows + 1)],
        "total": rows,
        "truncated": False,
        "sql": "SELECT 1",
    }


def test_a_table_is_read_page_by_page(client: httpx.Client, person: Person) -> None:
    artifact = keep_artifact(person, ask(client, begin(client)), "table", table(5))

    first = client.get(f"/api/artifacts/{artifact}?limit=3").json()
    second = client.get(f"/api/artifacts/{artifact}?limit=3&after={first['next']}").json()

    assert (first["kind"], first["total"], first["sql"]) == ("table", 5, "SELECT 1")
    assert [row[1] for row in first["rows"] + second["rows"]] == [1, 2, 3, 4, 5]
    assert "next" not in second


def test_a_table_as_csv_cannot_run_in_a_spreadsheet(client: httpx.Client, person: Person) -> None:
    body = {"columns": [{"name": "=name", "type": "text"}], "rows": [["=cmd|' /C calc'!A0"], ["@x"], [-5], ['ñ,"q"']]}
    artifact = keep_artifact(person, ask(client, begin(client)), "table", body)

    written = client.get(f"/api/artifacts/{artifact}?format=csv")

    assert written.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert written.content.decode("utf-8-sig") == '\'=name\r\n\'=cmd|\' /C calc\'!A0\r\n\'@x\r\n-5\r\n"ñ,""q"""\r\n'
    assert written.content.startswith(b"\xef\xbb\xbf")


def test_passages_are_given_whole(client: httpx.Client, person: Person) -> None:
    body = {
        "passages": [{"n": 1, "document": "doc_1", "title": "T", "heading": "H", "text": "x", "start": 0, "end": 1}]
    }
    artifact = keep_artifact(person, ask(client, begin(client)), "passages", body)

    read = client.get(f"/api/artifacts/{artifact}").json()

    assert read["passages"] == body["passages"]


# --- two things at once ---


async def test_many_streams_at_once_each_get_their_own_turn(
    gateway: GatewayProcess, client: httpx.Client, person: Person, worker: Worker
) -> None:
    conversations = [begin(client) for _ in range(8)]
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{gateway.port}", headers=bearer(person), timeout=30
    ) as many:

        async def one(conversation: str) -> list[str]:
            async with many.stream(
                "POST", f"/api/conversations/{conversation}/turns", json={"text": "How many?", "stream": True}
            ) as response:
                turn = response.headers["X-Turn"]
                await asyncio.to_thread(answer_in_pieces, worker, conversation, turn)
                return [line async for line in response.aiter_lines() if line.startswith("event: ")]

        told = await asyncio.gather(*(one(conversation) for conversation in conversations))

    assert [lines[-1] for lines in told] == ["event: message.completed"] * 8
    assert {len(lines) for lines in told} == {5}
