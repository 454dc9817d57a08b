"""Each promise of the drill broken once by hand: the judge has to notice, and to say nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.drill import ledger, recovery, report
from tests.drill.facts import (
    Breach,
    Clock,
    Closed,
    Ending,
    Execution,
    Facts,
    Question,
    Seen,
    StageRow,
    Strike,
    TurnRow,
)
from tests.drill.judge import judge
from tests.drill.recovery import AFTER_FLUSH_ALONE, AFTER_KILL, AFTER_KILL_ALONE


def asked(number: int, **other: Any) -> Question:
    """Return a question that was acknowledged 0.1 s after it was sent, one each second."""
    fields: dict[str, Any] = {
        "number": number,
        "client": 0,
        "client_id": f"c{number}",
        "conversation": "con_1",
        "route": "sql",
        "classified": False,
        "told": "",
        "may_leave": False,
        "sent_at_s": float(number),
        "turn": f"t{number}",
        "acked_at_s": number + 0.1,
        "sends": 1,
    }
    return Question(**{**fields, **other})


def row(number: int, **other: Any) -> TurnRow:
    """Return a turn that was completed after 2 s."""
    fields: dict[str, Any] = {
        "turn": f"t{number}",
        "client_id": f"c{number}",
        "state": "completed",
        "code": "",
        "fence": 1,
        "created_s": float(number),
        "ended_s": number + 2.0,
        "answer": f"answer {number}",
        "endings": 1,
        "untold": 0,
        "artifacts": ("sql",),
    }
    return TurnRow(**{**fields, **other})


def heard(number: int, **other: Any) -> Ending:
    """Return the ending as the client heard it."""
    fields: dict[str, Any] = {
        "at_s": number + 2.0,
        "turn": f"t{number}",
        "epoch": "e1",
        "state": "completed",
        "code": "",
        "by": "event",
        "text": f"answer {number}",
    }
    return Ending(**{**fields, **other})


def ran(number: int, **other: Any) -> Execution:
    """Return the statement of a turn as the warehouse's server saw it."""
    fields: dict[str, Any] = {
        "at_s": number + 0.5,
        "turn": f"t{number}",
        "fence": 1,
        "hop": "sql",
        "claim": "a1",
        "whole": True,
    }
    return Execution(**{**fields, **other})


def good(count: int = 3) -> Facts:
    """Return a drill in which all is well."""
    numbers = range(1, count + 1)
    return Facts(
        seed=1,
        minutes=1,
        commit="abc",
        began="2026-11-20T00:00:00+00:00",
        questions=[asked(n) for n in numbers],
        turns=[row(n) for n in numbers],
        endings=[heard(n) for n in numbers],
        executions=[ran(n) for n in numbers],
        seen=[Seen(n + 0.2, f"t{n}", "e1", n, "turn.accepted") for n in numbers],
    )


def lose_a_row(facts: Facts) -> None:
    del facts.turns[0], facts.endings[0], facts.executions[0]


def leave_one_open(facts: Facts) -> None:
    facts.turns[0] = row(1, state="running", ended_s=None, endings=0)
    del facts.endings[0]


def end_one_twice(facts: Facts) -> None:
    facts.turns[0] = row(1, endings=2)


def end_without_the_outbox(facts: Facts) -> None:
    facts.turns[0] = row(1, endings=0)


def keep_an_ending_back(facts: Facts) -> None:
    facts.turns[0] = row(1, untold=1)


def make_two_of_one(facts: Facts) -> None:
    facts.turns.append(row(9, client_id="c1"))
    facts.executions.append(ran(9))


def keep_two_artifacts(facts: Facts) -> None:
    facts.turns[0] = row(1, artifacts=("sql", "sql"))


def cancel_the_next_turn(facts: Facts) -> None:
    facts.turns[0] = row(1, state="cancelled", code="cancelled")
    facts.endings[0] = heard(1, state="cancelled", code="cancelled")


def tell_nobody(facts: Facts) -> None:
    del facts.endings[0]


def tell_another_ending(facts: Facts) -> None:
    facts.endings.append(heard(1, epoch="e2", state="failed", code="internal"))


def tell_another_answer(facts: Facts) -> None:
    facts.endings[0] = heard(1, text="something else")


def run_it_by_two_claims(facts: Facts) -> None:
    facts.executions.append(ran(1, claim="b2"))


def run_what_nobody_asked(facts: Facts) -> None:
    facts.executions.append(ran(77))


def forget_the_ledger(facts: Facts) -> None:
    facts.executions.clear()


def drop_a_socket(facts: Facts) -> None:
    facts.strikes.append(Strike("rolling-restart", "gateway-0", 5.0, 9.0))
    facts.closed.append(Closed(7.0, 0, 0, 1006, own=False))


def outlive_the_grace(facts: Facts) -> None:
    facts.strikes.append(Strike("rolling-restart", "worker-sql", 500.0, 509.0, "NotLeftError: worker-sql"))


def fail_in_peace(facts: Facts) -> None:
    facts.turns[0] = row(1, state="failed", code="internal")
    facts.endings[0] = heard(1, state="failed", code="internal")


def die_alone(facts: Facts) -> None:
    facts.deaths.append("worker-sql (3 s)")


def break_the_drill(facts: Facts) -> None:
    facts.broken.append("a client: KeyError()")


def ask_for_nothing(facts: Facts) -> None:
    facts.questions, facts.turns, facts.endings, facts.executions = [], [], [], []


BROKEN: list[tuple[Callable[[Facts], None], str]] = [
    (lose_a_row, "no row knows of it"),
    (leave_one_open, "never ended"),
    (end_one_twice, "more than one ending"),
    (end_without_the_outbox, "without an ending in the outbox"),
    (keep_an_ending_back, "never told to the log"),
    (make_two_of_one, "one client id made more than one turn"),
    (keep_two_artifacts, "two artifacts"),
    (cancel_the_next_turn, "nobody asked for it"),
    (tell_nobody, "never heard of it"),
    (tell_another_ending, "another ending than the row"),
    (tell_another_answer, "another answer than the row"),
    (run_it_by_two_claims, "by two claims"),
    (run_what_nobody_asked, "no row knows of"),
    (forget_the_ledger, "the ledger is blind"),
    (drop_a_socket, "1006"),
    (outlive_the_grace, "outlived its grace"),
    (fail_in_peace, "undisturbed turns were completed"),
    (die_alone, "ended by itself"),
    (break_the_drill, "the drill itself broke"),
    (ask_for_nothing, "no turn was accepted"),
]


@pytest.mark.parametrize(("damage", "reason"), BROKEN, ids=[damage.__name__ for damage, _ in BROKEN])
def test_each_broken_promise_is_a_reason_of_its_own(damage: Callable[[Facts], None], reason: str) -> None:
    facts = good()
    damage(facts)

    verdict = judge(facts)

    assert any(reason in said for said in verdict.reasons), verdict.reasons
    assert not verdict.green


def test_a_drill_without_a_fault_is_green() -> None:
    verdict = judge(good())

    assert verdict.reasons == []
    assert (verdict.counts["accepted"], verdict.counts["undisturbed and completed"]) == (3, 3)


@pytest.mark.parametrize("kind", ["gap", "doubled", "order", "epoch", "resume", "ended_twice", "after_end", "text"])
def test_each_breach_that_a_client_saw_is_a_reason(kind: str) -> None:
    facts = good()
    facts.breaches.append(Breach(1.0, kind, 0, "t1", "as seen"))

    verdict = judge(facts)

    assert len(verdict.reasons) == 1
    assert verdict.breaches == {kind: 1}


def test_an_ending_shown_again_after_an_epochs_end_is_counted_and_forgiven() -> None:
    facts = good()
    facts.endings.append(heard(1, epoch="e2", at_s=9.0))

    verdict = judge(facts)

    assert verdict.green
    assert verdict.counts["endings shown again in a later epoch"] == 1


def test_a_second_try_of_the_same_claim_is_no_double_effect() -> None:
    facts = good()
    facts.executions.append(ran(1, at_s=2.0))

    verdict = judge(facts)

    assert verdict.green
    assert verdict.counts["second tries of one claim"] == 1


def test_another_attempts_effect_is_no_double_effect() -> None:
    facts = good()
    facts.executions.append(ran(1, fence=2, claim="b2"))

    assert judge(facts).green


def test_a_turn_that_its_client_cancelled_need_not_be_completed() -> None:
    facts = good(1)
    facts.questions[0] = asked(1, told="cancel", cancel_at_s=1.5)
    facts.turns[0] = row(1, state="cancelled", code="cancelled")
    facts.endings[0] = heard(1, state="cancelled", code="cancelled")

    verdict = judge(facts)

    assert verdict.green
    assert verdict.counts["undisturbed"] == 0


def test_a_failure_in_a_faults_aftermath_is_not_held_against_the_share() -> None:
    facts = good(1)
    fail_in_peace(facts)
    facts.strikes.append(Strike("postgres-kill", "postgres", -20.0, -13.5))

    assert judge(facts).green


def test_a_socket_may_break_with_its_gateway() -> None:
    facts = good()
    facts.strikes.append(Strike("kill9-gateway", "gateway-0", 5.0, 9.0))
    facts.closed.append(Closed(7.0, 0, 0, 1006, own=False))

    assert judge(facts).green


def test_a_socket_may_not_break_with_another_gateway() -> None:
    facts = good()
    facts.strikes.append(Strike("kill9-gateway", "gateway-1", 5.0, 9.0))
    facts.closed.append(Closed(7.0, 0, 0, 1006, own=False))

    assert not judge(facts).green


def killed(*strikes: Strike) -> Facts:
    """Return a drill whose first turn stood still from 1.5 s to 8 s."""
    facts = good(1)
    facts.stages = [
        StageRow(turn="t1", fence=1, hop="sql", state="lost", worker="worker-sql-0@host", started_s=1.2, ended_s=7.5)
    ]
    facts.endings = [heard(1, at_s=8.0)]
    facts.turns = [row(1, ended_s=8.0)]
    facts.strikes = [Strike("kill9-worker-sql", "worker-sql", 1.5, 4.0), *strikes]
    return facts


def test_a_killed_workers_turn_is_timed_to_its_next_event() -> None:
    times = recovery.recoveries(killed())

    assert times[AFTER_KILL] == times[AFTER_KILL_ALONE] == [6.5]


def test_what_another_fault_prolonged_is_told_apart() -> None:
    times = recovery.recoveries(killed(Strike("flushall", "redis", 3.0, 3.1)))

    assert times[AFTER_KILL] == [6.5]
    assert AFTER_KILL_ALONE not in times


def test_a_flushall_is_timed_to_the_last_turn_that_moved() -> None:
    facts = good(2)
    facts.strikes = [Strike("flushall", "redis", 2.5, 2.6)]

    times = recovery.recoveries(facts)

    assert times[AFTER_FLUSH_ALONE] == [1.5]


def test_a_slow_recovery_misses_its_aim_and_breaks_no_promise() -> None:
    facts = killed()
    facts.endings = [heard(1, at_s=18.0)]
    facts.turns = [row(1, ended_s=18.0)]

    verdict = judge(facts)

    assert verdict.green
    assert any("the aim is 10 s" in missed for missed in verdict.missed_aims)


def test_the_warehouses_log_is_read_as_its_server_writes_it(tmp_path: Path) -> None:
    clock = Clock()
    log = tmp_path / "warehouse.log"
    name = "switchyard:trn_01:2:ab12"
    log.write_text(
        f"2026-11-20 15:00:00.250 UTC [41] {name} LOG:  ledger begin {name} 17\n"
        f"2026-11-20 15:00:00.251 UTC [41] {name} STATEMENT:  FETCH FORWARD 100 FROM answer\n"
        f"2026-11-20 15:00:01.250 UTC [41] {name} LOG:  ledger end {name} 17\n"
        f"2026-11-20 15:00:02.250 UTC [42] {name} LOG:  ledger begin {name} 17\n"
    )

    found = ledger.warehouse_executions(log, clock)

    assert [(one.turn, one.fence, one.hop, one.claim, one.whole) for one in found] == [
        ("trn_01", 2, "sql", "ab12", True),
        ("trn_01", 2, "sql", "ab12", False),
    ]


def test_reports_come_back_from_their_files_and_add_up(tmp_path: Path) -> None:
    red = good()
    end_one_twice(red)
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for path, facts in zip(files, (good(), replace(red, seed=2)), strict=True):
        path.write_text(report.report_of(facts, judge(facts), took_s=60).as_json())

    whole = report.add_up([report.read(path) for path in files])

    assert whole.verdict.counts["accepted"] == 6
    assert whole.verdict.counts["ended twice"] == 1
    assert whole.verdict.reasons[0].startswith("seed 2:")
    assert "DRILL RED   seed 1, 2" in report.page(whole)
    assert "accepted: 6, the sum wants 5000" in report.page(whole)
