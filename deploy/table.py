"""The product's process table as the supervisor needs it."""

import sys
from collections.abc import Mapping

from deploy.folder import CHECKOUT
from deploy.process import Phase, Process
from orchestrator.queues import PROCESSES, Role, command, grace_s
from settings.env import Environment

PHASES: Mapping[Role, Phase] = {
    "gateway": Phase.EDGE,
    "dispatcher": Phase.CONTROL,
    "beat": Phase.CONTROL,
    "flower": Phase.CONTROL,
    "worker": Phase.WORKERS,
    "llm-server": Phase.MODELS,
}


def processes(environ: Mapping[str, str]) -> list[Process]:
    """Return every process that `environ` asks for, each replica by itself.

    `environ` has been checked by the settings already, so its numbers are numbers.
    """
    found = []
    drain_s = float(environ.get("SWITCHYARD_DRAIN_S") or Environment.model_fields["drain_s"].default)
    for entry in PROCESSES:
        if entry.only_if and not environ.get(entry.only_if):
            continue
        replicas = int(environ.get(entry.replicas_setting) or 1) if entry.replicas_setting else 1
        found += [
            Process(
                name=entry.name if replicas == 1 else f"{entry.name}-{index}",
                command=(sys.executable, *command(entry, index=index)),
                phase=PHASES[entry.role],
                cwd=CHECKOUT,
                stop_grace_s=grace_s(entry, drain_s=drain_s),
            )
            for index in range(replicas)
        ]
    return found
