"""What a worker makes of messages that nobody can read; for Redis as the broker.

kombu decodes what it takes from a list inside the worker's event loop, where whatever is raised ends the worker: one
message of another program's would take a worker down. The message is gone from the broker by then, and a turn's row
says all that it could have said, so it is told and dropped.
"""

from __future__ import annotations

from typing import Any

import structlog
from kombu.transport.redis import Channel

_logger = structlog.get_logger(__name__)
#: What decoding raises; a broken connection is none of these.
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
_channel: Any = Channel  # kombu has no types
_read = _channel._brpop_read


def _read_or_drop(self: Any, **options: Any) -> Any:
    try:
        return _read(self, **options)
    except _UNREADABLE:
        _logger.exception("unreadable message dropped")
        return True


def outlive_garbage() -> None:
    """Have this process' consumer drop what it cannot read, instead of ending."""
    _channel._brpop_read = _read_or_drop
