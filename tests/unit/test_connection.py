"""One socket's state machine, event by event."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from channels_app.actions import Action, CheckLimit, Close, Join, Leave, OpenLog, RunCommand, Send
from channels_app.connection import Admitted, Connection, Limits
from channels_app.cursor import Live, Look
from channels_app.frames import DRAINING
from orchestrator.errors import ConflictError, NotFoundError, StoreDownError
from orchestrator.log.records import Head, LiveFrame, Opened, Position
from orchestrator.resilience.rate_limit import ALLOWED, Verdict

NO = Verdict(allowed=False, retry_after_ms=40)


def a_connection(**limits: Any) -> Connection:
    return Connection(
        id="con_1",
        now=0.0,
        wall_s=1_000.0,
        token_expires_in_s=900,
        replica="r1",
        say=lambda error: f"error.{error.code}",
        new_cid=lambda: "cid",
        limits=Limits(**limits),
    )


def wire(type: str, data: object = None, conversation: str | None = "c", id: str | None = "x-1") -> str:
    return orjson.dumps({"v": 1, "type": type, "id": id, "conversation": conversation, "data": data or {}}).decode()


def sent(actions: list[Action]) -> list[dict[str, Any]]:
    return [orjson.loads(action.payload) for action in actions if isinstance(action, Send)]


def types(actions: list[Action]) -> list[str]:
    return [frame["type"] for frame in sent(actions)]


def a_live(seq: int | None, epoch: str | None = "e1", conversation: str = "c", size: int = 0) -> Live:
    text = orjson.dumps({"type": "t", "seq": seq, "epoch": epoch, "pad": "x" * size}).decode()
    frame = LiveFrame(conversation=conversation, frame=text, seq=seq, epoch=epoch, type="t")
    return Live(frame=frame, payload=text.encode())


def opened(top: int, *, epoch: str = "e1", recovered: bool = True, after: int = 0, turn: str = "t1") -> Opened:
    numbers = range(after + 1, top + 1) if recovered else ()
    logged = tuple((n, f'{{"type":"turn.accepted","seq":{n},"data":{{"turn":"{turn}"}}}}') for n in numbers)
    return Opened(epoch=epoch, top=top, recovered=recovered, frames=logged)


def run(connection: Connection, text: str, now: float = 0.0) -> RunCommand:
    (check,) = connection.on_text(text, now)
    assert isinstance(check, CheckLimit)
    (command,) = connection.on_limit(check, ALLOWED, now)
    assert isinstance(command, RunCommand)
    return command


def ask_open(connection: Connection, *, first_turn: str | None = None, **data: Any) -> Look:
    command = run(connection, wire("conversation.open", data))
    join, look = connection.on_admitted(command, Admitted(conversation="c", first_turn=first_turn), 0.0)
    assert isinstance(join, Join)
    assert isinstance(look, OpenLog)
    return look.look


def reading(top: int = 0, **limits: Any) -> Connection:
    connection = a_connection(**limits)
    connection.on_opened(ask_open(connection), opened(top), 0.0)
    return connection


# --- greeting, answers ---


def test_hello_says_what_the_contract_lists() -> None:
    (hello,) = sent(a_connection().hello(0.0))

    assert hello["ts"] == 1_000_000
    assert hello["data"] == {
        "connection": "con_1",
        "heartbeat_ms": 30_000,
        "timeout_ms": 60_000,
        "token_expires_in_s": 900,
        "max_bytes": 65_536,
        "rate_per_s": 20,
        "replica": "r1",
        "features": ["resume", "cancel", "when_busy", "regenerate", "feedback", "on_disconnect", "auth.refresh"],
    }


def test_a_ping_is_answered_at_once_with_its_t_and_id() -> None:
    (pong,) = sent(a_connection().on_text(wire("ping", {"t": 17}), 0.0))

    assert (pong["type"], pong["re"], pong["data"]) == ("pong", "x-1", {"t": 17})


def test_the_sixth_ping_within_a_second_counts_as_a_frame() -> None:
    connection = a_connection()

    actions = [connection.on_text(wire("ping"), 0.0)[0] for _ in range(6)]

    assert [type(action) for action in actions] == [Send] * 5 + [CheckLimit]


def test_a_question_becomes_a_command_and_then_one_ack() -> None:
    connection = a_connection()
    command = run(connection, wire("chat.send", {"text": "hi"}))

    (ack,) = sent(connection.on_done(command, 0.0, turn="trn_1", duplicate=False))

    assert (ack["type"], ack["re"], ack["conversation"], ack["cid"]) == ("ack", "x-1", "c", "cid")
    assert ack["data"] == {"accepted": True, "turn": "trn_1", "duplicate": False}


def test_a_refused_question_gets_one_error_in_plain_words() -> None:
    connection = a_connection()
    command = run(connection, wire("chat.send", {"text": "hi"}))

    (error,) = sent(connection.on_failed(command, NotFoundError("secret detail"), 0.0))

    assert (error["type"], error["re"]) == ("error", "x-1")
    assert error["data"] == {"code": "not_found", "message": "error.not_found", "retryable": False}


@pytest.mark.parametrize(("knows_ms", "told_ms"), [(None, 2_000), (700, 700)])
def test_whoever_may_try_again_is_told_when(knows_ms: int | None, told_ms: int) -> None:
    connection = a_connection()
    command = run(connection, wire("chat.send", {"text": "hi"}))
    error = StoreDownError("frozen", dependency="database", retry_after_ms=knows_ms)

    (told,) = sent(connection.on_failed(command, error, 0.0))

    assert (told["data"]["retryable"], told["data"]["retry_after_ms"]) == (True, told_ms)


def test_a_wrong_frame_is_answered_and_the_socket_stays() -> None:
    connection = a_connection()
    (check,) = connection.on_text(wire("chat.fly"), 0.0)
    assert isinstance(check, CheckLimit)

    actions = connection.on_limit(check, ALLOWED, 0.0)

    assert [(frame["type"], frame["re"], frame["data"]["code"]) for frame in sent(actions)] == [
        ("error", "x-1", "unknown_type")
    ]
    assert not connection.closing


# --- bad frames, rate, heartbeat, token ---


def test_the_third_unparsable_frame_within_ten_seconds_closes() -> None:
    connection = a_connection()
    connection.on_text("{", 0.0)
    connection.on_binary(5.0)

    actions = connection.on_text("[]", 10.0)

    assert types(actions) == ["error", "bye"]
    assert actions[-1] == Close(code=4000)
    assert sent(actions)[-1]["data"] == {
        "code": 4000,
        "reason": "bad frame",
        "reconnect": False,
        "retry_after_ms": 0,
    }


def test_three_unparsable_frames_over_a_longer_time_do_not_close() -> None:
    connection = a_connection()
    connection.on_text("{", 0.0)
    connection.on_text("{", 5.0)

    actions = connection.on_text("{", 10.1)

    assert types(actions) == ["error"]


def test_a_frame_over_the_rate_is_told_when_to_come_back() -> None:
    connection = a_connection()
    (check,) = connection.on_text(wire("chat.send", {"text": "hi"}), 0.0)
    assert isinstance(check, CheckLimit)

    (error,) = sent(connection.on_limit(check, NO, 0.0))

    assert (error["re"], error["data"]["code"], error["data"]["retry_after_ms"]) == ("x-1", "rate_limited", 40)
    assert error["data"]["retryable"]


def test_the_third_violation_within_ten_seconds_closes() -> None:
    connection = a_connection()
    (check,) = connection.on_text(wire("chat.send", {"text": "hi"}), 0.0)
    assert isinstance(check, CheckLimit)
    connection.on_limit(check, NO, 0.0)
    connection.on_limit(check, NO, 4.0)

    actions = connection.on_limit(check, NO, 9.0)

    assert types(actions) == ["error", "bye"]
    assert actions[-1] == Close(code=4429)
    assert sent(actions)[-1]["data"]["reconnect"]


def test_a_minute_of_silence_closes() -> None:
    connection = a_connection()
    connection.on_text(wire("ping"), 10.0)

    early, late = connection.on_tick(70.0), connection.on_tick(70.1)

    assert early == []
    assert late[-1] == Close(code=4408)


def test_even_a_refused_frame_is_a_sign_of_life() -> None:
    connection = a_connection()
    connection.on_binary(59.0)

    assert connection.on_tick(100.0) == []


def alive_at(connection: Connection, now: float) -> list[Action]:
    connection.on_text(wire("ping"), now)
    return connection.on_tick(now)


def test_the_end_of_a_token_is_announced_once_a_minute_ahead() -> None:
    connection = a_connection()

    before, at, after = alive_at(connection, 839.0), alive_at(connection, 840.0), alive_at(connection, 841.0)

    assert (before, types(at), after) == ([], ["auth.expiring"], [])
    assert sent(at)[0]["data"] == {"in_s": 60}


def test_an_expired_token_has_twenty_five_seconds_of_grace() -> None:
    connection = a_connection()
    alive_at(connection, 840.0)

    in_grace, after = alive_at(connection, 924.9), alive_at(connection, 925.0)

    assert in_grace == []
    assert types(after) == ["bye"]
    assert after[-1] == Close(code=4402)


def test_a_newer_token_starts_the_clock_again() -> None:
    connection = a_connection()
    alive_at(connection, 840.0)
    command = run(connection, wire("auth.refresh", {"token": "t"}), 850.0)

    answer = connection.on_refreshed(command, expires_in_s=900, now=850.0)

    assert types(answer) == ["ack"]
    assert alive_at(connection, 1_689.0) == []
    assert types(alive_at(connection, 1_690.0)) == ["auth.expiring"]


def test_nothing_follows_a_close() -> None:
    connection = reading()
    command = run(connection, wire("chat.send", {"text": "hi"}))
    connection.close(DRAINING, 0.0)

    assert connection.on_text(wire("ping"), 0.0) == []
    assert connection.on_done(command, 0.0) == []
    assert connection.on_live(a_live(1), 0.0) == []
    assert connection.on_tick(999.0) == []
    assert connection.close(DRAINING, 0.0) == []


def test_a_drain_is_announced_before_it_closes() -> None:
    connection = a_connection()

    notice = connection.on_drain(reconnect_after_ms=300, deadline_ms=5_000, now=0.0)
    end = connection.close(DRAINING, 1.0)

    assert sent(notice)[0]["data"] == {"reconnect_after_ms": 300, "deadline_ms": 5_000}
    assert (types(end), end[-1]) == (["bye"], Close(code=4012))


# --- reading a conversation ---


def test_opening_joins_first_and_then_reads_from_the_clients_position() -> None:
    connection = a_connection()
    command = run(connection, wire("conversation.open", {"epoch": "e1", "seq": 4, "on_disconnect": "cancel"}))

    join, look = connection.on_admitted(command, Admitted(conversation="c", first_turn="t1"), 0.0)

    assert join == Join(conversation="c", on_disconnect="cancel")
    assert isinstance(look, OpenLog)
    assert look.look.position == Position(epoch="e1", seq=4)


def test_the_answer_to_an_open_comes_before_what_was_missed() -> None:
    connection = a_connection()
    look = ask_open(connection, epoch="e1", seq=2)

    actions = connection.on_opened(look, opened(4, after=2), 0.0)

    first, *rest = sent(actions)
    assert (first["type"], first["re"], first["conversation"]) == ("conversation.opened", "x-1", "c")
    assert first["data"] == {"conversation": "c", "recovered": True, "epoch": "e1", "top": 4, "replayed": 2}
    assert [frame["seq"] for frame in rest] == [3, 4]


def test_live_frames_that_come_while_the_log_is_read_follow_it_once() -> None:
    connection = a_connection()
    look = ask_open(connection)
    for seq in (3, 4, 5):
        connection.on_live(a_live(seq), 0.0)

    actions = connection.on_opened(look, opened(4), 0.0)

    assert [frame.get("seq") for frame in sent(actions)] == [None, 1, 2, 3, 4, 5]


def test_a_lost_position_is_told_with_where_to_find_everything() -> None:
    connection = a_connection()
    look = ask_open(connection, epoch="e0", seq=9)
    connection.on_live(a_live(8), 0.0)

    actions = connection.on_opened(look, opened(7, recovered=False), 0.0)

    first, live = sent(actions)
    assert first["data"] == {
        "conversation": "c",
        "recovered": False,
        "epoch": "e1",
        "top": 7,
        "replayed": 0,
        "snapshot_url": "/api/conversations/c/snapshot",
    }
    assert live["seq"] == 8


def test_a_replay_from_the_start_without_the_first_turn_is_not_called_complete() -> None:
    connection = a_connection()
    look = ask_open(connection, first_turn="t0", seq=0)

    actions = connection.on_opened(look, opened(5, turn="t1"), 0.0)

    assert [(frame["type"], frame["data"].get("recovered")) for frame in sent(actions)] == [
        ("conversation.opened", False)
    ]


def test_a_replay_from_the_start_with_the_first_turn_is_complete() -> None:
    connection = a_connection()
    look = ask_open(connection, first_turn="t1", seq=0)

    actions = connection.on_opened(look, opened(5, turn="t1"), 0.0)

    assert sent(actions)[0]["data"]["recovered"]


def test_a_position_with_an_epoch_is_believed_even_at_zero() -> None:
    connection = a_connection()
    look = ask_open(connection, first_turn="t0", epoch="e1", seq=0)

    actions = connection.on_opened(look, opened(0), 0.0)

    assert sent(actions)[0]["data"]["recovered"]


def test_a_gap_asks_the_log_and_holds_back_what_follows() -> None:
    connection = reading(top=2)

    gap = connection.on_live(a_live(5), 0.0)
    held = connection.on_live(a_live(6), 0.0)

    assert held == []
    (action,) = gap
    assert isinstance(action, OpenLog)
    assert action.look.position == Position(epoch="e1", seq=2)
    assert [f["seq"] for f in sent(connection.on_opened(action.look, opened(5, after=2), 0.0))] == [3, 4, 5, 6]


def test_repeated_frames_are_dropped() -> None:
    connection = reading(top=2)

    assert connection.on_live(a_live(2), 0.0) == []


def test_another_epoch_is_told_unasked_once_the_log_confirms_it() -> None:
    connection = reading(top=2)
    (action,) = connection.on_live(a_live(1, epoch="e2"), 0.0)
    assert isinstance(action, OpenLog)

    actions = connection.on_opened(action.look, opened(3, epoch="e2", recovered=False), 0.0)

    (news,) = sent(actions)
    assert (news["type"], "re" in news) == ("conversation.opened", False)
    assert (news["data"]["recovered"], news["data"]["epoch"], news["data"]["top"]) == (False, "e2", 3)
    assert [f["seq"] for f in sent(connection.on_live(a_live(4, epoch="e2"), 0.0))] == [4]


def test_a_late_frame_of_an_old_epoch_changes_nothing() -> None:
    connection = reading(top=2)
    (action,) = connection.on_live(a_live(9, epoch="e0"), 0.0)
    assert isinstance(action, OpenLog)

    actions = connection.on_opened(action.look, opened(2, after=2), 0.0)

    assert actions == []
    assert [f["seq"] for f in sent(connection.on_live(a_live(3), 0.0))] == [3]


@pytest.mark.parametrize(("head", "looks"), [(("e1", 2), 0), (("e1", 3), 1), (("e2", 0), 1), (("e1", 1), 0)])
def test_a_head_that_is_further_or_elsewhere_asks_the_log(head: tuple[str, int], looks: int) -> None:
    connection = reading(top=2)

    assert len(connection.on_head("c", Head(epoch=head[0], top=head[1]))) == looks


def test_a_log_that_does_not_answer_an_open_is_an_error_and_the_conversation_is_left() -> None:
    connection = a_connection()
    look = ask_open(connection)

    actions = connection.on_look_failed(look, StoreDownError("redis", dependency="redis"), 0.0)

    assert actions[0] == Leave(conversation="c")
    assert [(f["re"], f["data"]["code"], f["data"]["retryable"]) for f in sent(actions)] == [
        ("x-1", "dependency_down", True)
    ]
    assert connection.conversations == ()


def test_a_log_that_does_not_answer_a_repair_is_asked_again_later() -> None:
    connection = reading(top=2)
    (action,) = connection.on_live(a_live(5), 0.0)
    assert isinstance(action, OpenLog)

    now = connection.on_look_failed(action.look, StoreDownError("redis", dependency="redis"), 0.0)
    later = connection.on_tick(1.5)

    assert now == []
    assert [action.look.position for action in later if isinstance(action, OpenLog)] == [Position(epoch="e1", seq=2)]


def test_the_answer_to_an_overtaken_look_is_ignored() -> None:
    connection = reading(top=2)
    (repair,) = connection.on_live(a_live(5), 0.0)
    assert isinstance(repair, OpenLog)
    again = ask_open(connection, epoch="e1", seq=1)

    ignored = connection.on_opened(repair.look, opened(5, after=2), 0.0)
    actions = connection.on_opened(again, opened(5, after=1), 0.0)

    assert ignored == []
    assert [frame.get("seq") for frame in sent(actions)] == [None, 2, 3, 4, 5]


def test_too_many_open_conversations_are_refused() -> None:
    connection = reading(open_conversations=1)
    command = run(connection, wire("conversation.open", conversation="d"))

    actions = connection.on_admitted(command, Admitted(conversation="d", first_turn=None), 0.0)

    assert [frame["data"]["code"] for frame in sent(actions)] == [ConflictError.code]


# --- slow readers ---


def test_ephemeral_frames_are_dropped_once_the_outbox_is_half_full() -> None:
    connection = reading(outbox_bytes=4_000)
    connection.on_live(a_live(1, size=2_000), 0.0)

    ephemeral = connection.on_live(a_live(None, None), 0.0)
    durable = connection.on_live(a_live(2), 0.0)

    assert (ephemeral, connection.dropped) == ([], 1)
    assert types(durable) == ["t"]


def test_a_reader_that_does_not_read_is_closed() -> None:
    connection = reading(outbox_bytes=4_000)
    connection.on_live(a_live(1, size=5_000), 0.0)

    actions = connection.on_live(a_live(2), 0.0)

    assert (types(actions), actions[-1]) == (["bye"], Close(code=4490))


def test_a_reader_that_reads_is_not_closed() -> None:
    connection = reading(outbox_bytes=4_000)
    actions = connection.on_live(a_live(1, size=5_000), 0.0)
    connection.on_written(next(action for action in actions if isinstance(action, Send)))

    assert types(connection.on_live(a_live(2), 0.0)) == ["t"]


def test_a_long_replay_does_not_make_a_reader_slow() -> None:
    connection = a_connection(outbox_bytes=4_000)
    connection.on_opened(ask_open(connection), opened(500), 0.0)

    assert types(connection.on_live(a_live(501), 0.0)) == ["t"]
