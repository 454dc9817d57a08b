"""The page's pure modules, tested where they run best: in node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed: the page's modules are tested there")
@pytest.mark.parametrize("module", sorted(HERE.glob("*.test.mjs")), ids=lambda path: path.name)
def test_the_modules_of_the_page_keep_their_promises(module: Path) -> None:
    run = subprocess.run(["node", "--test", str(module)], capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode == 0, run.stdout + run.stderr
    assert "# pass 0" not in run.stdout
