"""The findings for a tired operator, or for a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from orchestrator.admin.diagnosis.findings import EVERY, Finding, Level, by_severity

#: Colours a text by what it weighs.
Paint = Callable[[Level, str], str]
_HEADS: dict[Level, str] = {
    "problem": "Problems: mend these first",
    "warning": "Warnings: these can wait, and should not be forgotten",
    "ok": "Good",
}


def text(findings: Sequence[Finding], *, paint: Paint) -> str:
    """Return the report: what is worst first, each with its check's id, what it costs, and what to do."""
    lines, level = [summary(findings), ""], None
    for finding in by_severity(findings):
        if finding.level != level:
            lines += ([""] if level else []) + [paint(finding.level, _HEADS[finding.level])]
            level = finding.level
        if finding.level == "ok":
            lines.append(f"  {finding.check.subject:<11} {finding.text}")
        else:
            lines += _told(finding, paint)
    return "\n".join(lines)


def summary(findings: Sequence[Finding]) -> str:
    """Return the counts in a sentence."""
    problems = sum(finding.level == "problem" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    good = len(findings) - problems - warnings
    return f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}; {good} things are as they should be."


def as_json(findings: Sequence[Finding]) -> str:
    """Return the same as one JSON object, the worst first."""
    return orjson.dumps(
        {
            "problems": sum(finding.level == "problem" for finding in findings),
            "findings": [
                {
                    "check": finding.check.id,
                    "subject": finding.check.subject,
                    "level": finding.level,
                    "found": finding.text,
                    "why": "" if finding.level == "ok" else finding.check.why,
                    "remedy": finding.remedy,
                    "refuses": sorted(finding.check.refuses) if finding.level == "problem" else [],
                }
                for finding in by_severity(findings)
            ],
        },
        option=orjson.OPT_INDENT_2,
    ).decode()


def _told(finding: Finding, paint: Paint) -> list[str]:
    lines = [
        f"  {finding.check.subject}: {paint(finding.level, finding.text)}  [{finding.check.id}]",
        f"      why  {finding.check.why}",
        f"      do   {finding.remedy}",
    ]
    if refuses := finding.check.refuses:
        who = "no process" if refuses == EVERY else f"no {' and no '.join(sorted(refuses))}"
        lines.append(f"      {who} starts with it")
    return lines


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"
