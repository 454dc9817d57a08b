"""What a client may send, and what it is told when it may not."""

from __future__ import annotations

import orjson
import pytest

from channels_app.frames import error_data
from channels_app.protocol import (
    HARD_MAX_BYTES,
    MAX_TEXT,
    ClientFrame,
    OpenPayload,
    PingPayload,
    RegeneratePayload,
    Rejected,
    SendPayload,
    parse,
)


def wire(type: object = "chat.send", data: object = None, **envelope: object) -> str:
    frame = {"v": 1, "type": type, "id": "c-1", "conversation": "cnv_1", **envelope}
    if data is not None:
        frame["data"] = data
    return orjson.dumps(frame).decode()


def refused(text: str) -> tuple[Rejected, str]:
    frame = parse(text)
    assert isinstance(frame, Rejected)
    return frame, error_data(frame.error, lambda error: f"error.{error.code}")["code"]


def accepted(text: str) -> ClientFrame:
    frame = parse(text)
    assert isinstance(frame, ClientFrame)
    return frame


def test_a_question_is_read_with_its_defaults() -> None:
    frame = accepted(wire(data={"text": "¿Cuánto?"}))

    assert frame == ClientFrame(type="chat.send", id="c-1", conversation="cnv_1", payload=SendPayload(text="¿Cuánto?"))


def test_unknown_fields_are_ignored_everywhere() -> None:
    frame = accepted(wire(data={"text": "hi", "colour": "red"}, shape="round"))

    assert frame.payload == SendPayload(text="hi")


@pytest.mark.parametrize(
    ("text", "code", "unparsable"),
    [
        ("{", "bad_json", True),
        ("", "bad_json", True),
        ("[" * 5_000, "bad_json", True),
        ('{"v":1,"type":"ping","data":{"t":NaN}}', "bad_json", True),
        ('{"v":1,"type":"chat.send","data":{"text":"\\ud800"}}', "bad_json", True),
        ("\ud800", "bad_json", True),
        ("[]", "bad_frame", True),
        ("17", "bad_frame", True),
        (wire(type=7), "bad_frame", False),
        (wire(type=None), "bad_frame", False),
        (wire(v=2), "bad_frame", False),
        (wire(v="1"), "bad_frame", False),
        (wire(v=True), "bad_frame", False),
        (wire(data=["text"]), "bad_frame", False),
        (wire(data="text"), "bad_frame", False),
        (wire(conversation=5, data={"text": "x"}), "bad_frame", False),
        (wire(conversation="a\x00b", data={"text": "x"}), "bad_frame", False),
        (wire(type="chat.fly"), "unknown_type", False),
        (wire(type="log.event"), "unknown_type", False),
        (wire(type="hello"), "unknown_type", False),
    ],
)
def test_what_is_no_frame_is_told_apart_from_what_is_a_wrong_one(text: str, code: str, unparsable: bool) -> None:
    frame, answered = refused(text)

    assert (answered, frame.unparsable) == (code, unparsable)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "data.text"),
        ({"text": 5}, "data.text"),
        ({"text": None}, "data.text"),
        ({"text": ""}, "data.text"),
        ({"text": " \n\t "}, "data.text"),
        ({"text": "a\x00b"}, "data.text"),
        ({"text": "x", "deadline_ms": "5000"}, "data.deadline_ms"),
        ({"text": "x", "deadline_ms": 5000.5}, "data.deadline_ms"),
        ({"text": "x", "deadline_ms": True}, "data.deadline_ms"),
        ({"text": "x", "deadline_ms": 999}, "data.deadline_ms"),
        ({"text": "x", "deadline_ms": 600_001}, "data.deadline_ms"),
        ({"text": "x", "route": "fly"}, "data.route"),
        ({"text": "x", "when_busy": "never"}, "data.when_busy"),
    ],
)
def test_a_question_with_a_wrong_field_is_invalid_and_the_field_is_named(data: object, field: str) -> None:
    frame, code = refused(wire(data=data))

    assert (code, frame.id, frame.error.field) == ("invalid", "c-1", field)  # type: ignore[attr-defined]  # checked by the code


@pytest.mark.parametrize("mode", ["enqueue", "reject", "interrupt"])
def test_a_question_says_what_it_means_beside_another(mode: str) -> None:
    frame = accepted(wire(data={"text": "x", "when_busy": mode}))

    assert isinstance(frame.payload, SendPayload)
    assert frame.payload.when_busy == mode


def test_a_question_is_asked_again_by_its_turn_alone() -> None:
    frame = accepted(wire(type="chat.regenerate", data={"turn": "trn_1"}, conversation=None))

    assert frame.payload == RegeneratePayload(turn="trn_1")


@pytest.mark.parametrize(
    ("data", "field"),
    [({}, "data.turn"), ({"turn": "trn_1", "text": " "}, "data.text"), ({"turn": "trn_1", "text": 5}, "data.text")],
)
def test_a_question_is_not_asked_again_without_words_or_turn(data: object, field: str) -> None:
    frame, code = refused(wire(type="chat.regenerate", data=data))

    assert (code, frame.error.field) == ("invalid", field)  # type: ignore[attr-defined]  # checked by the code


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"rating": "up"}, "data.turn"),
        ({"turn": "trn_1", "rating": "splendid"}, "data.rating"),
        ({"turn": "trn_1", "rating": "down", "reason": "bored"}, "data.reason"),
    ],
)
def test_a_rating_says_of_which_turn_and_in_known_words(data: object, field: str) -> None:
    frame, code = refused(wire(type="chat.feedback", data=data, conversation=None))

    assert (code, frame.error.field) == ("invalid", field)  # type: ignore[attr-defined]  # checked by the code


def test_a_question_needs_a_conversation() -> None:
    frame, code = refused(wire(data={"text": "x"}, conversation=None))

    assert (code, frame.id) == ("invalid", "c-1")


@pytest.mark.parametrize(
    "type",
    ["job.answer", "topic.subscribe", "topic.unsubscribe", "inbox.ack", "typing"],
)
def test_what_the_contract_has_and_the_server_has_not_yet_is_invalid_whatever_it_carries(type: str) -> None:
    frame, code = refused(wire(type=type, data="anything"))

    assert (code, frame.id) == ("invalid", "c-1")


def test_text_is_counted_in_code_points() -> None:
    frame = accepted(wire(data={"text": "😀" * MAX_TEXT}))

    assert isinstance(frame.payload, SendPayload)


@pytest.mark.parametrize("text", ["a" * (MAX_TEXT + 1), "a" * 20_000])
def test_a_text_over_the_limit_is_too_big(text: str) -> None:
    frame, code = refused(wire(data={"text": text}))

    assert (code, frame.id, frame.unparsable) == ("too_big", "c-1", False)


@pytest.mark.parametrize("size", [70_000, HARD_MAX_BYTES - 200])
def test_a_frame_over_the_limit_is_too_big_and_still_gets_its_id_back(size: int) -> None:
    frame, code = refused(wire(data={"text": "a" * size}))

    assert (code, frame.id, frame.unparsable) == ("too_big", "c-1", False)


def test_bytes_are_counted_not_characters() -> None:
    _, code = refused(wire(data={"text": "x", "note": "é" * 33_000}))

    assert code == "too_big"


@pytest.mark.parametrize("id", [7, "", "x" * 201, {"a": 1}, "a\x00"])
def test_an_id_that_cannot_be_echoed_is_a_bad_frame_without_one(id: object) -> None:
    frame, code = refused(wire(type="ping", id=id))

    assert (code, frame.id) == ("bad_frame", None)


@pytest.mark.parametrize("t", [1, 1.5, "now", None])
def test_a_ping_carries_any_small_t(t: object) -> None:
    frame = accepted(wire(type="ping", data={"t": t}))

    assert frame.payload == PingPayload(t=t)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("envelope", [{"conversation": "cnv_1"}, {"conversation": None}])
def test_an_open_may_name_its_conversation_inside_or_outside(envelope: dict[str, object]) -> None:
    frame = accepted(wire(type="conversation.open", data={"conversation": "cnv_1", "seq": 0}, **envelope))

    assert frame.conversation == "cnv_1"


def test_an_open_without_a_conversation_asks_for_a_new_one() -> None:
    frame = accepted(wire(type="conversation.open", conversation=None))

    assert (frame.conversation, frame.payload) == (None, OpenPayload())


@pytest.mark.parametrize(
    "data",
    [
        {"conversation": "another"},
        {"seq": 4},
        {"epoch": "e", "seq": -1},
        {"epoch": "e", "seq": 1.0},
        {"epoch": 5, "seq": 1},
        {"on_disconnect": "explode"},
    ],
)
def test_an_open_that_makes_no_sense_is_invalid(data: dict[str, object]) -> None:
    _, code = refused(wire(type="conversation.open", data=data))

    assert code == "invalid"
