"""`manage.py train_router`: train the router's head on the labelled questions."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from orchestrator.engines.encoder_bert import load_encoder
from orchestrator.engines.gpu import configured
from orchestrator.engines.model_files import encoder_weights
from orchestrator.engines.router_training import is_current, train_to
from orchestrator.errors import EngineError


class Command(BaseCommand):
    """Train the head and put it where the gpu worker looks for it."""

    help = "Train the router's head on the labelled questions (seconds on one CPU core)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--if-missing", action="store_true", help="keep a head that fits the questions and encoder")
        parser.add_argument(
            "--questions",
            type=Path,
            default=settings.BASE_DIR / "deploy" / "example" / "questions",
            help="folder with router_train.jsonl",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Train, unless there is nothing to do, and say how well it went."""
        config = configured()
        if config.scripted or config.sequence_classifier_dir is not None:
            self.stdout.write("The settings route without a head: nothing to train.")
            return
        questions: Path = options["questions"]
        try:
            _, sha256 = encoder_weights(config.encoder_dir, expected_sha256=config.encoder_sha256)
            if options["if_missing"] and is_current(config.head_dir(), questions, encoder_sha256=sha256):
                self.stdout.write("The router's head is current.")
                return
            encoder = load_encoder(
                config.encoder_dir, expected_sha256=sha256, device=config.device, threads=config.threads
            )
            card = train_to(config.head_dir(), questions, encoder=encoder, today=timezone.localdate())
        except EngineError as exc:
            raise CommandError(str(exc)) from exc
        shares = ", ".join(f"{name} {share:.1%}" for name, share in card.cross_validated.items())
        self.stdout.write(
            f"Trained on {card.trained_on} questions; cross-validated: {shares}; asks back below {card.threshold}."
        )
