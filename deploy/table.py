"""The product's process table as the supervisor needs it."""

import sys
from collections.abc import Callable, Mapping

from deploy import live
from deploy.folder import CHECKOUT
from deploy.process import Phase, Process
from orchestrator.queues import PROCESSES, Role, command, grace_s
from orchestrator.queues import Process as Entry
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
                live=_live(entry, environ, index=index),
            )
            for index in range(replicas)
        ]
    return found


def _live(entry: Entry, environ: Mapping[str, str], *, index: int) -> Callable[[int], bool]:
    match entry.role:
        case "gateway":
            return live.answers(_port(environ, "PORT", "port") + index, "/healthz")
        case "worker" | "dispatcher" | "beat":
            return live.beats(environ)
        case "flower":
            return live.answers(_port(environ, "FLOWER_PORT", "flower_port"), "/healthcheck")
        case "llm-server":
            return live.answers(_port(environ, "SWITCHYARD_LLM_PORT", "llm_port"), "/health")


def _port(environ: Mapping[str, str], name: str, field: str) -> int:
    return int(environ.get(name) or Environment.model_fields[field].default)
