"""Answer a container's health check: has the process on this host been heard of lately?

Asks the heartbeat rows that recovery itself goes by, rather than the process: one that runs but no longer writes them
is dead to everyone else. The exit code is the answer.
"""

import socket

import psycopg2

from settings.loading import load

_LIMIT_S = 15


def main() -> int:
    """Return 0 when a process of this host has a fresh heartbeat, else 1."""
    connection = psycopg2.connect(load().database_url.get_secret_value(), connect_timeout=3)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "select 1 from switchyard_process where host = %s and seen_at > now() - make_interval(secs => %s)",
                (socket.gethostname(), _LIMIT_S),
            )
            return 0 if cursor.fetchone() else 1
    finally:
        connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
