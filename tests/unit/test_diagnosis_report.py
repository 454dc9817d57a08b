"""The table of checks, what a start makes of findings, and what a person reads."""

from __future__ import annotations

import tomllib
from pathlib import Path

import orjson
import pytest
from packaging.requirements import Requirement

from orchestrator.admin.diagnosis import report
from orchestrator.admin.diagnosis.findings import EVERY, Check
from orchestrator.admin.diagnosis.machine import PINS
from orchestrator.admin.diagnosis.start import judge, refusal
from orchestrator.admin.diagnosis.table import CHECKS, with_tables

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "operations.md").read_text("utf-8")
LOSES = Check(id="loses", subject="a", level="problem", why="w", remedy="r", refuses=frozenset({"worker"}))
BROKEN = Check(id="broken", subject="a", level="problem", why="w", remedy="r")
SLOW = Check(id="slow", subject="b", level="warning", why="w", remedy="r")


def test_the_operators_page_holds_every_check() -> None:
    assert with_tables(PAGE) == PAGE


def test_every_check_has_an_id_of_its_own_a_reason_and_a_remedy() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    assert [check.id for check in CHECKS if not (check.why and check.remedy)] == []


def test_only_problems_refuse_a_start() -> None:
    assert [check.id for check in CHECKS if check.refuses and check.level != "problem"] == []


@pytest.mark.parametrize("name", PINS)
def test_the_pins_are_those_of_the_project(name: str) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = next(r for r in map(Requirement, project["dependencies"]) if r.name == name).specifier
    least, below = (".".join(map(str, version)) for version in PINS[name])

    assert least in wanted
    assert below not in wanted


def test_a_start_is_refused_by_what_would_lose_its_own_work_only() -> None:
    findings = [LOSES.found("x"), BROKEN.found("y"), SLOW.found("z"), SLOW.fine("good")]

    worker = judge(findings, {"worker"}, despite=())
    gateway = judge(findings, {"gateway"}, despite=())

    assert [finding.check.id for finding in worker.refused] == ["loses"]
    assert [finding.check.id for finding in worker.warnings] == ["broken", "slow"]
    assert gateway.refused == ()
    assert [finding.check.id for finding in gateway.warnings] == ["loses", "broken", "slow"]


def test_an_override_lets_it_start_and_is_not_silent() -> None:
    verdict = judge([LOSES.found("x")], EVERY, despite=["loses"])

    assert verdict.refused == ()
    assert [finding.check.id for finding in verdict.despite] == ["loses"]


def test_a_refusal_says_why_what_to_do_and_how_to_go_on_all_the_same() -> None:
    told = refusal([LOSES.found("Redis forgets")])

    assert "loses: Redis forgets" in told
    assert "do:  r" in told
    assert "SWITCHYARD_START_DESPITE=loses" in told


def test_the_worst_is_read_first() -> None:
    findings = [SLOW.fine("good"), SLOW.found("slow"), LOSES.found("lost")]

    told = report.text(findings, paint=lambda _, text: text)

    assert told.startswith("1 problem, 1 warning; 1 things")
    assert told.index("lost") < told.index("slow  [slow]") < told.index("good")
    assert "no worker starts with it" in told


def test_a_script_reads_the_same() -> None:
    told = orjson.loads(report.as_json([SLOW.fine("good"), LOSES.found("lost")]))

    assert told["problems"] == 1
    assert told["findings"][0] == {
        "check": "loses",
        "subject": "a",
        "level": "problem",
        "found": "lost",
        "why": "w",
        "remedy": "r",
        "refuses": ["worker"],
    }
    assert told["findings"][1]["why"] == ""
