"""`breaker.lua` against the pure table: the same events, the same decisions."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from orchestrator.log.keys import Keys
from orchestrator.resilience.breaker_shared import SCRIPT
from orchestrator.resilience.breaker_states import Policy, Record, Report, ask, tell

POLICY = Policy(failures=3, least_calls=8, window_ms=5_000, cool_ms=700, cool_most_ms=5_000, probe_ms=2_000)
events = st.tuples(
    st.booleans(),  # whether it asks
    st.integers(0, 2_500),  # the time that passed
    st.floats(0, 1, exclude_max=True),
    *(st.integers(0, 3) for _ in range(3)),  # ok, failed, limited
    st.integers(0, 9_000),  # told
    st.integers(-1, 6),  # whose token
)


def by_script(redis: Redis, keys: Keys, name: str, course: list[Any]) -> list[Any]:
    script, now_ms, seen = redis.register_script(SCRIPT), 1_700_000_000_000, list[Any]()
    for number, (asks, pause_ms, chance, ok, failed, limited, told_ms, whose) in enumerate(course):
        now_ms += pause_ms
        reply: Any = script(
            keys=[keys.breaker(name), keys.breakers()],
            args=[
                *(name, "ask" if asks else "", now_ms, repr(chance), f"t{number}"),
                *(ok, failed, limited, told_ms, "" if whose < 0 else f"t{whose}"),
                *(POLICY.failures, POLICY.rate, POLICY.least_calls, POLICY.window_ms),
                *(POLICY.cool_ms, POLICY.cool_most_ms, POLICY.probe_ms, 60_000),
            ],
        )
        _, state, allowed, token, wait_ms, streak, opened = reply
        seen.append((state.decode(), bool(allowed), token.decode(), wait_ms if asks else None, streak, opened))
    redis.delete(keys.breaker(name), keys.breakers())
    return seen


def by_table(course: list[Any]) -> list[Any]:
    record, now_ms, seen = Record(), 1_700_000_000_000, list[Any]()
    for number, (asks, pause_ms, chance, ok, failed, limited, told_ms, whose) in enumerate(course):
        now_ms += pause_ms
        token = "" if whose < 0 else f"t{whose}"
        report = Report(ok=ok, failed=failed, limited=limited, told_ms=told_ms, token=token)
        if ok + failed + limited or token:
            record = tell(record, report, now_ms=now_ms, policy=POLICY, chance=chance)
        if asks:
            record, verdict = ask(record, now_ms=now_ms, token=f"t{number}", policy=POLICY)
            seen.append((record.state, verdict.allowed, verdict.token, verdict.wait_ms, record.streak, record.opened))
        else:
            seen.append((record.state, True, "", None, record.streak, record.opened))
    return seen


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(course=st.lists(events, max_size=25))
def test_the_script_decides_as_the_table(redis_client: Redis, keys: Keys, course: list[Any]) -> None:
    assert by_script(redis_client, Keys(f"{keys.prefix}-table"), "llm x", course) == by_table(course)
