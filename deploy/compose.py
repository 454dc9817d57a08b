"""Make `docker-compose.yml` from the process table, and the secrets that it mounts.

python -m deploy.compose            prints the file
python -m deploy.compose --write    writes it
python -m deploy.compose --secrets  makes the secrets beside the data of `make run`, once
"""

import secrets
import sys
from pathlib import Path

import yaml

from deploy.folder import CHECKOUT, read_private, write_private
from deploy.keys import GENERATED
from deploy.steps import STEPS
from orchestrator.queues import PROCESSES, Process, Role, command

FILE = CHECKOUT / "docker-compose.yml"
#: Ignored by git, like all of `.switchyard`.
SECRETS = Path(".switchyard") / "compose"

_HEAD = """\
# Made from the process table by `make compose`; change orchestrator/queues.py or deploy/compose.py instead.
# Once before the first start:  .venv/bin/python -m deploy.compose --secrets
# For a trial with the example company:  SWITCHYARD_MODE=dev SWITCHYARD_DEVELOPMENT_USERS=true docker compose up
"""
_PORT, _FLOWER_PORT, _LLM_PORT = 8000, 5555, 8090
_SECRET_FILES = {
    "switchyard": "switchyard.json",
    "postgres_password": "postgres_password",
    "redis_password": "redis_password",
}

Service = dict[str, object]


def compose() -> dict[str, object]:
    """Return the content of the compose file."""
    services: dict[str, Service] = {"postgres": _postgres(), "redis": _redis(), "setup": _setup()}
    services |= {entry.name: _service(entry) for entry in PROCESSES}
    return {
        "services": services,
        "volumes": {"postgres": {}, "redis": {}, "data": {}},
        "secrets": {name: {"file": f"./{SECRETS / file}"} for name, file in _SECRET_FILES.items()},
    }


def render() -> str:
    """Return the text of `docker-compose.yml`."""
    return _HEAD + yaml.dump(compose(), Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # a reader wants to see each service whole
        return True


def _postgres() -> Service:
    return {
        "image": "pgvector/pgvector:pg18",
        "environment": {
            "POSTGRES_USER": "switchyard",
            "POSTGRES_DB": "switchyard",
            "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres_password",
        },
        "command": ["postgres", "-c", "max_connections=200"],
        "secrets": ["postgres_password"],
        "volumes": ["postgres:/var/lib/postgresql"],
        "healthcheck": _check("pg_isready -U switchyard -d switchyard", every_s=5),
        "stop_signal": "SIGINT",
        "stop_grace_period": "30s",
        "restart": "unless-stopped",
    }


def _redis() -> Service:
    server = (
        'exec redis-server --requirepass "$$(cat /run/secrets/redis_password)" --maxmemory-policy noeviction '
        "--appendonly yes --appendfsync everysec --save ''"
    )
    ping = 'REDISCLI_AUTH="$$(cat /run/secrets/redis_password)" redis-cli ping | grep -q PONG'
    return {
        "image": "redis:7-alpine",
        "command": ["sh", "-c", server],
        "secrets": ["redis_password"],
        "volumes": ["redis:/data"],
        "healthcheck": _check(ping, every_s=5),
        "stop_grace_period": "15s",
        "restart": "unless-stopped",
    }


def _setup() -> Service:
    steps = " && ".join("python " + " ".join(step.command) for step in STEPS)
    return _product() | {
        "command": ["sh", "-c", steps],
        "restart": "no",
        "depends_on": {name: {"condition": "service_healthy"} for name in ("postgres", "redis")},
    }


def _service(entry: Process) -> Service:
    service = _product() | {
        "command": ["python", *command(entry)],
        "restart": "unless-stopped",
        "stop_grace_period": f"{entry.stop_grace_s + 5:g}s",  # its own limit first, then Docker's
        "depends_on": {
            "postgres": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
            "setup": {"condition": "service_completed_successfully"},
        },
    }
    service["healthcheck"] = _check(_HEALTH[entry.role], every_s=10, start_s=60)
    if entry.role in _PUBLISHED:
        service["ports"] = [_PUBLISHED[entry.role]]
    if entry.only_if:
        service["profiles"] = [entry.name]
        service["environment"] = {**_environment(), entry.only_if: "/models"}
        service["volumes"] = ["data:/data", f"${{{entry.only_if}:-./models}}:/models:ro"]
    return service


def _product() -> Service:
    return {
        "image": "switchyard",
        "build": ".",
        "init": True,
        "environment": _environment(),
        "secrets": ["switchyard"],
        "volumes": ["data:/data"],
    }


def _environment() -> dict[str, str]:
    return {
        "SWITCHYARD_MODE": "${SWITCHYARD_MODE:-prod}",
        "SWITCHYARD_DEVELOPMENT_USERS": "${SWITCHYARD_DEVELOPMENT_USERS:-false}",
        # The health check asks as 127.0.0.1, whatever the name that people use.
        "SWITCHYARD_ALLOWED_HOSTS": "${SWITCHYARD_ALLOWED_HOSTS:-localhost},127.0.0.1",
        "SWITCHYARD_SECRETS_FILE": "/run/secrets/switchyard",
        "SWITCHYARD_DATA_DIR": "/data",
        "SWITCHYARD_HOST": "0.0.0.0",  # noqa: S104 - inside the container's own network; `ports` decides who reaches it
        "SWITCHYARD_LLM_BASE_URL": "${SWITCHYARD_LLM_BASE_URL:-}",
        "SWITCHYARD_LLM_MODEL": "${SWITCHYARD_LLM_MODEL:-}",
        "PORT": str(_PORT),
        "FLOWER_PORT": str(_FLOWER_PORT),
        "SWITCHYARD_LLM_PORT": str(_LLM_PORT),
    }


def _http(port: int, path: str) -> str:
    return f"python -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}{path}', timeout=5)\""


_HEARTBEAT = "python -m deploy.alive"
_HEALTH: dict[Role, str] = {
    "gateway": _http(_PORT, "/healthz"),
    "dispatcher": _HEARTBEAT,
    "worker": _HEARTBEAT,
    "beat": _HEARTBEAT,
    "flower": _http(_FLOWER_PORT, "/healthcheck"),
    "llm-server": _http(_LLM_PORT, "/health"),
}
_PUBLISHED: dict[Role, str] = {
    "gateway": "${PORT:-8000}:8000",
    "flower": "127.0.0.1:${FLOWER_PORT:-5555}:5555",
}


def _check(test: str, *, every_s: int, start_s: int = 20) -> dict[str, object]:
    return {
        "test": ["CMD-SHELL", test],
        "interval": f"{every_s}s",
        "timeout": "10s",
        "retries": 6,
        "start_period": f"{start_s}s",
    }


def make_secrets(folder: Path) -> None:
    """Write the files that compose mounts, keeping what is there already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    passwords = {}
    for name in ("postgres_password", "redis_password"):
        path = folder / name
        if not path.exists():
            path.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        passwords[name] = path.read_text(encoding="utf-8")
    product = folder / _SECRET_FILES["switchyard"]
    stored = read_private(product)
    keys = {name: stored.get(name) or make() for name, make in GENERATED.items()}
    addresses = {
        "database_url": f"postgresql://switchyard:{passwords['postgres_password']}@postgres:5432/switchyard",
        "redis_url": f"redis://:{passwords['redis_password']}@redis:6379/0",
    }
    write_private(product, keys | addresses)
    # Compose mounts the files as they are and the containers run as another user; the folder keeps others out here.
    for file in _SECRET_FILES.values():
        (folder / file).chmod(0o444)


def main(arguments: list[str]) -> None:
    """Do what the module's text says."""
    match arguments:
        case ["--write"]:
            FILE.write_text(render(), encoding="utf-8")
        case ["--secrets"]:
            make_secrets(CHECKOUT / SECRETS)
        case _:
            sys.stdout.write(render())


if __name__ == "__main__":
    main(sys.argv[1:])
