"""Structured logs: one JSON object a line on standard error, from structlog and from every library alike."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from django.conf import settings

#: Addresses carry passwords; libraries put them into messages.
_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/@\s]*:[^/@\s]*@")
_QUIET = ("httpx", "httpx2", "httpcore", "openai", "urllib3", "filelock", "trafilatura", "pypdf", "asyncio", "daphne")


def configure(process: str) -> None:
    """Send everything this process logs through one JSON formatter; call it once, at start.

    Args:
        process: name of the process, on every line.
    """
    shared: list[Any] = [  # Any: structlog's own processor type is a union of callables
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _name_process(process),
        _hide_credentials,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_dump),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.SWITCHYARD.log_level)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _name_process(process: str) -> Any:  # Any: see `shared`
    def add(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line["process"] = process
        return line

    return add


def _hide_credentials(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in line.items():
        if isinstance(value, str) and "://" in value:
            line[name] = _CREDENTIALS.sub(r"\g<scheme>***@", value)
    return line


def _dump(line: Any, **_: Any) -> str:  # Any: structlog calls it with json.dumps' own arguments
    # A line that can't be written would be lost.
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return orjson.dumps({str(name): _plain(value) for name, value in line.items()}).decode()


def _plain(value: object) -> str:
    return str(value).encode(errors="backslashreplace").decode()
