"""What we vendored is what was published, and nothing else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).parents[3] / "channels_app/web/static/web/vendor"
ROW = re.compile(r"^\| `(?P<name>[\w.-]+)` \|.*\| `(?P<sha256>[0-9a-f]{64})` \|$", re.MULTILINE)


def test_every_vendored_module_has_the_hash_that_is_written_down() -> None:
    written = {row["name"]: row["sha256"] for row in ROW.finditer((VENDOR / "VENDOR.md").read_text(encoding="utf-8"))}

    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.glob("*.js")}

    assert found == written


def test_every_vendored_package_has_its_licence() -> None:
    table = (VENDOR / "VENDOR.md").read_text(encoding="utf-8")
    packages = set(re.findall(r"^\| `[\w.-]+` \| ([\w-]+) ", table, re.MULTILINE))

    assert {path.stem for path in VENDOR.glob("*.LICENSE")} == packages


def test_no_vendored_module_builds_code_from_text() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in VENDOR.glob("*.js")}

    assert [name for name, text in sources.items() if re.search(r"\bnew Function\b|\beval\(", text)] == []
