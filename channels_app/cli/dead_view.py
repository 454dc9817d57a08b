"""Dead letters on a terminal and as JSON."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from channels_app.cli.render import clean, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.chat.dead_letters import Happened, Letter, Opened, Replayed

_BAD = frozenset({"failed", "lost"})


def table(letters: Sequence[Letter]) -> RenderableType:
    """Return one row a letter."""
    drawn = _table("number", "since", "tenant", "code", "hop", "state", "cause")
    for letter in letters:
        cells = (
            str(letter.letter),
            _when(letter.created_at),
            letter.tenant_slug,
            letter.code,
            letter.hop,
            _state(letter),
        )
        drawn.add_row(*(Text(clean(cell), no_wrap=True) for cell in cells), Text(_line(letter.cause)))
    return drawn


def opened(found: Opened, *, text: bool) -> RenderableType:
    """Return a letter with its history."""
    letter = found.letter
    facts = [
        ("cause", letter.cause),
        ("ended as", f"{letter.code}, at {letter.hop}, in attempt {letter.attempts}"),
        ("asked", f"{_when(found.asked_at)} by {letter.username} of {letter.tenant_slug}"),
        ("turn", f"{letter.turn} in {letter.conversation}"),
        ("in the logs", f"cid {found.cid}"),
        ("state", _state(letter)),
    ]
    if letter.replayed_at is not None:
        facts.append(("replayed", f"{_when(letter.replayed_at)} as {letter.replayed_as or 'a turn that is gone'}"))
    if text:
        facts.append(("question", found.text))
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, fact in facts:
        grid.add_row(Text(name, style="bold"), Text(clean(fact)))
    return Group(Text(f"Dead letter {letter.letter}", style="bold"), grid, "", _history(found))


def letter_json(letter: Letter) -> dict[str, Any]:
    """Return a letter for machines."""
    return {
        "number": letter.letter,
        "tenant": letter.tenant_slug,
        "user": letter.username,
        "conversation": letter.conversation,
        "turn": letter.turn,
        "attempts": letter.attempts,
        "hop": letter.hop,
        "code": letter.code,
        "cause": letter.cause,
        "created_at": letter.created_at.isoformat(),
        "replayed_at": _iso(letter.replayed_at),
        "replayed_as": letter.replayed_as,
        "replay_state": letter.replay_state,
    }


def opened_json(found: Opened, *, text: bool) -> dict[str, Any]:
    """Return a letter with its history for machines."""
    shape = letter_json(found.letter) | {
        "asked_at": found.asked_at.isoformat(),
        "cid": found.cid,
        "history": [_happened_json(entry) for entry in found.history],
    }
    return shape | ({"text": found.text} if text else {})


def replayed_json(result: Replayed) -> dict[str, Any]:
    """Return what became of a letter for machines."""
    from orchestrator import catalogue

    refusal = result.refusal
    error = None if refusal is None else {"code": refusal.code, "message": catalogue.of_error(refusal, "en")}
    return {"number": result.letter, "turn": result.turn, "error": error}


def _history(found: Opened) -> RenderableType:
    if not found.history:
        return Text("No stage had begun.", style="dim")
    drawn = _table("attempt", "stage", "outcome", "worker", "began", "worked", "said")
    for entry in found.history:
        drawn.add_row(
            str(entry.attempt),
            clean(entry.hop),
            Text(clean(entry.outcome), style="red" if entry.outcome in _BAD else ""),
            clean(entry.worker) or "–",
            "–" if entry.started_at is None else _when(entry.started_at),
            _worked(entry),
            Text(_line(entry.summary)),
        )
    return drawn


def _happened_json(entry: Happened) -> dict[str, Any]:
    return {
        "hop": entry.hop,
        "attempt": entry.attempt,
        "outcome": entry.outcome,
        "worker": entry.worker or None,
        "ready_at": _iso(entry.ready_at),
        "started_at": _iso(entry.started_at),
        "ended_at": _iso(entry.ended_at),
        "summary": entry.summary,
    }


def _table(*names: str) -> Table:
    drawn = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        drawn.add_column(name, overflow="fold")
    return drawn


def _state(letter: Letter) -> str:
    if letter.replayed_at is None:
        return "waits"
    return f"replayed: {letter.replay_state}" if letter.replay_state else "replayed"


def _worked(entry: Happened) -> str:
    if entry.started_at is None or entry.ended_at is None:
        return "–"
    return seconds((entry.ended_at - entry.started_at) / timedelta(milliseconds=1))


def _when(moment: datetime) -> str:
    # The operator's own clock, to the second: what they compare it with is a log or a call.
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _line(text: str) -> str:
    return " ".join(clean(text).split())
