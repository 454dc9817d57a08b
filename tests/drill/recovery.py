"""How long things took to go on after a fault, and which faults met a stretch of time. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tests.drill.facts import Facts, StageRow, Strike

#: After a fault is healed, how long what happens is still called its own.
AFTERMATH_S: Final = 15.0
#: Aims of the product, with default settings.
WORKER_AIM_S: Final = 10.0
FLUSH_AIM_S: Final = 15.0
KILL: Final = "kill9-worker"
FLUSH: Final = "flushall"

AFTER_KILL: Final = "a worker killed in the middle of a stage, to the turn's next event"
AFTER_KILL_ALONE: Final = "a worker killed likewise, nothing else striking"
AFTER_FLUSH: Final = "FLUSHALL, to the last turn in flight moving again"
AFTER_FLUSH_ALONE: Final = "FLUSHALL likewise, nothing else striking"
UNDISTURBED: Final = "an undisturbed turn, accepted to ended"
CANCEL: Final = "an undisturbed chat.cancel, to turn.cancelled"

Moves = Mapping[str, Sequence[float]]


def around(strikes: Iterable[Strike], start_s: float, end_s: float | None) -> list[Strike]:
    """Return the faults whose window, aftermath included, meets a stretch of time."""
    until_s = float("inf") if end_s is None else end_s
    return [strike for strike in strikes if strike.started_s <= until_s and start_s <= strike.healed_s + AFTERMATH_S]


def slow_recoveries(times: Moves) -> list[str]:
    """Return which aims were missed, as sentences; what another fault prolonged counts for none."""
    aims = ((AFTER_KILL_ALONE, WORKER_AIM_S), (AFTER_FLUSH_ALONE, FLUSH_AIM_S))
    return [
        f"{name}: {max(times[name]):.1f} s at most, the aim is {aim_s:g} s"
        for name, aim_s in aims
        if max(times.get(name, ()), default=0.0) > aim_s
    ]


def recoveries(facts: Facts) -> dict[str, list[float]]:
    """Return the seconds that each kind of recovery took, each time; kinds that never happened are left out."""
    moves: defaultdict[str, list[float]] = defaultdict(list)
    for seen in facts.seen:
        moves[seen.turn].append(seen.at_s)
    for ending in facts.endings:
        moves[ending.turn].append(ending.at_s)
    for times in moves.values():
        times.sort()
    killed, killed_alone = _after_kills(facts, moves)
    flushed, flushed_alone = _after_flushes(facts, moves)
    found = {
        AFTER_KILL: killed,
        AFTER_KILL_ALONE: killed_alone,
        AFTER_FLUSH: flushed,
        AFTER_FLUSH_ALONE: flushed_alone,
        UNDISTURBED: [
            row.ended_s - row.created_s
            for row in facts.turns
            if row.ended_s is not None and not around(facts.strikes, row.created_s, row.ended_s)
        ],
        CANCEL: _cancels(facts),
    }
    return {name: [round(value, 3) for value in values] for name, values in found.items() if values}


def _cancels(facts: Facts) -> list[float]:
    heard = {ending.turn: ending.at_s for ending in reversed(facts.endings) if ending.state == "cancelled"}
    return [
        heard[question.turn] - question.cancel_at_s
        for question in facts.questions
        if question.turn is not None
        and question.cancel_at_s is not None
        and question.turn in heard
        and not around(facts.strikes, question.cancel_at_s, heard[question.turn])
    ]


def _after_kills(facts: Facts, moves: Moves) -> tuple[list[float], list[float]]:
    """Return how long the turns of killed workers stood still; the second list: those that no other fault met."""
    found, alone = [], []
    for strike in facts.strikes:
        if not strike.kind.startswith(KILL) or strike.failed:
            continue
        for stage in facts.stages:
            moved = _next_move(moves.get(stage.turn, ()), strike.started_s) if _was_hit(stage, strike) else None
            if moved is None:
                continue
            found.append(moved)
            if _alone(strike, facts.strikes, strike.started_s + moved):
                alone.append(moved)
    return found, alone


def _was_hit(stage: StageRow, strike: Strike) -> bool:
    """Return whether the strike killed the process that ran this stage."""
    name = stage.worker.partition("@")[0]
    return (
        stage.state == "lost"
        # `worker-sql-0@host` is the process that the drill calls `worker-sql`.
        and strike.target in (name, name.rpartition("-")[0])
        and stage.started_s is not None
        and stage.started_s <= strike.started_s <= (stage.ended_s or strike.started_s)
    )


def _after_flushes(facts: Facts, moves: Moves) -> tuple[list[float], list[float]]:
    """Return after how long the last turn in flight had moved; the second list: as for kills."""
    found, alone = [], []
    for strike in facts.strikes:
        if strike.kind != FLUSH or strike.failed:
            continue
        stood = [
            moved
            for row in facts.turns
            if row.created_s < strike.started_s and (row.ended_s is None or row.ended_s > strike.started_s)
            if (moved := _next_move(moves.get(row.turn, ()), strike.started_s)) is not None
        ]
        if stood:
            found.append(max(stood))
            if _alone(strike, facts.strikes, strike.started_s + max(stood)):
                alone.append(max(stood))
    return found, alone


def _next_move(times: Sequence[float], after_s: float) -> float | None:
    return next((at_s - after_s for at_s in times if at_s > after_s), None)


def _alone(strike: Strike, strikes: Iterable[Strike], until_s: float) -> bool:
    others = [other for other in strikes if other is not strike]
    return not around(others, strike.started_s, until_s)
