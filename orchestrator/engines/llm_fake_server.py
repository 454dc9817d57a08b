"""An OpenAI-compatible server that answers, stalls, cuts and errs on demand: equipment for tests and drills.

`python -m orchestrator.engines.llm_fake_server --port 27000` runs it alone. The
behaviour is the server's default, or the request's own where its model is named
`fake:<behaviour>`. `POST /control` with `{"behaviour": "stall"}` changes the
default while it runs, `GET /control?after=7` lists what was asked after the
first 7 requests.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

ANSWER: Final = "The kitchen closes at **23:00** on weekdays [1]. On Saturdays it stays open until midnight [2]."
_PREFIX: Final = "fake:"
#: What the wire carries as JSON.
Json = dict[str, Any]


class Behaviour(StrEnum):
    """What the server does with a completion request."""

    NORMAL = "normal"
    #: `pace_s` between tokens.
    SLOW = "slow"
    NO_USAGE = "no_usage"
    LENGTH = "length"
    EMPTY_CHOICES = "empty_choices"
    HUGE = "huge"
    #: Bytes without a line's end, for ever.
    ENDLESS_LINE = "endless_line"
    GARBAGE = "garbage"
    ERROR_IN_STREAM = "error_in_stream"
    #: Takes the request and never answers.
    SILENT = "silent"
    #: `after` tokens, then nothing.
    STALL = "stall"
    #: `after` tokens, then only comments, which keep the socket busy.
    COMMENTS = "comments"
    #: `after` tokens, then the connection is reset in the middle of a line.
    CUT = "cut"
    #: The same, but the body ends as if it were whole.
    CUT_CLEANLY = "cut_cleanly"
    #: Ends between two chunks without a reason.
    UNFINISHED = "unfinished"
    ERROR_500 = "error_500"
    RATE_LIMITED = "rate_limited"
    UNKNOWN_MODEL = "unknown_model"
    #: Refuses the key and quotes it.
    UNAUTHENTICATED = "unauthenticated"
    #: Takes neither `max_tokens` nor a temperature, as OpenAI's reasoning models.
    STRICT = "strict"


@dataclass(slots=True, kw_only=True)
class Asked:
    """One completion request as the server saw it."""

    #: Seconds since the epoch.
    at_s: float
    #: Its `Idempotency-Key` and `X-Client-Request-Id`, empty where it had none.
    key: str
    request: str
    behaviour: Behaviour
    #: Whether the answer went out to its last byte.
    whole: bool = False
    #: Whether the server has nothing more to do with it: it is answered, or the client left.
    over: bool = False


class FakeServer:
    """The server in threads of this process; a context manager.

    Attributes:
        behaviour: what requests get whose model names none; may be changed while it runs.
        answer: the text, or a function from the request's body to it.
        pace_s: the pause between tokens for `slow`.
        after: the tokens that `stall`, `comments` and `cut` send first.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        behaviour: Behaviour = Behaviour.NORMAL,
        answer: str | Callable[[Json], str] = ANSWER,
        pace_s: float = 0.05,
        after: int = 3,
    ) -> None:
        self.behaviour = behaviour
        self.answer = answer
        self.pace_s = pace_s
        self.after = after
        #: The bodies of all completion requests, in order.
        self.requests: list[Json] = []
        #: The key that each of them came with.
        self.keys: list[str] = []
        #: What became of each of them.
        self.asked: list[Asked] = []
        #: Set when a client left in the middle of an answer.
        self.disconnected = threading.Event()
        #: Set when the first token went out, and when a request came that gets none.
        self.reached = threading.Event()
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        """Return what goes into `SWITCHYARD_LLM_BASE_URL`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def wait(self) -> None:
        """Block until it is closed from elsewhere."""
        self.closing.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    fake: FakeServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that reset their connection: it is what is being tested."""


class _LeftError(Exception):
    """The client went away, or the server closes."""


class _CutError(Exception):
    """The server itself cut the connection, as it was told to."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: what came is in `FakeServer.requests`."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/health":
            self._json(200, {"status": "ok"})
        elif address.path == "/control":
            after = int(parse_qs(address.query).get("after", ["0"])[0])
            fake = self.server.fake
            self._json(200, {"behaviour": fake.behaviour, "asked": [asdict(one) for one in fake.asked[after:]]})
        else:
            self._json(404, _error("no such page", "not_found"))

    def do_POST(self) -> None:
        fake = self.server.fake
        body: Json = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
        if self.path == "/control":
            fake.behaviour = Behaviour(body["behaviour"])
            self._json(200, {"behaviour": fake.behaviour})
            return
        fake.requests.append(body)
        fake.keys.append(self.headers.get("authorization", "").removeprefix("Bearer "))
        model = str(body.get("model", ""))
        named = model.removeprefix(_PREFIX)
        behaviour = Behaviour(named) if named in set(Behaviour) and named != model else fake.behaviour
        asked = Asked(
            at_s=time.time(),
            key=self.headers.get("idempotency-key", ""),
            request=self.headers.get("x-client-request-id", ""),
            behaviour=behaviour,
        )
        fake.asked.append(asked)
        try:
            if not self._refuse(behaviour, body):
                self._stream(behaviour, body)
                asked.whole = True
        except _CutError:
            self.close_connection = True
        except (_LeftError, OSError):
            self.close_connection = True
            if not fake.closing.is_set():
                fake.disconnected.set()
        finally:
            asked.over = True

    def _refuse(self, behaviour: Behaviour, body: Json) -> bool:
        match behaviour:
            case Behaviour.ERROR_500:
                self._json(500, _error("the accelerator is out of memory", "server_error"))
            case Behaviour.RATE_LIMITED:
                self._json(429, _error("too many requests", "rate_limit_exceeded"), {"Retry-After": "7"})
            case Behaviour.UNKNOWN_MODEL:
                self._json(404, _error(f"the model {body.get('model')!r} does not exist", "model_not_found"))
            case Behaviour.UNAUTHENTICATED:
                self._json(401, _error(f"Incorrect API key provided: {self.server.fake.keys[-1]}", "invalid_api_key"))
            case Behaviour.STRICT if "max_tokens" in body:
                self._json(400, _error("Unsupported parameter: 'max_tokens'", "unsupported_parameter", "max_tokens"))
            case Behaviour.STRICT if "temperature" in body:
                self._json(400, _error("Unsupported value: 'temperature'", "unsupported_value", "temperature"))
            case _:
                return False
        return True

    def _stream(self, behaviour: Behaviour, body: Json) -> None:
        fake = self.server.fake
        if behaviour is Behaviour.SILENT:
            fake.reached.set()
            self._hold()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        answer = fake.answer(body) if callable(fake.answer) else fake.answer
        tokens = _tokens(answer)
        self._event(_chunk(body, {"role": "assistant", "content": ""}))
        match behaviour:
            case Behaviour.EMPTY_CHOICES:
                self._event({**_chunk(body, {}), "choices": []})
            case Behaviour.GARBAGE:
                self._bytes(b"data: {this is no JSON}\n\n")
            case Behaviour.ERROR_IN_STREAM:
                self._event(_error("the engine died", "server_error"))
            case Behaviour.HUGE:
                tokens = ["word " * 200] * 400
            case Behaviour.ENDLESS_LINE:
                while True:
                    self._bytes(b"data: " + b"x" * 65_536)
            case _:
                pass
        for at, token in enumerate(tokens):
            if at == fake.after:
                self._break_off(behaviour)
            self._event(_chunk(body, {"content": token}))
            fake.reached.set()
            self._pause(fake.pace_s if behaviour is Behaviour.SLOW else 0.0)
        if behaviour is not Behaviour.UNFINISHED:
            reason = "length" if behaviour is Behaviour.LENGTH else "stop"
            self._event(_chunk(body, {}, finish=reason))
            if body.get("stream_options", {}).get("include_usage") and behaviour is not Behaviour.NO_USAGE:
                usage = {"prompt_tokens": 42, "completion_tokens": len(tokens), "total_tokens": 42 + len(tokens)}
                self._event({**_chunk(body, {}), "choices": [], "usage": usage})
            self._bytes(b"data: [DONE]\n\n")
        self._bytes(b"")

    def _break_off(self, behaviour: Behaviour) -> None:
        match behaviour:
            case Behaviour.STALL:
                self._hold()
            case Behaviour.COMMENTS:
                while True:
                    self._bytes(b": still here\n\n")
                    self._pause(0.05)
            case Behaviour.CUT:
                self._bytes(b'data: {"id": "x", "choi')
                self.connection.shutdown(socket.SHUT_RDWR)
                raise _CutError
            case Behaviour.CUT_CLEANLY:
                self._bytes(b'data: {"id": "x", "choi')
                self._bytes(b"")
                raise _CutError
            case _:
                pass

    def _hold(self) -> None:
        while True:
            self._pause(0.05)

    def _pause(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s
        while pause_s:
            if self.server.fake.closing.is_set():
                raise _LeftError
            # A client that leaves makes the socket readable, with nothing to read.
            if select.select([self.connection], [], [], min(0.05, pause_s))[0] and not self.connection.recv(1024):
                raise _LeftError
            if time.monotonic() >= until:
                return

    def _event(self, payload: Json) -> None:
        self._bytes(b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n")

    def _bytes(self, part: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.flush()

    def _json(self, status: int, payload: Json, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def echo(body: Json) -> str:
    """Return an answer that ends with what was asked, so that it can be told whose answer it is."""
    asked = str(body["messages"][-1]["content"]).rsplit("\n", 1)[-1].removeprefix("Question: ")
    return f"{ANSWER} This is the answer to: {asked}"


def _tokens(answer: str) -> list[str]:
    words = answer.split(" ")
    return [word if at == 0 else f" {word}" for at, word in enumerate(words)]


def _chunk(body: Json, delta: Json, *, finish: str | None = None) -> Json:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": body.get("model", ""),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _error(message: str, code: str, param: str | None = None) -> Json:
    return {"error": {"message": message, "type": code, "code": code, "param": param}}


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--behaviour", type=Behaviour, choices=list(Behaviour), default=Behaviour.NORMAL)
    parser.add_argument("--pace-s", type=float, default=0.05)
    parser.add_argument("--echo", action="store_true", help="end each answer with the question")
    asked = parser.parse_args()
    with FakeServer(
        port=asked.port, behaviour=asked.behaviour, pace_s=asked.pace_s, answer=echo if asked.echo else ANSWER
    ) as server:
        server.wait()


if __name__ == "__main__":
    main()
