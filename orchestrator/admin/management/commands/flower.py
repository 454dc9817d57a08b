"""`manage.py flower`: Celery's own window, behind a password that stands in no argument and no environment."""

from __future__ import annotations

import logging
import signal
from argparse import ArgumentParser
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand

from orchestrator import logs

USER = "operator"
#: Of the 100,000 that Flower keeps by default, each with its arguments, it would fill the memory of a small machine.
MAX_TASKS = 10_000

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Serve Flower until SIGTERM or SIGINT."""

    help = "Serve Flower; user `operator`, password SWITCHYARD_FLOWER_PASSWORD."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        environment = settings.SWITCHYARD
        parser.add_argument("--address", default=environment.host, help="address to listen on (SWITCHYARD_HOST)")
        parser.add_argument("--port", type=int, default=environment.flower_port, help="port (FLOWER_PORT)")

    def handle(self, *_: Any, **options: Any) -> None:
        """Serve. In this process, so that Flower has the same broker settings as the workers, key prefix included."""
        logs.configure("flower")
        # Imported late: Flower defines its options for the whole process when it is imported.
        from flower.app import Flower
        from flower.options import default_options as flower_options
        from flower.urls import settings as application_settings

        from orchestrator.celery import app

        flower_options.address = options["address"]
        flower_options.port = options["port"]
        flower_options.basic_auth = [f"{USER}:{settings.SWITCHYARD.flower_password.get_secret_value()}"]
        flower_options.max_tasks = MAX_TASKS
        # Its buttons would stop a message and not a turn: cancelling is the product's own.
        flower_options.read_only = True
        # A worker that was replaced is gone for good: its name carries what started it.
        flower_options.purge_offline_workers = 600
        application_settings |= {"debug": False, "cookie_secret": flower_options.cookie_secret}
        logging.getLogger("tornado.access").setLevel(logging.WARNING)
        flower = Flower(capp=app, options=flower_options, **application_settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: flower.io_loop.add_callback_from_signal(flower.stop))
        port = flower.start_http_server()
        log.info("flower serves", address=options["address"], port=port, user=USER)
        flower.start()
        log.info("flower left")
