"""A language model behind an OpenAI-compatible HTTP server: OpenAI, vLLM, Ollama, `transformers serve`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, cast

import httpx2
import openai
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from orchestrator.engines.llm import Language, Material, Piece, Usage
from orchestrator.engines.llm_http_errors import refused_parameter
from orchestrator.engines.llm_http_stream import follow
from orchestrator.engines.llm_http_wire import http_client
from orchestrator.engines.llm_timeouts import Timeouts
from orchestrator.engines.prompts import Prompt, answer_prompt
from orchestrator.errors import DependencyDownError, EngineError
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

#: Characters a token stands for when the server does not count.
CHARS_PER_TOKEN: Final = 4
#: Longer than any answer a person asked for; a model that repeats itself ends here.
MAX_ANSWER_CHARS: Final = 40_000
_CUT: Final[Mapping[Language, str]] = {
    "en": "\n\n*(The answer was cut at its length limit.)*",
    "es": "\n\n*(La respuesta se cortó al llegar a su longitud máxima.)*",
}
_OPTIONAL: Final = ("max_tokens", "temperature", "stream_options")


class HttpModel:
    """Streams answers from the server, one connection a request; thread-safe."""

    completes: bool = True

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        timeouts: Timeouts | None = None,
        answer_tokens: int = 2_048,
        name: str = "",
    ) -> None:
        #: What people read; the server is asked for `model`.
        self.name = name or model
        self.model = model
        self._timeouts = timeouts or Timeouts()
        self._answer_tokens = answer_tokens
        self._api_key = api_key
        parts = httpx2.URL(base_url)
        self._host = parts.host
        #: Host and port of the server: fit to be shown to operators.
        self.address = parts.netloc.decode("ascii", "replace")
        # Parameters this server turned out not to take (OpenAI's reasoning models refuse two of them).
        self._refused: frozenset[str] = frozenset()
        # A backstop only: the waiting side cuts the socket before. It keeps a reading thread from living for ever.
        read_s = max(self._timeouts.first_token_s, self._timeouts.next_token_s) + 5
        self._client = openai.OpenAI(
            base_url=base_url,
            # Never None: the SDK would take OPENAI_API_KEY and send it to whatever server this is.
            api_key=api_key or "none",
            max_retries=0,
            http_client=http_client(base_url, connect_s=self._timeouts.connect_s, read_s=read_s),
        )

    def __repr__(self) -> str:
        return f"HttpModel(name={self.name!r}, host={self._host!r})"

    def write(self, material: Material, *, deadline: Deadline, stop: Stop) -> Iterator[Piece]:
        """Yield pieces of the answer, the last one carrying the usage; errors as in `LanguageModel.write`."""
        return self._stream(
            answer_prompt(material),
            max_tokens=self._answer_tokens,
            temperature=0.2,
            cut_note=_CUT[material.language],
            deadline=deadline,
            stop=stop,
            headers=_headers(material),
        )

    def complete(
        self,
        system: str,
        messages: Sequence[tuple[Literal["user", "assistant"], str]],
        *,
        max_tokens: int,
        deadline: Deadline,
        stop: Stop,
    ) -> str:
        """Return one completion at temperature 0; it streams underneath, so that a stop ends it too."""
        pieces = self._stream(
            Prompt(system=system, messages=tuple(messages)),
            max_tokens=max_tokens,
            temperature=0.0,
            cut_note="",
            deadline=deadline,
            stop=stop,
        )
        return "".join(piece.text for piece in pieces)

    def _stream(
        self,
        prompt: Prompt,
        *,
        max_tokens: int,
        temperature: float,
        cut_note: str,
        deadline: Deadline,
        stop: Stop,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Piece]:
        wanted: dict[str, object] = {
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream_options": {"include_usage": True},
            "extra_headers": headers,
        }
        chunks = follow(
            lambda: self._open(_messages(prompt), wanted),
            timeouts=self._timeouts,
            api_key=self._api_key,
            deadline=deadline,
            stop=stop,
        )
        written, finish = 0, ""
        usage: Usage | None = None
        try:
            for chunk in chunks:
                usage = self._usage_of(chunk) or usage
                finish = _finish_of(chunk) or finish
                text = _text_of(chunk)[: MAX_ANSWER_CHARS - written]
                if text:
                    written += len(text)
                    yield Piece(text=text)
                if written == MAX_ANSWER_CHARS:
                    finish = "length"
                    break
        finally:
            chunks.close()
        if not finish:
            # A server that closes cleanly says no more than one that is cut: without a reason it isn't an end.
            raise DependencyDownError("the model's server ended the stream before the answer's end", dependency="llm")
        if not written:
            raise EngineError(f"the model wrote nothing ({finish})", engine="llm", transient=True)
        if finish == "length" and cut_note:
            yield Piece(text=cut_note)
        yield Piece(usage=usage or self._guess(prompt, written))

    def _usage_of(self, chunk: ChatCompletionChunk) -> Usage | None:
        counted = chunk.usage
        if counted is None:
            return None
        return Usage(
            input_tokens=counted.prompt_tokens or 0, output_tokens=counted.completion_tokens or 0, model=self.name
        )

    def _guess(self, prompt: Prompt, written: int) -> Usage:
        asked = len(prompt.system) + sum(len(content) for _, content in prompt.messages)
        return Usage(
            input_tokens=-(-asked // CHARS_PER_TOKEN),
            output_tokens=-(-written // CHARS_PER_TOKEN),
            model=self.name,
            estimated=True,
        )

    def _open(
        self, messages: list[ChatCompletionMessageParam], wanted: Mapping[str, object]
    ) -> openai.Stream[ChatCompletionChunk]:
        """Send the request; one that the server refuses for an optional parameter goes again without it."""
        for _ in _OPTIONAL:
            sent = self._refused
            try:
                return self._create(messages, wanted, sent)
            except openai.BadRequestError as exc:
                refused = refused_parameter(exc, _OPTIONAL)
                if refused is None or refused in sent:
                    raise
                self._refused |= {refused}
        return self._create(messages, wanted, self._refused)

    def _create(
        self, messages: list[ChatCompletionMessageParam], wanted: Mapping[str, object], refused: frozenset[str]
    ) -> openai.Stream[ChatCompletionChunk]:
        options = {name: value for name, value in wanted.items() if name not in refused}
        if "max_tokens" in refused:
            options["max_completion_tokens"] = wanted["max_tokens"]
        # Any: which options go along is known only at run time, so none of the SDK's overloads can be chosen.
        create = cast(Any, self._client.chat.completions.create)
        return cast(
            "openai.Stream[ChatCompletionChunk]", create(model=self.model, messages=messages, stream=True, **options)
        )


def _headers(material: Material) -> dict[str, str]:
    """Say which effect this is, so that a server, its bill or its log can tell a repeat from a second answer."""
    named = {"Idempotency-Key": material.key, "X-Client-Request-Id": f"{material.key}:{material.claim}"}
    return named if material.key else {}


def _messages(prompt: Prompt) -> list[ChatCompletionMessageParam]:
    found: list[ChatCompletionMessageParam] = [{"role": "system", "content": prompt.system}]
    for role, content in prompt.messages:
        if role == "user":
            found.append({"role": "user", "content": content})
        else:
            found.append({"role": "assistant", "content": content})
    return found


def _text_of(chunk: ChatCompletionChunk) -> str:
    # `choices` is empty in the usage chunk and in the first one of some servers, `content` null in a role's.
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


def _finish_of(chunk: ChatCompletionChunk) -> str:
    return (chunk.choices[0].finish_reason or "") if chunk.choices else ""
