"""One drill as a JSON file and as a page of text; several drills added up."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.drill.facts import Facts
from tests.drill.judge import COMPLETED_SHARE, Verdict

#: What several drills together have to show.
ACCEPTED_AIM: Final = 5_000
STRIKES_AIM: Final = 15
UNDISTURBED_AIM: Final = 500
#: Figures that are promises: any other number than 0 is red.
_PROMISES: Final = ("lost", "ended twice", "double effects", "sockets lost without a reason")


@dataclass(slots=True, kw_only=True)
class Report:
    """What is kept of a drill."""

    seed: str
    minutes: float
    commit: str
    began: str
    took_s: float
    verdict: Verdict
    #: Faults in the order they struck: kind, target, start, end, and why not where it could not be done.
    strikes: list[list[Any]] = field(default_factory=list)
    #: Where logs and raw facts are, where they were kept.
    kept: str = ""

    def as_json(self) -> str:
        """Return the report as a file's text."""
        found = asdict(self)
        found["green"] = self.verdict.green
        return json.dumps(found, indent=1, sort_keys=True) + "\n"


def report_of(facts: Facts, verdict: Verdict, *, took_s: float, kept: str = "") -> Report:
    """Return the report on a drill."""
    return Report(
        seed=str(facts.seed),
        minutes=facts.minutes,
        commit=facts.commit,
        began=facts.began,
        took_s=round(took_s, 1),
        verdict=verdict,
        strikes=[
            [strike.kind, strike.target, round(strike.started_s, 2), round(strike.healed_s, 2), strike.failed]
            for strike in sorted(facts.strikes, key=lambda strike: strike.started_s)
        ],
        kept=kept,
    )


def read(path: Path) -> Report:
    """Return the report that a file holds."""
    found = json.loads(path.read_text(encoding="utf-8"))
    del found["green"]
    return Report(**{**found, "verdict": Verdict(**found["verdict"])})


def add_up(reports: Sequence[Report]) -> Report:
    """Return what several drills show together, held against what they have to show."""
    whole = Verdict()
    counters = ("counts", "faults", "not_done", "breaches", "fates")
    for name in counters:
        added: Counter[str] = Counter()
        for report in reports:
            added.update(getattr(report.verdict, name))
        setattr(whole, name, dict(added))
    for report in reports:
        verdict = report.verdict
        whole.reasons += [f"seed {report.seed}: {reason}" for reason in verdict.reasons]
        whole.missed_aims += [f"seed {report.seed}: {missed}" for missed in verdict.missed_aims]
        for cause, turns in verdict.undisturbed_causes.items():
            whole.undisturbed_causes.setdefault(cause, []).extend(turns)
        for name, values in verdict.times.items():
            whole.times.setdefault(name, []).extend(values)
    never = {kind for report in reports for kind in report.verdict.never_struck}
    whole.never_struck = sorted(never - whole.faults.keys())
    whole.missed_aims += _short_of(whole)
    undisturbed, good = whole.counts.get("undisturbed", 0), whole.counts.get("undisturbed and completed", 0)
    if good < COMPLETED_SHARE * undisturbed:
        whole.reasons.append(f"only {good} of {undisturbed} undisturbed turns were completed")
    return Report(
        seed=", ".join(report.seed for report in reports),
        minutes=sum(report.minutes for report in reports),
        commit=", ".join(sorted({report.commit for report in reports})),
        began=min(report.began for report in reports),
        took_s=sum(report.took_s for report in reports),
        verdict=whole,
    )


def _short_of(whole: Verdict) -> list[str]:
    kinds = sorted({*whole.faults, *whole.never_struck})
    few = [f"{kind} {whole.faults.get(kind, 0)}" for kind in kinds if whole.faults.get(kind, 0) < STRIKES_AIM]
    found = [f"faults that struck less than {STRIKES_AIM} times: {', '.join(few)}"] if few else []
    for name, aim in (("accepted", ACCEPTED_AIM), ("undisturbed", UNDISTURBED_AIM)):
        if whole.counts.get(name, 0) < aim:
            found.append(f"{name}: {whole.counts.get(name, 0)}, the sum wants {aim}")
    return found


def page(report: Report) -> str:
    """Return the page of text: the verdict first, then why, then the figures."""
    verdict = report.verdict
    lines = [
        f"DRILL {'GREEN' if verdict.green else 'RED'}   seed {report.seed}, {report.minutes:g} minutes asked for, "
        f"{report.took_s / 60:.1f} taken",
        f"commit {report.commit}, began {report.began}",
        "",
    ]
    if verdict.reasons:
        lines += ["Why it is red:", *_bullets(verdict.reasons), ""]
    if verdict.missed_aims:
        lines += ["Missed, without being a broken promise:", *_bullets(verdict.missed_aims), ""]
    lines += ["Promises (each has to be 0)", *_table({name: verdict.counts.get(name, 0) for name in _PROMISES})]
    lines += _table({f"breach: {kind}": count for kind, count in verdict.breaches.items()})
    lines += ["", "Turns", *_table({n: c for n, c in verdict.counts.items() if n not in _PROMISES})]
    lines += ["", "How turns ended", *_table(verdict.fates, largest_first=True)]
    if verdict.undisturbed_causes:
        lines += ["", "Undisturbed turns that were not completed"]
        lines += _bullets([f"{cause}: {_some(turns)}" for cause, turns in verdict.undisturbed_causes.items()])
    lines += ["", "Faults", *(_table(verdict.faults) or ["  none"])]
    lines += _table({f"{kind}, not done": count for kind, count in verdict.not_done.items()})
    lines += [f"  never struck: {', '.join(verdict.never_struck)}"] if verdict.never_struck else []
    if verdict.times:
        lines += ["", f"{'Seconds':<72}{'times':>7}{'p50':>7}{'p95':>7}{'max':>7}"]
        lines += [_spread(name, values) for name, values in verdict.times.items()]
    if report.kept:
        lines += ["", f"Logs and raw facts: {report.kept}"]
    return "\n".join(lines) + "\n"


def _bullets(texts: Sequence[str]) -> list[str]:
    return [f"  - {text}" for text in texts]


def _some(turns: Sequence[str]) -> str:
    return f"{len(turns)} ({', '.join(turns[:3])}{' …' if len(turns) > 3 else ''})"


def _table(figures: Mapping[str, int], *, largest_first: bool = False) -> list[str]:
    names = sorted(figures, key=lambda name: -figures[name]) if largest_first else list(figures)
    return [f"  {name:<56}{figures[name]:>8}" for name in names]


def _spread(name: str, values: Sequence[float]) -> str:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"  {name:<70}{len(ordered):>7}{statistics.median(ordered):>7.2f}{p95:>7.2f}{ordered[-1]:>7.2f}"
