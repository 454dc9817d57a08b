"""`manage.py serve_model`: the local model directory behind an OpenAI-compatible server."""

from __future__ import annotations

import os
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestrator import logs
from orchestrator.engines.llm_serve import serve_command, serve_env

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Become `transformers serve` for SWITCHYARD_LLM_MODEL_DIR."""

    help = "Serve the model in SWITCHYARD_LLM_MODEL_DIR on the loopback address, port SWITCHYARD_LLM_PORT."
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:
        """Replace this process, so that the supervisor's signals reach the server itself.

        Raises:
            CommandError: no directory is set, it is none, or the server is not installed.
        """
        logs.configure("llm-server")
        environment = settings.SWITCHYARD
        folder = environment.llm_model_dir
        if folder is None:
            raise CommandError("SWITCHYARD_LLM_MODEL_DIR is not set")
        if not (folder / "config.json").is_file():
            raise CommandError(f"SWITCHYARD_LLM_MODEL_DIR: {folder} holds no config.json, so it is no model directory")
        command = serve_command(str(folder), environment.llm_port)
        log.info("model server starts", model=str(folder), port=environment.llm_port)
        cache = environment.data_dir.resolve() / "model-cache"
        try:
            # `command` is built from checked settings, without a shell.
            os.execvpe(command[0], command, os.environ | serve_env(cache))  # noqa: S606
        except FileNotFoundError as exc:
            raise CommandError(f"{command[0]} is missing: install the extra `ml`") from exc
