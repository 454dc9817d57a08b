"""Other checkouts install what pyproject.toml asks for, not what happens to be in this environment."""

import ast
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.pins import requirements

ROOT = Path(__file__).parents[2]
OURS = {"orchestrator", "channels_app", "tasks", "settings", "deploy", "tests", "bench"}


def third_party_imports() -> set[str]:
    found = set()
    for folder in OURS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.split(".")[0])
    return found - OURS - set(sys.stdlib_module_names)


def installed_with(wanted: list[str]) -> set[str]:
    """Return every distribution that comes with `wanted`, by its canonical name."""
    seen: set[tuple[str, str]] = set()
    open_ends = [(Requirement(line), "") for line in wanted]
    while open_ends:
        requirement, extra = open_ends.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted_extra in ("", *requirement.extras):
            if (name, wanted_extra) not in seen:
                seen.add((name, wanted_extra))
                open_ends += [(Requirement(line), wanted_extra) for line in _requires(name)]
    return {name for name, _ in seen}


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def pinned() -> set[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}


def test_whatever_is_imported_comes_with_what_the_project_asks_for() -> None:
    available = installed_with(requirements(["ml", "embedded", "dev"]))
    carriers = packages_distributions()

    missing = {
        module
        for module in third_party_imports()
        if not available & {canonicalize_name(name) for name in carriers.get(module, [])}
    }

    assert missing == set()


def test_whatever_the_project_asks_for_is_pinned() -> None:
    wanted = {canonicalize_name(Requirement(line).name) for line in requirements(["ml", "embedded", "dev"])}

    assert wanted - pinned() == set(), "run `make constraints`"


def test_no_pin_brings_a_graphics_library_or_an_address() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()

    assert not [word for word in ("nvidia", "cuda", "://", "file:", "+cpu") if word in text]
