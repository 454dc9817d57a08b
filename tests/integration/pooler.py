"""A real pgbouncer in front of a test's PostgreSQL, where Debian's package is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg2
from sqlalchemy.engine import make_url

from deploy.servers import free_port

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
#: What it takes on and forgets, so that our processes can connect at all.
IGNORED = "options,extra_float_digits"


@contextmanager
def pgbouncer(
    database_url: str, *, mode: Literal["session", "transaction"], ignored: str = IGNORED, size: int = 4
) -> Iterator[str]:
    """Run it and yield the address to connect to instead of `database_url`."""
    assert BINARY is not None
    url, port = make_url(database_url), free_port()
    lines = (
        "[databases]",
        f"{url.database} = host={url.host} port={url.port} dbname={url.database} user={url.username}"
        f" password={url.password}",
        "[pgbouncer]",
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any",
        f"pool_mode = {mode}\ndefault_pool_size = {size}",
        f"ignore_startup_parameters = {ignored}" if ignored else "",
    )
    # It will not run as root, and whoever it runs as has to read this.
    folder = Path(tempfile.mkdtemp(prefix="switchyard-pooler-"))
    folder.chmod(0o755)
    config = folder / "pgbouncer.ini"
    config.write_text("\n".join(lines) + "\n")
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([BINARY, *user, str(config)], stdout=log, stderr=log)
    pooled = url.set(host="127.0.0.1", port=port)
    try:
        _wait(pooled.render_as_string(hide_password=False), process)
        yield pooled.render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, process: subprocess.Popen[bytes], limit_s: float = 15) -> None:
    until = time.monotonic() + limit_s
    while True:
        try:
            psycopg2.connect(url.replace("+psycopg2", ""), connect_timeout=2).close()
        except psycopg2.OperationalError:
            if time.monotonic() > until or process.poll() is not None:
                raise
            time.sleep(0.05)
        else:
            return
