"""Start one gateway: `python -m channels_app.server --index 0` listens on `PORT + index`.

SIGTERM and SIGINT drain it: readiness answers 503, nothing new is accepted,
idle sockets hear `server.drain`, then `bye` and 4012 one after the other, those
whose answer runs when it has ended or at a limit; requests under way end, and
the process leaves. A second signal leaves at once.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import structlog

from channels_app.readiness import READINESS

if TYPE_CHECKING:
    from channels_app.daphne_server import GatewayServer
    from orchestrator.control.heartbeat import Heartbeat

#: The whole drain; the supervisor kills 20 s after SIGTERM.
DEADLINE_S = 16.0
#: For taking the heartbeat's row away: a silent database must not hold up the end, and the row is dead in 6 s anyway.
_ROW_S = 2.0

log = structlog.get_logger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m channels_app.server", description="Serve sockets, HTTP and pages.")
    parser.add_argument("--index", type=int, default=0, help="which gateway this is: it listens on PORT + index")
    index = parser.parse_args(arguments).index
    # First: daphne installs Twisted's asyncio reactor as it is imported, which must precede any other use of Twisted.
    from channels_app.daphne_server import GatewayServer

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings." + os.environ.get("SWITCHYARD_MODE", "dev"))
    from django.conf import settings

    from channels_app.asgi import application  # loads Django
    from channels_app.gateway import REPLICA, gateway
    from orchestrator import ids, logs
    from orchestrator.admin.diagnosis.machine import raise_files_limit
    from orchestrator.admin.diagnosis.start import require_good_start
    from orchestrator.control.heartbeat import Heartbeat

    environment = settings.SWITCHYARD
    name = f"gateway-{index}"
    logs.configure(name)
    raise_files_limit()
    require_good_start("gateway")
    REPLICA.name = f"{socket.gethostname()}-{os.getpid()}-{index}"
    # Colons separate the parts of an endpoint's description, and IPv6 addresses have some.
    interface = environment.host.replace(":", "\\:")
    endpoint = f"tcp:port={environment.port + index}:interface={interface}"
    # An upload comes with its form around it.
    most_body_bytes = environment.max_upload_bytes + 1_000_000
    server = GatewayServer(application, endpoint=endpoint, most_body_bytes=most_body_bytes)
    heartbeat = Heartbeat(incarnation=ids.new_id("inc"), name=name, role="gateway", queues=())
    server.on_ready(lambda: _Stopper(server, heartbeat).install())
    # Not before it listens: one that finds its port taken never lived.
    server.on_ready(threading.Thread(target=heartbeat.start, name="heartbeat-start", daemon=True).start)
    # At once, not with the first socket: an idle gateway looks after what a dead one has left.
    server.soon(gateway)
    server.run()
    leaving = threading.Thread(target=heartbeat.stop, name="heartbeat-stop", daemon=True)
    leaving.start()
    leaving.join(_ROW_S)
    log.info("ended", failed=server.failed)
    return 1 if server.failed else 0


class _Stopper:
    """Turns the first signal into a drain and the second into an end."""

    def __init__(self, server: GatewayServer, heartbeat: Heartbeat) -> None:
        self._server = server
        self._heartbeat = heartbeat
        self._drain: asyncio.Task[None] | None = None

    def install(self) -> None:
        """Take over SIGTERM and SIGINT on the server's event loop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._server.loop.add_signal_handler(number, self._told, number.name)

    def _told(self, name: str) -> None:
        if self._drain is not None:
            log.warning("ending at once", signal=name)
            self._server.stop()
            return
        log.info("told to stop", signal=name)
        READINESS.draining = True
        self._heartbeat.draining = True
        self._drain = self._server.loop.create_task(self._leave())

    async def _leave(self) -> None:
        from channels_app.drain import Drain
        from channels_app.gateway import close_gateway, gateway

        ends_at = time.monotonic() + DEADLINE_S
        try:
            # Until everybody has left it listens, to say that it is not ready and lets nobody in.
            await Drain(gateway()).run()
            self._server.stop_listening()
            while self._server.busy and time.monotonic() < ends_at:  # noqa: ASYNC110 - daphne tells nobody of an end
                await asyncio.sleep(0.05)
            await close_gateway()
        except Exception:  # the process must end whatever fails on the way
            log.exception("drain failed")
        finally:
            self._server.stop()


def leave(code: int) -> None:
    """End the process at once: Python would wait for a thread whose statement a silent database still holds.

    What that statement commits is found again by its idempotency key.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
