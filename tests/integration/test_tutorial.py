"""The tutorial's commands, and then the how-to's, as they are written, against a running product."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LiveStack

CHECKOUT = Path(__file__).resolve().parents[2]
# The how-to goes on with the company that the tutorial has made.
TEXT = "".join((CHECKOUT / "docs" / name).read_text(encoding="utf-8") for name in ("tutorial.md", "how-to.md"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def blocks() -> list[str]:
    """Return what is to be typed; blocks without a language are `make run` and what asks somebody."""
    return re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_what_the_tutorial_says_is_what_happens(live_stack: LiveStack, tmp_path: Path) -> None:
    # Where the reader has `.venv/bin/switchyard`, a checkout under test has its own interpreter.
    switchyard = f"{shlex.quote(sys.executable)} -m channels_app.cli.main"
    script = "set -euo pipefail\n" + "\n".join(blocks())
    script = script.replace(".venv/bin/switchyard", switchyard).replace("http://127.0.0.1:8000", live_stack.base_url)

    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=live_stack.stack.environ
        | {
            "PYTHONPATH": str(CHECKOUT),
            "SWITCHYARD_SERVER": live_stack.base_url,
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "LANG": "C.UTF-8",
            "COLUMNS": "160",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout
    assert "Added mia to clay-co." in said
    assert "orders: 5 columns" in said
    assert re.search(r"North\D+90\.5", said)
    assert "21 days" in said
    assert re.search(r'^data: .*"type":"message.completed"', said, re.MULTILINE)
