"""`manage.py evaluate_sql`: judge the sql stage on questions with reference statements."""

from __future__ import annotations

import datetime as dt
import logging
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from orchestrator.engines.warehouse_sql import open_warehouse
from orchestrator.errors import OrchestratorError
from orchestrator.pipeline.semantic.model import load_layer
from orchestrator.pipeline.sql_evaluation import evaluate_paraphrases


class Command(BaseCommand):
    """Print how many questions of a file are answered rightly; with `--wrong` also which are not, and why."""

    help = "Judge the sql stage, without a language model, on a file of questions with reference statements."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("questions", type=Path, help="YAML file of questions, languages and reference statements")
        parser.add_argument("--url", required=True, help="address of the database, as its reader")
        parser.add_argument("--layer", type=Path, required=True, help="YAML file of the semantic layer")
        parser.add_argument("--today", type=dt.date.fromisoformat, required=True, help="the first day without rows")
        parser.add_argument("--wrong", action="store_true", help="show what was not answered; not for held-out files")
        parser.add_argument(
            "--compare",
            default="deploy.example.compare.same_rows",
            help="dotted name of what says whether two results agree",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask every question and compare."""
        # The stage logs the words it did not understand: a held-out question must not be learned that way.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        compare = import_string(options["compare"])

        def same_rows(expected: Sequence[Sequence[object]], given: Sequence[Sequence[object]], ordered: bool) -> bool:
            return bool(compare(expected, given, ordered=ordered))

        try:
            outcomes = evaluate_paraphrases(
                options["questions"],
                load_layer(options["layer"]),
                open_warehouse(options["url"]),
                options["today"],
                same_rows=same_rows,
            )
        except (OrchestratorError, OSError, ValueError) as exc:
            raise CommandError(str(exc)) from exc
        counts = Counter(outcome.result for outcome in outcomes)
        self.stdout.write(
            f"{counts['right']} of {len(outcomes)} right, {counts['wrong']} wrong, "
            f"{counts['no_answer']} without an answer, {counts['error']} failed"
        )
        for outcome in outcomes:
            if options["wrong"] and outcome.result != "right":
                self.stdout.write(f"\n{outcome.result}: {outcome.question.question}\n  {outcome.detail}")
