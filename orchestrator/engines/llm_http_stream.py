"""The chunks of one streamed completion, each waited for with its own limit, endable from another thread."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import openai
from openai.types.chat import ChatCompletionChunk

from orchestrator.engines.llm_http_errors import Failure, translate
from orchestrator.engines.llm_http_wire import Call, ResponseTooBigError, enter
from orchestrator.engines.llm_timeouts import Timeouts
from orchestrator.errors import DeadlineExceededError, SilentError, StoppedError
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop


@dataclass(frozen=True, slots=True)
class _End:
    """The reading thread's last word; `failure` is None when the stream came to its end."""

    failure: Failure | None


class _Stopped:
    """Wakes the waiting side when the stop comes."""


_Inbox = queue.SimpleQueue[ChatCompletionChunk | _End | _Stopped]
Opener = Callable[[], openai.Stream[ChatCompletionChunk]]


def follow(
    open_stream: Opener, *, timeouts: Timeouts, api_key: str, deadline: Deadline, stop: Stop
) -> Generator[ChatCompletionChunk, None, None]:
    """Send the request and yield its chunks; closing the generator cuts the connection.

    A thread of its own reads the socket, and the caller waits on a queue. So each wait is
    bounded whatever the server trickles (comments and empty chunks don't count as tokens),
    and a stop needs no cooperation of a blocked read.

    Raises:
        As `LanguageModel.write`; `api_key` appears in no message.
    """
    if stop.is_set():
        raise StoppedError("llm")
    deadline.require(0.05, stage="llm")
    call, inbox = Call(), _Inbox()

    def interrupt() -> None:
        inbox.put(_Stopped())
        call.cut()

    with stop.interrupts(interrupt):
        # Daemon: a process that leaves must not wait for a silent server.
        threading.Thread(target=_read, args=(open_stream, call, inbox), name="llm-stream", daemon=True).start()
        limit_s, since = timeouts.first_token_s, time.monotonic()
        try:
            while True:
                item = _next(inbox, since + limit_s, deadline)
                if stop.is_set() or isinstance(item, _Stopped):
                    raise StoppedError("llm")
                if isinstance(item, _End):
                    if item.failure is None:
                        return
                    raise translate(item.failure, api_key=api_key, ended=call.ended) from None
                yield item
                if _lives(item):
                    limit_s, since = timeouts.next_token_s, time.monotonic()
        finally:
            call.cut()


def _next(inbox: _Inbox, until: float, deadline: Deadline) -> ChatCompletionChunk | _End | _Stopped:
    wait_s = min(until - time.monotonic(), deadline.remaining_s())
    try:
        return inbox.get(timeout=wait_s) if wait_s > 0 else inbox.get_nowait()
    except queue.Empty:
        left_s = deadline.remaining_s()
        if left_s > 0:
            message, left_ms = "the model's server sent no token in time", int(left_s * 1000)
            raise SilentError(message, dependency="llm", stage="llm", remaining_ms=left_ms) from None
        raise DeadlineExceededError("the deadline passed while it wrote", stage="llm") from None


def _read(open_stream: Opener, call: Call, inbox: _Inbox) -> None:
    enter(call)
    try:
        with open_stream() as chunks:
            for chunk in chunks:
                inbox.put(chunk)
    except (openai.OpenAIError, ResponseTooBigError, ValueError, OSError) as exc:
        inbox.put(_End(exc))
    else:
        inbox.put(_End(None))


def _lives(chunk: ChatCompletionChunk) -> bool:
    """Tell a chunk that shows the model at work from a role, a keep-alive or an empty list."""
    for choice in chunk.choices or []:
        delta = choice.delta
        # Reasoning models think for long before the first text; vLLM and Ollama name that field differently.
        if delta.content or getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None):
            return True
    return False
