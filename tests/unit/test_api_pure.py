from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from django.test import RequestFactory

from channels_app.api import problems
from channels_app.api.api import place
from channels_app.api.shared import identifier, page_size
from channels_app.api.streaming import resume_from
from orchestrator.chat.artifacts import Artifact, csv_of, harmless, page
from orchestrator.chat.search import excerpt
from orchestrator.errors import (
    BadFrameError,
    ErrorCode,
    InvalidInputError,
    NotFoundError,
    OrchestratorError,
    RateLimitedError,
    StoreDownError,
    TooBigError,
)
from orchestrator.log.records import Position


def problem(error: OrchestratorError, **headers: str) -> dict[str, Any]:
    response = problems.of_error(RequestFactory().get("/api/x", headers=headers), error)
    body: dict[str, Any] = orjson.loads(response.content)
    assert body["status"] == response.status_code
    return body | {"headers": dict(response.headers)}


def test_every_error_code_has_a_status() -> None:
    assert set(problems.STATUS) == set(get_args(ErrorCode))


def test_a_problem_names_the_field_and_never_the_logs_words() -> None:
    body = problem(InvalidInputError("secret words of the log", field="text", detail_key="error.invalid_field"))

    assert (body["code"], body["field"]) == ("invalid", "text")
    assert "secret" not in orjson.dumps(body).decode()


def test_what_may_pass_later_says_when() -> None:
    limited, down = (
        problem(RateLimitedError("x", retry_after_ms=1_200)),
        problem(StoreDownError("x", dependency="redis")),
    )

    assert (limited["retry_after_ms"], limited["headers"]["Retry-After"]) == (1_200, "2")
    assert (down["status"], down["retry_after_ms"]) == (503, 2_000)
    assert "message store" in down["detail"]


def test_a_limit_is_told_by_its_number() -> None:
    assert "8000" in problem(TooBigError("x", limit=8_000))["detail"]


def test_a_body_that_is_no_json_has_its_own_code() -> None:
    assert problem(BadFrameError("x", frame_code="bad_json"))["code"] == "bad_json"


def test_an_unknown_error_says_nothing_of_itself() -> None:
    body = problem(OrchestratorError("relation switchyard_turn does not exist"))

    assert (body["status"], body["code"]) == (500, "internal")
    assert "switchyard_turn" not in body["detail"]


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "unauthenticated"), (403, "forbidden"), (404, "not_found"), (405, "invalid"), (500, "internal")],
)
def test_djangos_own_answers_keep_their_status(status: int, code: str) -> None:
    response = problems.of_status(RequestFactory().get("/api/x"), status)

    assert (response.status_code, orjson.loads(response.content)["code"]) == (status, code)


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("body", "body", "text"), "text"),
        (("query", "limit"), "limit"),
        (("body", "body"), "body"),
        (("header", "Idempotency-Key"), "Idempotency-Key"),
        ((), "body"),
    ],
)
def test_a_wrong_field_is_named_as_its_writer_knows_it(parts: tuple[str, ...], name: str) -> None:
    assert place(parts) == name


@pytest.mark.parametrize("text", ["", "a b", "a'b", "x" * 65, "é", "a\x00"])
def test_an_id_that_could_not_be_one_does_not_exist(text: str) -> None:
    with pytest.raises(NotFoundError):
        identifier(text)


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_page_has_bounds(limit: int) -> None:
    with pytest.raises(InvalidInputError):
        page_size(limit)


def test_a_last_event_id_is_a_position() -> None:
    assert resume_from("k3f9:17") == Position(epoch="k3f9", seq=17)
    assert resume_from(None) is None
    assert resume_from("") is None


@pytest.mark.parametrize("text", ["17", ":17", "k3f9:", "k3f9:x", "k3f9:-1", "a:b:1", "k 3:1", "k3f9:" + "9" * 16])
def test_another_last_event_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        resume_from(text)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("  =x", "'  =x"),
        ("@x", "'@x"),
        ("-x", "'-x"),
        ("\tx", "'\tx"),
        (-5, -5),
        ("a=b", "a=b"),
        (True, "true"),
        (None, None),
    ],
)
def test_a_cell_cannot_run_in_a_spreadsheet(cell: object, written: object) -> None:
    assert harmless(cell) == written


def test_a_chart_has_no_rows_to_write() -> None:
    with pytest.raises(InvalidInputError):
        csv_of(Artifact(id="a", kind="chart", title="", body={"spec": {}}))


def test_a_big_table_is_written_in_pieces() -> None:
    body = {"columns": [{"name": "n"}], "rows": [[n] for n in range(450)]}

    pieces = list(csv_of(Artifact(id="a", kind="table", title="", body=body)))

    assert len(pieces) == 4
    assert "".join(pieces).count("\r\n") == 451


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "٣x"])
def test_a_page_begins_where_a_page_ended(after: str) -> None:
    with pytest.raises(InvalidInputError):
        page(Artifact(id="a", kind="table", title="", body={"rows": []}), limit=10, after=after)


def test_an_excerpt_lies_around_the_first_word() -> None:
    text = "x" * 300 + " tips " + "y" * 300

    found = excerpt(text, ["TIPS"])

    assert "tips" in found
    assert found.startswith("…")
    assert found.endswith("…")
    assert len(found) <= 182
