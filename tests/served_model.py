"""The tiny model behind a real `transformers serve`, for as long as a test needs it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.engines.llm_serve import base_url, is_healthy, serve_command, serve_env
from tests.tiny_model import make_tiny_model

_UP_WITHIN_S = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running server; `model` is what requests must name."""

    process: subprocess.Popen[bytes]
    base_url: str
    model: str
    port: int


@contextmanager
def served_tiny_model(folder: Path) -> Iterator[Served]:
    """Make the model in `folder`, start the server, wait until it is healthy, and kill it at the end.

    Raises:
        RuntimeError: it ended or did not come up in time; its output is in the message.
    """
    model_dir = folder / "tiny"
    model_dir.mkdir()
    make_tiny_model(model_dir)
    port = _free_port()
    said = folder / "serve.log"
    with said.open("wb") as output:
        process = subprocess.Popen(
            serve_command(str(model_dir), port),
            env={**os.environ, **serve_env(folder / "cache"), "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + _UP_WITHIN_S
            while not is_healthy(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"transformers serve is not up: {said.read_text(errors='replace')[-2_000:]}")
                time.sleep(0.2)
            yield Served(process=process, base_url=base_url(port), model=str(model_dir), port=port)
        finally:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
