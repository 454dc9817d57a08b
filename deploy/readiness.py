"""Waiting for the gateway to say that everything works."""

import asyncio
import http.client
import json
import time

from deploy.servers import LOOPBACK
from deploy.terminal import Terminal

_POLL_S = 0.5
_TELL_EVERY_S = 15.0


async def wait_ready(port: int, *, terminal: Terminal, limit_s: float) -> bool:
    """Return True once `/readyz` on `port` answers 200; False after `limit_s`, with what it last said shown."""
    began = told = time.monotonic()
    while True:
        status, what = await asyncio.to_thread(ask, port)
        now = time.monotonic()
        if status == 200:
            return True
        if now - began > limit_s:
            terminal.tell("readiness", f"not ready after {limit_s:g} s: {what}", level=30)
            return False
        if now - told > _TELL_EVERY_S:
            told = now
            terminal.tell("readiness", f"still waiting: {what}")
        await asyncio.sleep(_POLL_S)


def ask(port: int) -> tuple[int, str]:
    """Return the status of `/readyz` and what it says is missing; status 0 when nobody answers."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status, missing(response.read(100_000))
    except (OSError, http.client.HTTPException) as exc:
        return 0, f"the gateway does not answer yet ({exc.__class__.__name__})"
    finally:
        connection.close()


def missing(body: bytes) -> str:
    """Return the names in `not_ready`, else the beginning of the body as it is."""
    try:
        names = json.loads(body)["not_ready"]
    except (ValueError, KeyError, TypeError):
        return body[:300].decode("utf-8", errors="replace")
    return "; ".join(map(str, names)) if isinstance(names, list) else str(names)
