"""What the documents say of files, queues, frames and codes, held to the code itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from channels_app import frames
from channels_app.api.problems import STATUS
from channels_app.frames import Goodbye
from channels_app.protocol import _LATER, _PAYLOADS
from orchestrator.errors import ErrorCode
from orchestrator.events import DURABLE_EVENTS
from orchestrator.log.records import Verdict
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.pipeline.semantic.reach import Reach
from orchestrator.queues import PROCESSES, QUEUES

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = [CHECKOUT / "README.md", CHECKOUT / "NOTICE", *sorted((CHECKOUT / "docs").glob("*.md"))]
PROTOCOL = (CHECKOUT / "docs" / "protocol.md").read_text(encoding="utf-8")
ARCHITECTURE = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
GOODBYES = [value for value in vars(frames).values() if isinstance(value, Goodbye)]


def first_cells(text: str) -> dict[str, str]:
    """Return the second cell of every table row by its first one, without code marks."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return {cells[0].strip().strip("`"): cells[1].strip().strip("`") for cells in lines}


def is_there(name: str) -> bool:
    """Return whether a file is named by its path, the beginning of which may be left out."""
    return (CHECKOUT / name).exists() or any(CHECKOUT.glob(f"[a-z]*/**/{name}"))


def code_words(text: str) -> set[str]:
    return set(re.findall(r"[\w./-]+", " ".join(re.findall(r"`([^`\n]+)`", text))))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))

    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(document: Path) -> None:
    named = {word for word in code_words(document.read_text(encoding="utf-8")) if word.endswith((".py", ".lua"))}

    assert [name for name in sorted(named) if not is_there(name)] == []


def test_the_table_of_queues_is_the_one_of_the_code() -> None:
    told = first_cells(ARCHITECTURE)

    assert {name: told.get(name) for name in QUEUES} == {name: str(queue.admitted) for name, queue in QUEUES.items()}


def test_every_process_is_in_the_architecture() -> None:
    told = first_cells(ARCHITECTURE)

    assert [process.name for process in PROCESSES if process.name not in told] == []


def test_every_verdict_of_the_log_is_explained() -> None:
    told = first_cells(ARCHITECTURE)

    assert [verdict for verdict in get_args(Verdict) if verdict not in told] == []


def test_the_contract_names_every_durable_event_and_client_frame() -> None:
    named = code_words(PROTOCOL)

    assert {event.type for event in DURABLE_EVENTS} | set(_PAYLOADS) | set(_LATER) <= named


def test_the_contract_names_every_feature_that_hello_does() -> None:
    assert set(frames.FEATURES) <= code_words(PROTOCOL)


def test_the_contract_names_every_error_code() -> None:
    assert set(get_args(ErrorCode)) <= code_words(PROTOCOL)


@pytest.mark.parametrize("code", STATUS)
def test_the_contract_gives_each_error_its_status(code: ErrorCode) -> None:
    lines = [line for line in PROTOCOL.splitlines() if line.startswith(("| 4", "| 5")) and code in code_words(line)]

    assert [str(int(STATUS[code])) in line for line in lines] == [True]


@pytest.mark.parametrize("goodbye", GOODBYES, ids=lambda goodbye: str(goodbye.code))
def test_the_contract_says_of_each_close_whether_to_come_back(goodbye: Goodbye) -> None:
    row = next(line for line in PROTOCOL.splitlines() if line.startswith(f"| {goodbye.code} "))

    assert row.split("|")[3].strip().startswith("yes" if goodbye.reconnect else "no")


def test_the_layer_that_the_how_to_describes_is_one() -> None:
    text = (CHECKOUT / "docs" / "how-to.md").read_text(encoding="utf-8")
    parts = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
    layer: dict[str, object] = {"name": "shop"}
    for part in parts:
        layer |= part

    made = SemanticLayer.model_validate(layer)

    assert list(made.measures) == ["net_sales"]
    assert made.dimensions["store"].values["Harbour"].en == ("the port",)
    assert made.verified[0].name == "best_day"
    ways = [
        [join.to for join in Reach(made).path(made.facts["orders"], to) or ()]
        for to in ("stores", "cities", "home_city")
    ]
    assert ways == [["staff", "stores"], [], ["customers", "home_city"]]
