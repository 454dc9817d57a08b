"""Every command that a document names exists, with the options that it is given; the tutorial's are run elsewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from typer.testing import CliRunner

from channels_app.cli.main import app

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
COMMAND = re.compile(r"(?:\.venv/bin/)?(switchyard|make|manage\.py|python3?)\s")


def commands(document: Path) -> list[str]:
    """Return the commands in a document's blocks and between its code marks, without variables before them."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    parts = [re.sub(r"^(?:[A-Z_]+=\S* )+", "", part.strip()) for each in lines + inline for part in each.split("&&")]
    return sorted({part for part in parts if COMMAND.match(part)})


def check_switchyard(words: list[str]) -> None:
    # Unknown commands and options are refused before the help is shown, and nothing else is done.
    asked = CliRunner().invoke(app, [*words, "--help"])
    assert asked.exit_code == 0, asked.output


def check_python(words: list[str]) -> None:
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1]) is not None
        words = [word.partition("::")[0] for word in words[2:] if word.startswith("tests/")]
    elif words[0] == "manage.py":
        return check_manage(words[1:])
    else:
        words = words[:1]
    assert [word for word in words if not (CHECKOUT / word).exists()] == []
    return None


def check_manage(words: list[str]) -> None:
    name, *rest = words
    load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(rest)


@pytest.mark.parametrize(
    ("document", "command"),
    [(document, command) for document in DOCUMENTS for command in commands(document)],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_a_command_of_a_document_is_one(document: Path, command: str) -> None:
    words = ["x" if word == "…" else word for word in shlex.split(command)]
    program, rest = Path(words[0]).name, words[1:]

    if program == "switchyard":
        check_switchyard(rest)
    elif program == "make":
        assert {word for word in rest if "=" not in word} <= TARGETS
    elif program == "manage.py":
        check_manage(rest)
    else:
        check_python(rest)


def test_the_check_notices_what_is_not_there() -> None:
    for words in (["ask", "--no-such-option"], ["no-such-command"], ["key", "no-such"]):
        with pytest.raises(AssertionError, match="No such"):
            check_switchyard(words)
    with pytest.raises(AssertionError):
        check_python(["-m", "bench.no_such"])
