"""Whether a process that was just started is at work: by its heartbeat, or by answering on its port."""

import http.client
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg2

from deploy.folder import read_private
from deploy.servers import LOOPBACK

_HEARTBEAT = "SELECT 1 FROM switchyard_process WHERE pid = %s AND host = %s AND seen_at > now() - interval '6 seconds'"


def beats(environ: Mapping[str, str]) -> Callable[[int], bool]:
    """Return what tells whether a process has written the heartbeat that recovery goes by."""

    def _beats(pid: int) -> bool:
        try:
            connection = psycopg2.connect(_database(environ), connect_timeout=3)
            try:
                with connection.cursor() as cursor:
                    cursor.execute(_HEARTBEAT, (pid, socket.gethostname()))
                    return cursor.fetchone() is not None
            finally:
                connection.close()
        except psycopg2.Error:
            return False

    return _beats


def answers(port: int, path: str) -> Callable[[int], bool]:
    """Return what tells whether whoever listens on `port` answers `path` with 200."""

    def _answers(_: int) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return _answers


def _database(environ: Mapping[str, str]) -> str:
    # Read at each question: the private server's address is known only once it has been started.
    secrets = environ.get("SWITCHYARD_SECRETS_FILE")
    return environ.get("DATABASE_URL") or str(read_private(Path(secrets))["database_url"] if secrets else "")
