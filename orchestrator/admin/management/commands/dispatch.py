"""Run the dispatcher until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from orchestrator import ids, logs
from orchestrator.admin.diagnosis.start import require_good_start
from orchestrator.control.dispatcher import Dispatcher
from orchestrator.control.heartbeat import Heartbeat
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys


class Command(BaseCommand):
    """`manage.py dispatch`: several may run, one leads."""

    help = "Run the dispatcher."
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:  # Any: Django's own signature
        """Dispatch until a signal."""
        logs.configure("dispatcher")
        require_good_start("dispatcher")
        environment = settings.SWITCHYARD
        broker_url = environment.broker_url.get_secret_value()
        dispatcher = Dispatcher(
            sync_client(environment.redis_url.get_secret_value()),
            Keys(environment.key_prefix),
            # A broker of another kind keeps its queues on disk and is not asked what it remembers.
            broker=sync_client(broker_url) if broker_url.startswith(("redis", "unix")) else None,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: dispatcher.stop())
        heartbeat = Heartbeat(incarnation=ids.new_id("inc"), name="dispatcher", role="dispatcher", queues=())
        heartbeat.start()
        dispatcher.run()
        heartbeat.stop()
