"""`manage.py evaluate_router`: judge the configured router on the held-out questions."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestrator.engines.gpu import configured, load_models
from orchestrator.engines.router_evaluation import Report, evaluate_from
from orchestrator.errors import EngineError


class Command(BaseCommand):
    """Print a router's figures by language, where it errs, and what its scores are worth."""

    help = "Judge the configured router on questions it never saw."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
        parser.add_argument("--wrong", action="store_true", help="list the questions that go the wrong way")
        parser.add_argument(
            "--questions",
            type=Path,
            default=settings.BASE_DIR / "deploy" / "example" / "questions",
            help="folder with router_heldout_en.jsonl and its like",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the router as the gpu worker would, and judge it."""
        try:
            router, _, threshold = load_models(configured())
            report = evaluate_from(options["questions"], router, threshold=threshold)
        except EngineError as exc:
            raise CommandError(str(exc)) from exc
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))
            return
        for line in _lines(report):
            self.stdout.write(line)
        if options["wrong"]:
            for verdict in report.wrong:
                self.stdout.write(f"  {verdict.meant} -> {verdict.said} {verdict.score:.2f}  {verdict.text}")


def _lines(report: Report) -> list[str]:
    rows = [f"{report.router}, asks back below {report.threshold}"]
    rows += [
        f"{name:<4}{one.questions:>4} questions  accuracy {one.accuracy:6.1%}  asked back {one.asked_back:6.1%}"
        f"  when sure {one.accuracy_when_sure:6.1%}  misrouted {one.misrouted:6.1%}"
        for name, one in report.figures.items()
    ]
    rows.append(f"none{report.nowhere_questions:>4} questions  asked back {report.nowhere_asked_back:.1%}")
    rows.append(f"calibration error {report.calibration_error:.3f}")
    rows.append("meant \\ said " + "".join(f"{route:>6}" for route in report.confusion))
    rows += [
        f"{meant:<13}" + "".join(f"{count:>6}" for count in said.values()) for meant, said in report.confusion.items()
    ]
    return rows
