"""`switchyard status`: what runs, who waits, what needs a hand, on one screen."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from channels_app.cli.render import clean, seconds

if TYPE_CHECKING:
    from orchestrator.control.situation import Situation

_EVERY_S = 2.0
#: A wait that an operator should see.
_LONG_S = 5.0


def look() -> tuple[Situation, list[tuple[str, str]]]:
    """Return what goes on, and the breakers that are not closed as (name, state).

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    from django.conf import settings
    from redis.exceptions import RedisError

    from orchestrator.control.situation import situation
    from orchestrator.log.clients import sync_client
    from orchestrator.log.keys import Keys
    from orchestrator.resilience.breaker_registry import shared_ones

    environment = settings.SWITCHYARD
    now = situation()
    try:
        redis = sync_client(environment.redis_url.get_secret_value())
        breakers = [(each.name, each.state) for each in shared_ones(redis, Keys(environment.key_prefix))]
    except RedisError:
        return now, [("redis", "does not answer")]
    return now, [(name, state.replace("_", " ")) for name, state in breakers if state != "closed"]


def watch(console: Console) -> None:
    """Show it again every two seconds until Ctrl-C."""
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            live.update(screen(*look()), refresh=True)
            time.sleep(_EVERY_S)


def as_json(now: Situation, breakers: list[tuple[str, str]]) -> dict[str, Any]:
    """Return it for machines."""
    return {
        "worries": [*now.worries(), *(f"{name}: {state}" for name, state in breakers)],
        "figures": dict(now.figures),
        "queues": [
            {name: getattr(line, name) for name in line.__dataclass_fields__}  # slots: there is no __dict__
            for line in now.lines
        ],
        "processes": [
            {name: row[name] for name in ("name", "role", "host", "pid", "queues", "slots", "draining", "started_at")}
            for row in now.processes
        ],
        "breakers": [{"name": name, "state": state} for name, state in breakers],
    }


def screen(now: Situation, breakers: list[tuple[str, str]]) -> RenderableType:
    """Return the screen: worries first, then figures, lines and processes."""
    worries = [*now.worries(), *(f"{name}: {state}" for name, state in breakers)]
    head = (
        Text("All is well.", style="bold green")
        if not worries
        else Group(*(Text(f"! {clean(worry)}", style="bold yellow") for worry in worries))
    )
    return Group(
        head,
        Padding(_figures(now), (1, 0)),
        _lines(now),
        Padding(_processes(now), (1, 0, 0, 0)),
    )


def _figures(now: Situation) -> RenderableType:
    figures = now.figures
    parts = [f"{figures['open_turns']} turns and {figures['open_jobs']} jobs under way"]
    counts = {
        "answered": figures["answered"],
        "without a known answer": figures["no_answer"],
        "failed": (figures["failed"] or 0) - (figures["no_answer"] or 0),
        "cancelled": figures["cancelled"],
    }
    ended = [f"{count} {name}" for name, count in counts.items() if count]
    parts.append("last hour: " + (", ".join(ended) or "nothing ended"))
    if figures["p50_s"] is not None and figures["p95_s"] is not None:
        parts.append(f"answers in {seconds(figures['p50_s'] * 1000)} (half), {seconds(figures['p95_s'] * 1000)} (95 %)")
    return Text(" · ".join(parts))


def _lines(now: Situation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("QUEUE", "WAITING", "IN BROKER", "RUNNING", "SLOTS", "WORKERS", "LONGEST WAIT"):
        table.add_column(heading, justify="left" if heading == "QUEUE" else "right")
    for line in now.lines:
        wait = seconds(line.oldest_wait_s * 1000) if line.waiting or line.dispatched else "–"
        table.add_row(
            line.name,
            str(line.waiting),
            str(line.dispatched),
            str(line.running),
            str(line.slots),
            Text("none", style="bold red") if not line.consumers else Text(str(line.consumers)),
            Text(wait, style="yellow" if line.oldest_wait_s > _LONG_S else ""),
        )
    return table


def _processes(now: Situation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("PROCESS", "ROLE", "HOST", "PID", "UP", ""):
        table.add_column(heading, justify="right" if heading in ("PID", "UP") else "left")
    for row in now.processes:
        up = datetime.now(UTC) - row["started_at"]
        state = Text("drains", style="yellow") if row["draining"] else Text("")
        table.add_row(
            clean(row["name"]), row["role"], clean(row["host"]), str(row["pid"]), _age(up.total_seconds()), state
        )
    return table


def _age(passed_s: float) -> str:
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if passed_s >= length_s:
            return f"{passed_s / length_s:.0f} {unit}"
    return f"{max(0, passed_s):.0f} s"
