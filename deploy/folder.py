"""The data folder: everything that a development start keeps, and the lock that lets one start use it at a time."""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


class SetupError(Exception):
    """The start cannot go on; the message is the sentence that the person at the terminal reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """Where one installation keeps its servers, secrets and logs."""

    root: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "DataFolder":
        """Return the folder that `environ` names, made private if it is new."""
        named = environ.get("SWITCHYARD_DATA_DIR", "").strip()
        root = (CHECKOUT / Path(named or ".switchyard").expanduser()).resolve()
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise SetupError(f"SWITCHYARD_DATA_DIR: {root} cannot be made: {exc.strerror}") from exc
        if not os.access(root, os.W_OK | os.X_OK):
            raise SetupError(f"SWITCHYARD_DATA_DIR: {root} is not writable for this user")
        return cls(root=root)

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """What the product's settings read: keys and the addresses of the servers, with their passwords."""
        return self.root / "secrets.json"

    @property
    def setup_secrets(self) -> Path:
        """The same for the steps of the set-up alone, with the address of the private server's superuser."""
        return self.root / "setup-secrets.json"

    @property
    def address(self) -> Path:
        """Where the latest start listens, for the command line."""
        return self.root / "address"

    @property
    def servers(self) -> Path:
        """What only the set-up needs: ports and superuser passwords of the private servers."""
        return self.root / "servers.json"

    @property
    def restart_log(self) -> Path:
        """What the last rolling restart said."""
        return self.logs / "restart.log"

    @property
    def digest(self) -> str:
        """A short name for this folder that no other folder has."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:16]

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the folder for one start.

        Raises:
            SetupError: on entering, when another start holds it.
        """
        return held(
            self.root / "lock",
            f"Switchyard already runs with the data folder {self.root} (process {{holder}}). Stop it, or start a "
            "second one with its own SWITCHYARD_DATA_DIR=… PORT=… FLOWER_PORT=… make run",
        )


@contextlib.contextmanager
def held(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock file `path`, which then names this process.

    Raises:
        SetupError: another process holds it; the text is `refusal` with that process for `{holder}`.
    """
    with path.open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            handle.seek(0)
            raise SetupError(refusal.format(holder=handle.read().strip() or "unknown")) from exc
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


def read_private(path: Path) -> dict[str, object]:
    """Return the JSON object in `path`, empty when there is no such file.

    Raises:
        SetupError: the file is there and holds no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise SetupError(
            f"{path} cannot be read ({exc}). Restore it, or delete the data folder to start anew."
        ) from exc
    if not isinstance(content, dict):
        raise SetupError(f"{path} should hold a JSON object. Restore it, or delete the data folder to start anew.")
    return content


def write_private(path: Path, content: Mapping[str, object]) -> None:
    """Replace `path` by `content` as JSON, whole or not at all, readable for the owner alone from the first byte."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        json.dump(content, handle, indent=1)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)
