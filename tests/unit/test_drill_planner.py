"""The drill's schedule: reproducible, fair to every kind, and quiet where it promises to be."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.drill.faults import FAULTS
from tests.drill.planner import SHORT, TAIL_S, Schedule, plan

KINDS = [fault.kind for fault in FAULTS]


@pytest.fixture(scope="module", params=[1, 2, 3])
def ten_minutes(request: pytest.FixtureRequest) -> Schedule:
    return plan(10, request.param, KINDS)


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert plan(10, 7, KINDS) == plan(10, 7, KINDS)
    assert plan(10, 7, KINDS) != plan(10, 8, KINDS)


def test_ten_minutes_hold_a_hundred_strikes_and_every_kind_about_equally_often(ten_minutes: Schedule) -> None:
    counts = Counter(strike.kind for strike in ten_minutes.strikes)

    assert len(ten_minutes.strikes) >= 100
    assert counts.keys() == {kind.name for kind in KINDS}
    assert max(counts.values()) - min(counts.values()) <= 2


def test_all_is_healed_when_a_storm_ends_and_the_calm_lasts(ten_minutes: Schedule) -> None:
    ends = [end_s for _, end_s in ten_minutes.storms]
    nexts = [begin_s for begin_s, _ in ten_minutes.storms[1:]] + [ten_minutes.length_s]

    assert all(strike.ends_s <= ten_minutes.storm_end_s(strike.at_s) for strike in ten_minutes.strikes)
    assert all(after - end >= 45 and after - end > TAIL_S * 2 for end, after in zip(ends, nexts, strict=True))


def test_strikes_overlap_but_never_on_the_same_thing(ten_minutes: Schedule) -> None:
    pairs = [
        (one, other)
        for one in ten_minutes.strikes
        for other in ten_minutes.strikes
        if one is not other and one.at_s <= other.at_s < one.ends_s
    ]

    assert len(pairs) > 50
    assert not [(one, other) for one, other in pairs if one.holds & other.holds]


def test_a_short_drill_strikes_its_fixed_selection_and_ends_quietly() -> None:
    schedule = plan(1.25, 1, KINDS)

    assert [strike.kind for strike in schedule.strikes] == [name for name, _ in SHORT]
    assert schedule.length_s - max(strike.ends_s for strike in schedule.strikes) >= 30


def test_a_short_drill_of_chosen_kinds_strikes_each_of_them() -> None:
    chosen = [kind for kind in KINDS if kind.name.startswith("redis")]

    schedule = plan(1, 1, chosen)

    assert {strike.kind for strike in schedule.strikes} == {kind.name for kind in chosen}
