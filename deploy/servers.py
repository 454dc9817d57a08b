"""What the two private servers have in common: their record in the data folder, their ports, and waiting for them."""

import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.folder import SetupError, read_private, write_private

LOOPBACK = "127.0.0.1"


class ServerStartError(SetupError):
    """A private server did not come up."""

    def __init__(self, server: str, reason: str, log: Path) -> None:
        super().__init__(f"{server} did not start: {reason}\n{tail(log)}\n(the whole log: {log})")
        self.server = server
        self.log = log


@dataclass(slots=True, kw_only=True)
class ServerRecord:
    """What one installation remembers of its private servers."""

    install_id: str
    postgres_port: int
    postgres_home: str
    postgres_superuser_password: str
    postgres_password: str
    redis_port: int
    redis_password: str

    @classmethod
    def load(cls, path: Path) -> "ServerRecord":
        """Return the record in `path`, with what it lacks made up (ports and home 0 or empty: not chosen yet)."""
        stored = read_private(path)
        return cls(
            install_id=str(stored.get("install_id") or secrets.token_hex(8)),
            postgres_port=_port(stored.get("postgres_port")),
            postgres_home=str(stored.get("postgres_home") or ""),
            postgres_superuser_password=str(stored.get("postgres_superuser_password") or secrets.token_urlsafe(24)),
            postgres_password=str(stored.get("postgres_password") or secrets.token_urlsafe(24)),
            redis_port=_port(stored.get("redis_port")),
            redis_password=str(stored.get("redis_password") or secrets.token_urlsafe(24)),
        )

    def save(self, path: Path) -> None:
        """Keep the record for the next start."""
        write_private(path, asdict(self))


def _port(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < 65536 else 0


def free_port(preferred: int = 0) -> int:
    """Return `preferred` if nothing listens there, else a port that is free now."""
    for candidate in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As the servers do: a port whose last connections are still in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SetupError("no free TCP port on the loopback interface")


def wait_until(
    answers: Callable[[], bool], *, server: str, log: Path, limit_s: float, gone: Callable[[], bool] = lambda: False
) -> None:
    """Poll `answers` until it is true.

    Raises:
        ServerStartError: `limit_s` passed, or `gone` says that the process ended; it carries the end of `log`.
    """
    deadline = time.monotonic() + limit_s
    while not answers():
        if gone():
            raise ServerStartError(server, "its process ended", log)
        if time.monotonic() > deadline:
            raise ServerStartError(server, f"no answer within {limit_s:g} s", log)
        time.sleep(0.03)


def tail(log: Path, count: int = 12) -> str:
    """Return the last lines of `log`, indented."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except OSError:
        lines = []
    return "\n".join("    " + line for line in lines)
