"""The log alone, against a real Redis: order, fences, epochs, running text, replay."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from redis import Redis

from deploy.testservers import EmbeddedServers
from orchestrator import ids
from orchestrator.errors import StoreDownError
from orchestrator.events import (
    Event,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    StageFinished,
    StageName,
    StageStarted,
    TurnAccepted,
)
from orchestrator.log.clients import async_client, sync_client
from orchestrator.log.keys import Keys
from orchestrator.log.reader import LogReader
from orchestrator.log.records import Appended, Position
from orchestrator.log.turn_log import LostTurnError, TurnLog
from orchestrator.log.writer import LogWriter

TURN = "trn_a"
MESSAGE = "msg_a"


@pytest.fixture
def writer(servers: EmbeddedServers, keys: Keys) -> LogWriter:
    """Return a writer on the running Redis."""
    return LogWriter(sync_client(servers.redis_url), keys)


@pytest.fixture
async def reader(servers: EmbeddedServers, keys: Keys) -> AsyncIterator[LogReader]:
    """Return a reader on the running Redis."""
    client = async_client(servers.redis_url)
    yield LogReader(client, keys)
    await client.aclose()


@pytest.fixture
def conversation() -> str:
    """Return a conversation nobody has used."""
    return ids.conversation_id()


def accepted(turn: str = TURN) -> TurnAccepted:
    """Return the first event of a turn."""
    return TurnAccepted(turn=turn, text="¿Cuánto? 🍝", user="u")


def started(stage: StageName = "llm", *, attempt: int = 1, turn: str = TURN) -> StageStarted:
    """Return a stage's start."""
    return StageStarted(turn=turn, attempt=attempt, stage=stage, worker="w", queue_wait_ms=1)


def finished(stage: StageName = "llm") -> StageFinished:
    """Return a stage's end."""
    return StageFinished(
        turn=TURN,
        attempt=1,
        stage=stage,
        worker="w",
        queue_wait_ms=1,
        duration_ms=1,
        summary="s",
    )


def message(attempt: int = 1) -> MessageStarted:
    """Return a message's start."""
    return MessageStarted(turn=TURN, attempt=attempt, message=MESSAGE)


def delta(text: str, index: int) -> MessageDelta:
    """Return a piece of text."""
    return MessageDelta(turn=TURN, attempt=1, message=MESSAGE, text=text, index=index)


def completed(text: str = "done") -> MessageCompleted:
    """Return the good ending."""
    return MessageCompleted(turn=TURN, attempt=1, message=MESSAGE, text=text, citations=(), usage={}, timeline={})


def put(writer: LogWriter, conversation: str, event: Event, *, fence: int = 1, asserted: bool = True) -> Appended:
    """Append with what most tests don't care about."""
    return writer.append(conversation, event, fence=fence, cid="c", asserted=asserted)


def pen(writer: LogWriter, conversation: str, *, fence: int | None = 1) -> TurnLog:
    """Return a stage's pen whose row has the given fence."""
    return TurnLog(writer, conversation=conversation, turn=TURN, fence=1, cid="c", current_fence=lambda: fence)


def texts(frames: tuple[tuple[int, str], ...]) -> str:
    """Return the text a client has after the frames: a started message begins anew, indexes place the deltas."""
    text = ""
    for _, frame in frames:
        event = orjson.loads(frame)
        if event["type"] == "message.started":
            text = ""
        if event["type"] == "message.delta":
            text = text[: event["data"]["index"]] + event["data"]["text"]
    return text


async def test_numbers_are_contiguous_from_one(writer: LogWriter, reader: LogReader, conversation: str) -> None:
    for event in (accepted(), started("classify"), finished("classify"), started(), message(), delta("a", 0)):
        put(writer, conversation, event)

    opened = await reader.open(conversation, None)

    assert opened.recovered
    assert [seq for seq, _ in opened.frames] == [1, 2, 3, 4, 5, 6]


async def test_a_frame_is_the_envelope_with_its_number(writer: LogWriter, reader: LogReader, conversation: str) -> None:
    epoch = put(writer, conversation, accepted()).epoch

    frame = orjson.loads((await reader.open(conversation, None)).frames[0][1])

    assert (frame["v"], frame["type"], frame["seq"], frame["epoch"]) == (1, "turn.accepted", 1, epoch)
    assert (frame["conversation"], frame["cid"]) == (conversation, "c")
    assert frame["data"] == {"turn": TURN, "text": "¿Cuánto? 🍝", "user": "u"}


def test_the_same_event_twice_is_appended_once(writer: LogWriter, conversation: str) -> None:
    first = put(writer, conversation, accepted())

    second = put(writer, conversation, accepted())

    assert (second.verdict, second.seq) == ("DUP", first.seq)


def test_a_turn_the_log_does_not_know_needs_its_fence(writer: LogWriter, conversation: str) -> None:
    appended = put(writer, conversation, started(), asserted=False)

    assert appended.verdict == "NEED_FENCE"


def test_a_lower_fence_is_refused(writer: LogWriter, conversation: str) -> None:
    put(writer, conversation, started(attempt=2), fence=2)

    appended = put(writer, conversation, message(), fence=1)

    assert appended.verdict == "FENCED"


def test_a_lower_rank_is_refused(writer: LogWriter, conversation: str) -> None:
    put(writer, conversation, started("llm"))

    appended = put(writer, conversation, finished("classify"))

    assert appended.verdict == "LATE"


def test_a_higher_fence_begins_the_ranks_and_the_text_anew(writer: LogWriter, conversation: str) -> None:
    for event in (started(), message(), delta("old", 0)):
        put(writer, conversation, event)

    put(writer, conversation, started(attempt=2), fence=2)
    put(writer, conversation, message(attempt=2), fence=2)
    appended = put(writer, conversation, delta("new", 0), fence=2)

    assert (appended.verdict, appended.have) == ("OK", 3)


def test_nothing_follows_an_ending(writer: LogWriter, conversation: str) -> None:
    put(writer, conversation, completed())

    appended = put(writer, conversation, started(attempt=9), fence=9)

    assert appended.verdict == "CLOSED"


def test_a_repeated_ending_is_the_same_event(writer: LogWriter, conversation: str) -> None:
    first = put(writer, conversation, completed())

    again = put(writer, conversation, completed())

    assert (again.verdict, again.seq) == ("DUP", first.seq)


def test_a_repeated_delta_is_known_by_its_index(writer: LogWriter, conversation: str) -> None:
    for event in (message(), delta("ñandú", 0)):
        put(writer, conversation, event)

    appended = put(writer, conversation, delta("ñandú", 0))

    assert appended.verdict == "DUP"


def test_a_delta_past_the_end_is_a_gap(writer: LogWriter, conversation: str) -> None:
    for event in (message(), delta("abc", 0)):
        put(writer, conversation, event)

    appended = put(writer, conversation, delta("z", 5))

    assert (appended.verdict, appended.have) == ("GAP", 3)


async def test_the_head_carries_the_running_text(writer: LogWriter, reader: LogReader, conversation: str) -> None:
    for event in (started(), message(), delta("hóla ", 0), delta("🍕", 5)):
        put(writer, conversation, event)

    head = await reader.head(conversation)

    assert (head.top, head.partials[0].text, head.partials[0].turn) == (4, "hóla 🍕", TURN)


async def test_an_ended_message_leaves_no_running_text(writer: LogWriter, reader: LogReader, conversation: str) -> None:
    for event in (started(), message(), delta("x", 0), completed("x")):
        put(writer, conversation, event)

    head = await reader.head(conversation)

    assert head.partials == ()


async def test_a_reader_at_the_top_missed_nothing(writer: LogWriter, reader: LogReader, conversation: str) -> None:
    appended = put(writer, conversation, accepted())

    opened = await reader.open(conversation, Position(epoch=appended.epoch, seq=1))

    assert (opened.recovered, opened.frames) == (True, ())


async def test_a_reader_of_another_epoch_is_not_recovered(
    writer: LogWriter, reader: LogReader, conversation: str
) -> None:
    put(writer, conversation, accepted())

    opened = await reader.open(conversation, Position(epoch="other", seq=1))

    assert (opened.recovered, opened.frames, opened.top) == (False, (), 1)


async def test_a_reader_ahead_of_the_log_is_not_recovered(
    writer: LogWriter, reader: LogReader, conversation: str
) -> None:
    appended = put(writer, conversation, accepted())

    opened = await reader.open(conversation, Position(epoch=appended.epoch, seq=7))

    assert not opened.recovered


async def test_a_trimmed_log_is_not_recovered(
    writer: LogWriter, reader: LogReader, conversation: str, redis_client: Redis, keys: Keys
) -> None:
    epoch = put(writer, conversation, accepted()).epoch
    for n in range(8):
        put(writer, conversation, accepted(f"trn_{n}"))
    redis_client.xtrim(keys.stream(conversation), maxlen=3, approximate=False)

    opened = await reader.open(conversation, Position(epoch=epoch, seq=2))

    assert (opened.recovered, opened.top) == (False, 9)


async def test_opening_a_missing_log_makes_it(reader: LogReader, conversation: str) -> None:
    first = await reader.open(conversation, None)

    second = await reader.open(conversation, Position(epoch=first.epoch, seq=0))

    assert (first.top, second.epoch, second.recovered) == (0, first.epoch, True)


async def test_another_run_of_the_server_begins_a_new_epoch(
    writer: LogWriter, reader: LogReader, conversation: str, redis_client: Redis, keys: Keys
) -> None:
    old = put(writer, conversation, accepted())
    redis_client.hset(keys.meta(conversation), "r", "0" * 40)

    new = put(writer, conversation, accepted())

    assert (new.fresh, new.seq) == (True, 1)
    assert new.epoch != old.epoch
    assert len((await reader.open(conversation, None)).frames) == 1


async def test_a_pen_says_its_openings_and_text_again_after_a_flush_of_redis(
    writer: LogWriter, reader: LogReader, conversation: str, redis_client: Redis, keys: Keys
) -> None:
    log = pen(writer, conversation)
    for event in (started(), message()):
        log.say(event)
    log.write("one ")
    log.flush()
    redis_client.delete(keys.meta(conversation), keys.stream(conversation))

    log.write("two 🍋")
    log.flush()

    opened = await reader.open(conversation, None)
    assert [orjson.loads(f)["type"] for _, f in opened.frames] == ["stage.started", "message.started", "message.delta"]
    assert texts(opened.frames) == "one two 🍋"


async def test_a_pen_mends_a_log_that_another_writer_renewed(
    writer: LogWriter, reader: LogReader, conversation: str, redis_client: Redis, keys: Keys
) -> None:
    log = pen(writer, conversation)
    for event in (started(), message()):
        log.say(event)
    log.write("one ")
    log.flush()
    redis_client.delete(keys.meta(conversation), keys.stream(conversation))
    put(writer, conversation, accepted())

    log.write("two")
    log.flush()

    assert texts((await reader.open(conversation, None)).frames) == "one two"


async def test_a_log_that_has_forgotten_waits_for_the_row_that_cannot_be_read(
    writer: LogWriter, reader: LogReader, conversation: str
) -> None:
    answers: list[StoreDownError | int] = [StoreDownError("restarts", dependency="database"), 1]

    def fence() -> int:
        answer = answers.pop(0)
        if isinstance(answer, StoreDownError):
            raise answer
        return answer

    log = TurnLog(writer, conversation=conversation, turn=TURN, fence=1, cid="c", current_fence=fence)

    said = log.say(started("classify"))
    settled = log.settle(5)

    opened = await reader.open(conversation, None)
    assert (said, settled) == (False, True)
    assert [orjson.loads(frame)["type"] for _, frame in opened.frames] == ["stage.started"]


def test_a_pen_whose_row_moved_on_stops(writer: LogWriter, conversation: str, redis_client: Redis, keys: Keys) -> None:
    log = pen(writer, conversation, fence=2)

    with pytest.raises(LostTurnError):
        log.say(started())


def test_a_pen_stops_when_the_turn_has_ended(writer: LogWriter, conversation: str) -> None:
    log = pen(writer, conversation)
    log.say(started())
    put(writer, conversation, completed())

    with pytest.raises(LostTurnError):
        log.say(message())


async def test_what_a_pen_says_while_redis_is_away_comes_out_in_order(
    writer: LogWriter, reader: LogReader, conversation: str, servers: EmbeddedServers
) -> None:
    log = pen(writer, conversation)
    log.say(started())
    servers.redis.kill()
    said = [log.say(message())]
    log.write("kept ")
    said.append(log.flush())
    servers.redis.start()

    log.write("whole")
    settled = log.settle(5)

    assert said == [False, False]
    assert settled
    opened = await reader.open(conversation, None)
    assert texts(opened.frames) == "kept whole"
    assert [orjson.loads(f)["type"] for _, f in opened.frames][:2] == ["stage.started", "message.started"]


async def test_a_redis_restarted_with_older_data_does_not_reuse_numbers(
    writer: LogWriter, reader: LogReader, conversation: str, servers: EmbeddedServers
) -> None:
    log = pen(writer, conversation)
    log.say(started())
    servers.redis.stop()
    kept = servers.redis.keep()
    servers.redis.start()
    log.say(message())
    log.write("seen by readers")
    log.settle(5)
    before = await reader.head(conversation)

    servers.redis.restart_with(kept)
    log.write(", and more")
    log.settle(5)

    after = await reader.head(conversation)
    assert after.epoch != before.epoch
    assert after.partials[0].text == "seen by readers, and more"
    assert texts((await reader.open(conversation, None)).frames) == "seen by readers, and more"
