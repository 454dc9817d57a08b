"""A local model directory behind `transformers serve`: how its process is started and asked for its health."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import httpx2

#: The server listens for this machine only: it knows no authentication.
HOST: Final = "127.0.0.1"


def serve_command(model_dir: str, port: int) -> list[str]:
    """Return the command that serves the model in `model_dir` on the loopback address.

    The directory's text is pinned by the server: a request's `model` must equal it to the letter.
    """
    return [
        str(Path(sys.executable).with_name("transformers")),
        "serve",
        model_dir,
        "--host",
        HOST,
        "--port",
        str(port),
        "--device",
        "auto",
        "--log-level",
        "warning",
    ]  # fmt: skip


def serve_env(cache_dir: Path) -> dict[str, str]:
    """Return the variables the server needs besides the process's own; creates `cache_dir`, which may stay empty.

    Nothing is looked up on the network. Without an existing cache folder some of the server's
    calls answer 500.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    return {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(cache_dir),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_OFFLINE": "1",
    }


def base_url(port: int) -> str:
    """Return the address an `HttpModel` reaches the server by."""
    return f"http://{HOST}:{port}/v1"


def is_healthy(port: int, *, timeout_s: float = 2.0) -> bool:
    """Return whether the server answers; `/v1/models` would not do, it lists nothing for a local directory."""
    try:
        answer = httpx2.get(f"http://{HOST}:{port}/health", timeout=timeout_s, trust_env=False)
    except httpx2.HTTPError:
        return False
    return answer.status_code == httpx2.codes.OK
