"""Turns and jobs through real processes: what users and operators see when all goes well, and when they stop it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from deploy.testservers import EmbeddedServers
from orchestrator import publish
from orchestrator.automation import documents
from orchestrator.log.keys import Keys
from orchestrator.publish import HopMessage
from orchestrator.store import jobs
from orchestrator.store.engine import rw
from tasks.beat import JobScheduler
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.integration.core.workers import ANSWER, WORKERS, Desk, about, lines, running_workers, until
from tests.stack import Stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(own: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    logs: Path = tmp_path_factory.mktemp("logs")
    with running_workers(logs, *WORKERS) as running:
        yield running


@pytest.fixture
def desk(stack: Stack, own: EmbeddedServers, redis: Redis, keys: Keys) -> Desk:
    return Desk(kit.person(), redis, keys)


def test_a_chat_turn_is_told_in_the_contracts_order(desk: Desk) -> None:
    turn = desk.ask("hello there")

    row = desk.until_ended(turn)

    assert row["state"] == "completed"
    assert desk.types(turn) == [
        "turn.accepted",
        "stage.started",
        "turn.routed",
        "stage.finished",
        "stage.started",
        "message.started",
        "message.delta",
        "stage.finished",
        "message.completed",
    ]


def test_numbers_are_contiguous_within_the_epoch(desk: Desk) -> None:
    desk.until_ended(desk.ask())

    frames = desk.frames()

    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    assert len({frame["epoch"] for frame in frames}) == 1


def test_the_row_the_deltas_and_the_ending_hold_the_same_text(desk: Desk) -> None:
    turn = desk.ask()

    row = desk.until_ended(turn)

    assert (row["answer"], desk.text(turn), desk.ending(turn)["data"]["text"]) == (ANSWER, ANSWER, ANSWER)


def test_the_timeline_accounts_for_every_stage(desk: Desk) -> None:
    turn = desk.ask()

    timeline: Any = desk.until_ended(turn)["timeline"]

    assert [stage["stage"] for stage in timeline["stages"]] == ["classify", "llm"]
    assert all(stage["outcome"] == "done" for stage in timeline["stages"])
    spent_ms = sum(stage["queue_wait_ms"] + stage["duration_ms"] for stage in timeline["stages"])
    assert timeline["total_ms"] == pytest.approx(spent_ms + timeline["overhead_ms"], abs=50)


def test_one_correlation_id_is_on_every_processs_lines_and_in_every_frame(stack: Stack, desk: Desk) -> None:
    turn = desk.ask(cid="cid_followed")
    desk.until_ended(turn)
    until(lambda: about(stack, "worker-llm-0", turn) or True, 1)

    found = [line for key in ("dispatcher-0", "worker-gpu-0", "worker-llm-0") for line in about(stack, key, turn)]

    assert {frame["cid"] for frame in desk.frames()} == {"cid_followed"}
    assert {line.get("cid") for line in found} == {"cid_followed"}
    assert {line["process"].removesuffix("-0") for line in found} == {"dispatcher", "worker-gpu", "worker-llm"}


def test_a_route_that_was_asked_for_skips_the_classifier(desk: Desk) -> None:
    turn = desk.ask(route="chat")

    desk.until_ended(turn)

    assert desk.types(turn)[:2] == ["turn.accepted", "stage.started"]
    assert "turn.routed" not in desk.types(turn)


@pytest.mark.parametrize("route", ["sql", "rag", "job"])
def test_a_route_without_anything_to_answer_from_says_so(desk: Desk, route: str) -> None:
    turn = desk.ask(route=route)

    row = desk.until_ended(turn)

    assert (row["state"], row["error_code"]) == ("failed", "no_answer")
    assert desk.ending(turn)["data"]["message"] == row["error_message"]
    assert desk.ending(turn)["data"]["retryable"] is False


def test_a_failed_hop_starts_nothing_after_it(stack: Stack, desk: Desk) -> None:
    turn = desk.ask(route="sql")
    desk.until_ended(turn)
    time.sleep(0.5)

    assert about(stack, "worker-llm-0", turn) == []


def test_a_question_nobody_is_sure_of_is_asked_back(desk: Desk) -> None:
    turn = desk.ask("zzz qqq")

    row = desk.until_ended(turn)

    assert (row["state"], row["route"]) == ("completed", "chat")


def test_a_cancel_reaches_the_stream_within_a_second(desk: Desk) -> None:
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)

    began_s = time.monotonic()
    desk.cancel(turn)
    row = desk.until_ended(turn)

    assert time.monotonic() - began_s < 1
    assert (row["state"], row["reached"]) == ("cancelled", ["llm"])
    assert desk.ending(turn)["data"]["reached"] == ["llm"]


def test_a_cancel_whose_signal_is_lost_is_heard_with_the_heartbeat(desk: Desk) -> None:
    # The script takes two seconds and so may the heartbeat: the turn must not be left running, whoever is first.
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)

    desk.cancel(turn, signalled=False)
    row = desk.until_ended(turn)

    assert row["state"] in ("cancelled", "completed")
    assert desk.ending(turn)["data"]["turn"] == turn


def test_a_turn_that_waits_for_another_is_cancelled_at_once(desk: Desk) -> None:
    first, second = desk.ask(route="chat"), desk.ask(route="chat")
    desk.until_streaming(first)

    desk.cancel(second)

    assert (kit.turn_row(second)["state"], kit.turn_row(second)["reached"]) == ("cancelled", ["queued"])
    assert desk.until_ended(first)["state"] == "completed"
    assert desk.until_ended(second)["state"] == "cancelled"


def test_turns_of_one_conversation_are_answered_in_turn(desk: Desk) -> None:
    made = [desk.ask(route="chat") for _ in range(2)]
    for turn in made:
        desk.until_ended(turn)

    order = [
        frame["data"]["turn"] for frame in desk.frames() if frame["type"] in ("message.started", "message.completed")
    ]

    assert order == [made[0], made[0], made[1], made[1]]


def test_a_deadline_ends_a_slow_writer_once(desk: Desk) -> None:
    turn = desk.ask(route="chat", deadline_ms=1_000)

    row = desk.until_ended(turn)
    time.sleep(3)

    assert (row["state"], row["error_code"]) == ("failed", "deadline_exceeded")
    assert (row["ended_at"] - row["created_at"]).total_seconds() < 2.5
    assert desk.ending(turn)["data"]["code"] == "deadline_exceeded"


def test_the_same_message_twice_gives_one_answer(desk: Desk) -> None:
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)

    for _ in range(2):
        publish.send_hops([HopMessage(turn=turn, fence=1, hop="llm", queue="llm", dispatch_no=1)], cid="cid_test")
    row = desk.until_ended(turn)

    assert row["answer"] == ANSWER
    assert desk.types(turn).count("message.started") == 1


def test_a_repeated_chain_does_not_start_the_next_hop_early(stack: Stack, desk: Desk) -> None:
    turn = desk.ask(route="sql")
    desk.until_ended(turn)

    publish.send_hops(
        [
            HopMessage(turn=turn, fence=1, hop="sql", queue="sql", dispatch_no=1),
            HopMessage(turn=turn, fence=1, hop="llm", queue="llm", dispatch_no=1),
        ],
        cid="cid_test",
    )
    until(lambda: [line for line in about(stack, "worker-sql-0", turn) if line["event"] == "claim refused"], 5)
    time.sleep(0.5)

    assert about(stack, "worker-llm-0", turn) == []


def test_every_line_of_every_process_is_json_with_its_name(stack: Stack, desk: Desk) -> None:
    desk.until_ended(desk.ask())

    found = [(key, line) for key in stack.running for line in lines(stack, key)]

    assert found
    assert {key for key, line in found if line.get("process", "").removesuffix("-0") != key.removesuffix("-0")} == set()


def test_nothing_went_wrong_unseen(stack: Stack, desk: Desk) -> None:
    desk.until_ended(desk.ask())

    wrong = [line for key in stack.running for line in lines(stack, key) if line["level"] in ("error", "critical")]

    assert wrong == []


# --- jobs ------------------------------------------------------------------------------------------------------------


def add(who: Person, name: str, content: bytes) -> str:
    row = documents.add_document(
        tenant=who.tenant, user=who.user, filename=name, mime="text/markdown", content=content, cid="cid_doc"
    )
    return row.id


def document_row(document: str) -> dict[str, Any]:
    return dict(kit.look("SELECT * FROM switchyard_document WHERE id = :d", d=document)[0])


HANDBOOK = b"# Staff handbook\n\n## Holidays\n\nEvery member of staff has 25 days of holidays a year.\n"


def test_a_document_is_read_and_indexed(desk: Desk) -> None:
    document = add(desk.who, "handbook.md", HANDBOOK)

    until(lambda: document_row(document)["state"] == "indexed", 30)

    assert document_row(document)["chunks"] >= 1
    states = kit.look(
        "SELECT type, state FROM switchyard_job WHERE tenant_id = :t ORDER BY created_at", t=desk.who.tenant
    )
    until(lambda: job_states(desk) == {"read_document": "SUCCEEDED", "embed_document": "SUCCEEDED"}, 5)
    assert [row["type"] for row in states] == ["read_document", "embed_document"]


def job_states(desk: Desk) -> dict[str, str]:
    rows = kit.look("SELECT type, state FROM switchyard_job WHERE tenant_id = :t", t=desk.who.tenant)
    return {row["type"]: row["state"] for row in rows}


def test_a_question_about_a_document_cites_its_passages(desk: Desk) -> None:
    document = add(desk.who, "handbook.md", HANDBOOK)
    until(lambda: document_row(document)["state"] == "indexed", 30)
    turn = desk.ask("How many days of holidays does a member of staff have in the handbook?", route="rag")

    row = desk.until_ended(turn)

    assert row["state"] == "completed"
    assert desk.types(turn)[1:4] == ["stage.started", "artifact.ready", "stage.finished"]
    ready = next(frame["data"] for frame in desk.frames() if frame["type"] == "artifact.ready")
    assert ready["kind"] == "passages"
    assert ready["preview"]["passages"][0]["document"] == document


def test_a_document_that_cannot_be_read_says_why(desk: Desk) -> None:
    document = add(desk.who, "broken.pdf", b"%PDF-1.4 nothing of it is true")

    until(lambda: document_row(document)["state"] == "failed", 30)

    assert document_row(document)["error"]


def test_a_schedule_that_two_beats_fire_makes_one_job_a_tenant(stack: Stack, desk: Desk) -> None:
    from orchestrator.celery import app

    types = ("sales_report", "clean_up", "reindex", "router_evaluation")
    beats: list[Any] = [JobScheduler(app=app, lazy=True) for _ in range(2)]
    for beat in beats:
        beat.setup_schedule()
        for entry in beat.data.values():
            beat.apply_entry(entry)

    until(lambda: job_states(desk) == dict.fromkeys(types, "SUCCEEDED"), 30)

    counted = kit.look(
        "SELECT type, count(*) AS n FROM switchyard_job WHERE tenant_id = :t GROUP BY type", t=desk.who.tenant
    )
    assert {row["type"]: row["n"] for row in counted} == dict.fromkeys(types, 1)
    fired = jobs.last_fire(rw(), "clean-up")
    assert fired is not None
    assert fired <= datetime.now(UTC)
    for beat in beats:
        beat.close()  # else their heartbeats go on in this process, into whatever database the next tests use


def test_beat_logs_as_the_others_do_and_leaves_when_it_is_asked_to(stack: Stack, desk: Desk) -> None:
    stack.start("beat")
    until(lambda: any("beat" in line["event"] for line in lines(stack, "beat-0")), 30)

    code = stack.stop("beat-0")

    assert code == 0
    assert {line["process"] for line in lines(stack, "beat-0")} == {"beat"}
