"""What can be said on the drill's command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One run, or several reports to add up."""

    minutes: float
    seed: int
    #: Questions a second.
    rate: float
    #: Where the report is written.
    report: Path
    #: Kinds of faults; empty: every kind.
    only: tuple[str, ...]
    #: Strike nothing: load alone.
    calm: bool
    #: Leave logs and raw facts.
    keep: bool
    #: Reports to add up instead of a run.
    sum: tuple[Path, ...]


def parse(arguments: Sequence[str]) -> Options:
    """Return the options; ends the program with a sentence where they make no sense."""
    parser = argparse.ArgumentParser(
        prog="make drill ARGS='…'",
        description="Break everything under load and see whether each accepted turn ends exactly once.",
    )
    parser.add_argument("--minutes", type=_positive, default=10.0, help="how long questions are asked (10)")
    parser.add_argument("--seed", type=int, default=1, help="chooses questions and faults (1)")
    parser.add_argument("--rate", type=_positive, default=5.0, help="questions a second (5)")
    parser.add_argument("--report", type=Path, default=Path("drill-reports"), metavar="DIR", help="(drill-reports)")
    parser.add_argument("--only", default="", metavar="KINDS", help="these faults alone, by commas (kill9,flushall)")
    parser.add_argument("--calm", action="store_true", help="strike nothing: load alone")
    parser.add_argument("--keep", action="store_true", help="leave logs and raw facts beside the report")
    parser.add_argument("--sum", type=Path, nargs="+", default=[], metavar="FILE", help="add up earlier reports")
    asked = parser.parse_args(arguments)
    only = tuple(part.strip() for part in asked.only.split(",") if part.strip())
    if missing := [path for path in asked.sum if not path.is_file()]:
        parser.error(f"no such report: {missing[0]}")
    return Options(
        minutes=asked.minutes,
        seed=asked.seed,
        rate=asked.rate,
        report=asked.report,
        only=only,
        calm=asked.calm,
        keep=asked.keep,
        sum=tuple(asked.sum),
    )


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be over 0")
    return value
