"""Who goes next: round-robin over tenants, within shares, a slot in every queue that is left."""

from __future__ import annotations

from orchestrator.control.admission import Candidate, Slots, choose
from orchestrator.queues import Queue

QUEUES = {
    name: Queue(name=name, admitted=admitted, waiting_key=f"waiting.{name}")
    for name, admitted in (("gpu", 8), ("sql", 4), ("llm", 8))
}


def new(tenant: str, number: int, *queues: str) -> Candidate:
    return Candidate(
        turn=f"{tenant}{number}", fence=1, tenant=tenant, queues=queues or ("gpu",), begun=False, fragile=False
    )


def begun(tenant: str, number: int, *queues: str, fragile: bool = False) -> Candidate:
    return Candidate(turn=f"{tenant}{number}", fence=1, tenant=tenant, queues=queues, begun=True, fragile=fragile)


def names(chosen: list[Candidate]) -> list[str]:
    return [candidate.turn for candidate in chosen]


def held(*rows: tuple[str, str, int]) -> Slots:
    return Slots([{"queue": queue, "tenant": tenant, "held": count} for queue, tenant, count in rows])


def test_tenants_take_turns_however_long_one_of_their_lines_is() -> None:
    crowd = [new("a", n) for n in range(20)]

    chosen = choose([*crowd, new("b", 1), new("b", 2)], held(), QUEUES)

    assert names(chosen) == ["a0", "b1", "a1", "b2", "a2", "a3"]


def test_no_tenant_takes_the_whole_room() -> None:
    chosen = choose([new("a", n) for n in range(20)], held(), QUEUES)

    assert len(chosen) == QUEUES["gpu"].share


def test_whoever_holds_less_goes_first() -> None:
    chosen = choose([new("a", 1), new("b", 1)], held(("gpu", "a", 3)), QUEUES)

    assert names(chosen) == ["b1", "a1"]


def test_a_turn_goes_on_only_with_a_slot_in_every_queue_that_is_left() -> None:
    chosen = choose([begun("a", 1, "sql", "llm")], held(("llm", "b", 8)), QUEUES)

    assert chosen == []


def test_another_route_goes_on_beside_a_full_queue() -> None:
    waiting = [begun("a", 1, "sql", "llm"), begun("a", 2, "llm")]

    chosen = choose(waiting, held(("sql", "b", 4)), QUEUES)

    assert names(chosen) == ["a2"]


def test_nobody_of_a_tenant_overtakes_in_a_full_queue() -> None:
    waiting = [begun("a", 1, "sql", "llm"), begun("a", 2, "llm"), begun("a", 3, "sql")]

    chosen = choose(waiting, held(("llm", "b", 8)), QUEUES)

    assert names(chosen) == ["a3"]


def test_a_tenant_classifies_no_more_than_its_share_while_its_turns_pile_up() -> None:
    pile = [begun("a", n, "llm") for n in range(4)]

    chosen = choose([*pile, new("a", 9)], held(("llm", "b", 8)), QUEUES)

    assert chosen == []


def test_turns_under_way_go_before_new_ones_of_their_tenant() -> None:
    chosen = choose([new("a", 1, "llm"), begun("a", 2, "llm")], held(("llm", "a", 3)), QUEUES)

    assert names(chosen) == ["a2"]


def test_of_turns_that_lost_two_workers_one_runs_at_a_time() -> None:
    suspects = [begun("a", n, "llm", fragile=True) for n in range(3)]

    first = choose([*suspects, begun("a", 9, "llm")], held(), QUEUES)
    later = choose(suspects, held(), QUEUES, fragile_held=True)

    assert names(first) == ["a0", "a9"]
    assert later == []
