"""One leader among dispatchers: an advisory lock on a session that dies with a frozen process."""

from __future__ import annotations

import os
import socket
import time

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.store.engine import direct
from orchestrator.store.rows import one_row

#: Any number; the same in every dispatcher of a deployment's database.
LOCK = 7_219_334_501
TOUCH_S = 2.0
#: The server ends a session that is silent for so long: a frozen leader's TCP would hold the lock for ever.
IDLE_S = 6
#: The name is what the doctor, and whoever looks at pg_stat_activity, reads of the leader.
_MARK = """
SELECT set_config('idle_session_timeout', :idle, false), set_config('application_name', left(:name, 63), false)
"""
_logger = structlog.get_logger(__name__)


class Leader:
    """Holds the lock or not; `lead` keeps it and says which."""

    def __init__(self) -> None:
        self._session: Connection | None = None
        self._touched_at_s = 0.0

    @property
    def leading(self) -> bool:
        """Return whether the last `lead` said so; safe from any thread."""
        return self._session is not None

    def lead(self) -> bool:
        """Return whether this process leads now, taking the lock if it is free.

        The session is touched at most every 2 s; a lost session means a lost lock.
        """
        try:
            if self._session is None:
                return self._take()
            if time.monotonic() - self._touched_at_s >= TOUCH_S:
                one_row(self._session, "SELECT 1 AS one")
                self._touched_at_s = time.monotonic()
        except Exception as exc:  # whatever the driver says of a dead session, the lock is gone
            _logger.warning("leadership lost", error=type(exc).__name__)
            self.resign()
            return False
        return True

    def resign(self) -> None:
        """Give the lock up by closing its session."""
        if self._session is not None:
            try:
                self._session.invalidate()
                self._session.close()
            except SQLAlchemyError as exc:
                _logger.debug("session was dead", error=type(exc).__name__)
            self._session = None

    def _take(self) -> bool:
        session = direct().connect()
        try:
            one_row(session, _MARK, idle=f"{IDLE_S}s", name=f"switchyard-leader {socket.gethostname()}:{os.getpid()}")
            row = one_row(session, "SELECT pg_try_advisory_lock(:lock) AS got", lock=LOCK)
        except BaseException:
            session.invalidate()
            session.close()
            raise
        if row is None or not row["got"]:
            # The pool's next user must not find the timeout on it.
            session.invalidate()
            session.close()
            return False
        self._session = session
        self._touched_at_s = time.monotonic()
        _logger.info("leading")
        return True
