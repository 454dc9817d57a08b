"""The local token bucket, which decides alone while Redis is away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.resilience.rate_limit import ALLOWED, Bucket


def test_a_full_bucket_gives_its_burst_and_then_says_when_to_come_back() -> None:
    bucket = Bucket(rate_per_s=20, burst=20)

    given_out = [bucket.take(100.0) for _ in range(20)]
    refused = bucket.take(100.0)

    assert given_out == [ALLOWED] * 20
    assert (refused.allowed, refused.retry_after_ms) == (False, 50)


def test_whoever_waits_as_told_is_let_in() -> None:
    bucket = Bucket(rate_per_s=20, burst=20)
    for _ in range(20):
        bucket.take(100.0)
    wait_ms = bucket.take(100.0).retry_after_ms

    assert bucket.take(100.0 + wait_ms / 1000).allowed


@given(st.lists(st.floats(0, 2), max_size=200))
def test_no_pattern_gets_more_than_burst_plus_rate(pauses: list[float]) -> None:
    bucket = Bucket(rate_per_s=5, burst=5)
    now = 0.0
    passed = 0
    for pause in pauses:
        now += pause
        passed += bucket.take(now).allowed

    assert passed <= 5 + 5 * now + 1e-6
