"""What an answer of a language model's server that is no answer means to us."""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import assert_never

import openai

from orchestrator.engines.llm_http_wire import ResponseTooBigError
from orchestrator.errors import DependencyDownError, EngineError, OrchestratorError, OverLimitError, SilentError

#: What a reading thread may end with; anything else is a mistake of ours and stays as it is.
Failure = openai.OpenAIError | ResponseTooBigError | ValueError | OSError
_KEY_LIKE = re.compile(r"\b(?:(?:sk|pk|key)[-_]|Bearer\s+)[\w*.\-]{6,}", re.IGNORECASE)
_MESSAGE_CHARS = 200
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,6})?")
_DAY_S = 86_400.0


def clean(text: str, api_key: str) -> str:
    """Return a server's words fit for a log: one line, short, without the key or what looks like one."""
    if api_key:
        text = text.replace(api_key, "***")
    return _KEY_LIKE.sub("***", " ".join(text.split()))[:_MESSAGE_CHARS]


def translate(failure: Failure, *, api_key: str, ended: bool) -> OrchestratorError:
    """Return our error for a failed request; raise it `from None`.

    The SDK's errors carry the server's whole body, which may echo the key or the question, so
    they must not appear as the cause in a traceback.

    Args:
        failure: what the SDK or the transport raised.
        api_key: what must not be in the message.
        ended: whether the body had come to its end, which tells a cut line from garbage.
    """
    match failure:
        case openai.APIStatusError():
            return _of_status(failure, api_key)
        case openai.APITimeoutError():
            if _names_connect(failure):
                return DependencyDownError("the model's server does not accept connections", dependency="llm")
            return SilentError("the model's server fell silent", dependency="llm", stage="llm")
        case openai.APIConnectionError():
            # Refused, reset or cut between chunks; the reason of the transport names no content.
            reason = clean(str(failure.__cause__ or "connection failed"), api_key)
            return DependencyDownError(
                f"the model's server is unreachable or cut the stream: {reason}", dependency="llm"
            )
        case openai.OpenAIError():
            # An `error` object in the middle of a stream, or something else the SDK refuses.
            return DependencyDownError(f"the model's server failed: {clean(str(failure), api_key)}", dependency="llm")
        case json.JSONDecodeError() | UnicodeDecodeError() if ended:
            return DependencyDownError("the model's server cut the stream in the middle of a line", dependency="llm")
        case ResponseTooBigError():
            return EngineError(f"the model's server sent too much: {failure}", engine="llm")
        case ValueError():
            return EngineError("the model's server sent something that can't be read", engine="llm", transient=True)
        case OSError():
            return DependencyDownError(f"the connection failed: {type(failure).__name__}", dependency="llm")
        case _:
            assert_never(failure)


def _of_status(failure: openai.APIStatusError, api_key: str) -> OrchestratorError:
    status = failure.status_code
    said = clean(_message_of(failure), api_key)
    told_ms = retry_after_ms(failure.response.headers.get("retry-after", ""), now_s=time.time())
    hint = "" if told_ms is None else f", asks to wait {told_ms / 1000:g} s"
    if status == 429:
        message = f"the model's server is over its limit{hint}: {said}"
        return OverLimitError(message, dependency="llm", retry_after_ms=told_ms)
    if status >= 500 or status in (408, 409, 425):
        message = f"the model's server answered {status}{hint}: {said}"
        return DependencyDownError(message, dependency="llm", retry_after_ms=told_ms)
    return EngineError(f"the model's server refused the request with {status}: {said}", engine="llm")


def retry_after_ms(header: str, *, now_s: float) -> int | None:
    """Return how long a `Retry-After` asks to wait: seconds, or the time until its date. None when it can't be read.

    `now_s` is the time since 1970; at most a day is believed. Source: RFC 9110, section 10.2.3.
    """
    text = header.strip()
    try:
        # Whole seconds by the standard; servers that count more finely are understood.
        wait_s = float(text) if _SECONDS.fullmatch(text) else parsedate_to_datetime(text).timestamp() - now_s
    except (ValueError, OverflowError):
        return None
    return round(min(max(0.0, wait_s), _DAY_S) * 1000)


def _message_of(failure: openai.APIStatusError) -> str:
    body = failure.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, dict) else inner
        for candidate in (message, body.get("detail"), body.get("message")):
            if isinstance(candidate, str):
                return candidate
    return "no reason given"


def refused_parameter(failure: openai.BadRequestError, candidates: tuple[str, ...]) -> str | None:
    """Return which of the request's optional parameters the server does not take, if that is what it says."""
    param = failure.param
    if param in candidates:
        return param
    said = _message_of(failure)
    if not re.search(r"unsupported|not supported|unknown|unrecognized|not permitted|extra", said, re.IGNORECASE):
        return None
    return next((name for name in candidates if re.search(rf"\b{name}\b", said)), None)


def _names_connect(failure: BaseException) -> bool:
    return type(failure.__cause__).__name__ in ("ConnectTimeout", "PoolTimeout")
