"""The breaker's table: pure, so every line of it can be asked."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.resilience.breaker_states import Policy, Record, Report, ask, next_cool_ms, tell

POLICY = Policy(failures=3, least_calls=10, cool_ms=1_000, cool_most_ms=8_000, probe_ms=5_000)
T = 1_000_000


def told(record: Record, *reports: Report, now_ms: int = T, policy: Policy = POLICY) -> Record:
    for report in reports:
        record = tell(record, report, now_ms=now_ms, policy=policy, chance=0.5)
    return record


def opened(*, now_ms: int = T) -> Record:
    return told(Record(), *[Report(failed=1)] * 3, now_ms=now_ms)


def probing(name: str = "mine") -> Record:
    return ask(opened(), now_ms=T + 1_000, token=name, policy=POLICY)[0]


def test_it_begins_closed_and_lets_everyone_pass() -> None:
    record, verdict = ask(Record(), now_ms=T, token="t", policy=POLICY)

    assert (verdict.allowed, verdict.token, record) == (True, "", Record())


def test_failures_in_a_row_open_it_for_its_first_cool_down() -> None:
    record = opened()

    assert (record.state, record.until_ms - T, record.opened) == ("open", 1_000, 1)


def test_one_failure_less_leaves_it_closed() -> None:
    assert told(Record(), Report(failed=2)).state == "closed"


def test_a_success_ends_a_row() -> None:
    record = told(Record(), Report(failed=2), Report(ok=1), Report(failed=2))

    assert record.state == "closed"


def test_a_success_that_is_told_with_a_failure_came_before_it() -> None:
    record = told(Record(), Report(failed=2), Report(ok=5, failed=1))

    assert (record.state, record.streak) == ("closed", 1)


def test_half_of_many_calls_failing_opens_it_though_never_in_a_row() -> None:
    record = told(Record(), *[Report(ok=1), Report(failed=1)] * 5)

    assert record.state == "open"


def test_half_of_a_few_calls_is_no_verdict() -> None:
    assert told(Record(), *[Report(ok=1), Report(failed=1)] * 4).state == "closed"


def test_a_success_never_opens_it() -> None:
    # Ten calls, most of them failed before, and the one that makes it ten succeeds.
    lenient = replace(POLICY, failures=100)
    record = told(Record(), Report(failed=9), Report(ok=1), policy=lenient)

    assert record.state == "closed"


def test_old_failures_are_forgotten_after_two_windows() -> None:
    lenient = replace(POLICY, failures=100)
    record = told(Record(), Report(failed=9), policy=lenient)

    later = told(record, Report(failed=1), now_ms=T + 2 * POLICY.window_ms, policy=lenient)

    assert (later.state, later.failed, later.failed_before) == ("closed", 1, 0)


def test_being_asked_too_much_counts_in_a_row_but_not_in_the_share() -> None:
    in_a_row = told(Record(), *[Report(limited=1)] * 3)
    mixed = told(Record(), *[Report(limited=1), Report(ok=1)] * 20)

    assert (in_a_row.state, mixed.state) == ("open", "closed")


def test_it_stays_open_as_long_as_it_was_told_within_its_longest_cool_down() -> None:
    told_short = told(Record(), Report(failed=2), Report(failed=1, told_ms=4_000))
    told_long = told(Record(), Report(failed=2), Report(failed=1, told_ms=600_000))

    assert (told_short.until_ms - T, told_long.until_ms - T) == (4_000, 8_000)


def test_an_open_one_refuses_and_says_when_to_come_back() -> None:
    record, verdict = ask(opened(), now_ms=T + 400, token="t", policy=POLICY)

    assert (verdict.allowed, verdict.wait_ms, record) == (False, 600, opened())


def test_after_the_cool_down_exactly_one_call_is_the_probe() -> None:
    record, first = ask(opened(), now_ms=T + 1_000, token="a", policy=POLICY)
    after, second = ask(record, now_ms=T + 1_000, token="b", policy=POLICY)

    assert (first.allowed, first.token, second.allowed, second.state) == (True, "a", False, "half_open")
    assert after.token == "a"


def test_a_probe_that_succeeds_closes_it_and_all_is_forgotten() -> None:
    record = told(probing(), Report(ok=1, token="mine"))

    assert (record.state, record.streak, record.failed, record.cool_ms) == ("closed", 0, 0, 0)


def test_a_probe_that_fails_opens_it_for_longer() -> None:
    record = told(probing(), Report(failed=1, token="mine"), now_ms=T + 1_000)

    assert (record.state, record.until_ms) == ("open", T + 1_000 + 2_000)


def test_a_probe_that_says_nothing_lets_the_next_one_go_at_once() -> None:
    record = told(probing(), Report(token="mine"), now_ms=T + 1_500)

    assert ask(record, now_ms=T + 1_500, token="next", policy=POLICY)[1].token == "next"


def test_a_probe_whose_owner_died_is_replaced_after_its_lease() -> None:
    record = probing()

    during = ask(record, now_ms=T + 5_999, token="b", policy=POLICY)[1]
    after = ask(record, now_ms=T + 6_000, token="b", policy=POLICY)[1]

    assert (during.allowed, after.allowed, after.token) == (False, True, "b")


def test_the_failure_of_a_replaced_probe_says_nothing() -> None:
    record = probing("new")

    assert told(record, Report(failed=1, token="old")) == record


def test_calls_that_began_before_it_opened_are_not_believed() -> None:
    assert (told(opened(), Report(ok=1)).state, told(opened(), Report(failed=3))) == ("open", opened())


def test_where_any_answer_will_do_it_closes_it() -> None:
    store = replace(POLICY, any_answer_closes=True)

    assert told(opened(), Report(ok=1), policy=store).state == "closed"


def test_a_clock_that_went_back_holds_nothing_open() -> None:
    # Redis on another host after a failover, an hour behind.
    assert ask(opened(), now_ms=T - 3_600_000, token="t", policy=POLICY)[1].allowed


@given(previous_ms=st.integers(0, 1_000_000), chance=st.floats(0, 1, exclude_max=True))
def test_a_cool_down_lies_between_the_first_and_the_longest(previous_ms: int, chance: float) -> None:
    assert 1_000 <= next_cool_ms(previous_ms, policy=POLICY, chance=chance) <= 8_000


def probes_at_once(course: list[tuple[str, int]]) -> int:
    """Play a course of asks and of the last probe's ends, and return the most probes that held a lease together."""
    record, now_ms, out, most = Record(), T, dict[str, int](), 0
    for number, (step, pause_ms) in enumerate(course):
        now_ms += pause_ms
        if step == "ask":
            record, verdict = ask(record, now_ms=now_ms, token=f"{number}", policy=POLICY)
            out |= {verdict.token: now_ms} if verdict.token else {}
        else:
            token = next(reversed(out), "")
            out.pop(token, None)
            report = Report(ok=step == "ok", failed=step == "failed", limited=step == "limited", token=token)
            record = told(record, report, now_ms=now_ms)
        most = max(most, sum(now_ms - at_ms < POLICY.probe_ms for at_ms in out.values()))
    return most


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "ask", "ok", "failed", "limited", "dropped"]), st.integers(0, 3_000)),
        max_size=80,
    )
)
def test_however_it_goes_at_most_one_probe_holds_a_lease(course: list[tuple[str, int]]) -> None:
    assert probes_at_once(course) <= 1
