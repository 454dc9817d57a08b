"""A breaker's states as pure functions over one record; `breaker.lua` is the same table, and a test holds them equal.

    state       what happens                                  becomes
    closed      a call                                        closed     it passes
    closed      failures in a row, or too large a share       open       for a cool-down, or as long as we were told
    open        a call before the cool-down's end             open       refused
    open        a call after it                               half_open  it passes: the probe
    half_open   another call                                  half_open  refused
    half_open   a call after the probe's lease                half_open  it passes: a new probe, as the old one died
    half_open   the probe succeeds                            closed     all is forgotten
    half_open   the probe fails                               open       for a longer cool-down
    half_open   the probe ends without saying anything        open       the next call is the probe

What calls say that began before the breaker opened is not believed while it is not closed, except where the policy says
that any answer will do. Times are milliseconds of one clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a breaker opens, for how long, and how long a probe may take."""

    #: Failures in a row that open it.
    failures: int = 5
    #: Or this share of failed calls, once the window has seen so many.
    rate: float = 0.5
    least_calls: int = 10
    window_ms: int = 30_000
    #: The first cool-down, and the longest.
    cool_ms: int = 2_000
    cool_most_ms: int = 10_000
    #: A probe that said nothing for so long has died with its process.
    probe_ms: int = 20_000
    #: Any answer closes it: for stores, of which one answer says that they are back.
    any_answer_closes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is kept of a breaker."""

    state: State = "closed"
    since_ms: int = 0
    #: Open: when a probe may go. Half open: when its lease ends.
    until_ms: int = 0
    #: The last cool-down; 0 after a close.
    cool_ms: int = 0
    #: Whose probe is out.
    token: str = ""
    #: Failures in a row.
    streak: int = 0
    #: Calls by their outcome in the current window and in the one before it.
    window: int = 0
    ok: int = 0
    failed: int = 0
    ok_before: int = 0
    failed_before: int = 0
    #: How often it has opened in its life.
    opened: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a call may go now, as what, and if not, when to ask again."""

    allowed: bool
    state: State
    #: Set: this call is the probe, and must say how it ended under this name.
    token: str = ""
    wait_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How calls ended. With a `token` it is the end of that probe; all zeros then means that it says nothing."""

    ok: int = 0
    failed: int = 0
    #: Refused for asking too much: it counts as a failure in a row, not in the share, since a server that serves
    #: half of what it is asked is worth asking.
    limited: int = 0
    #: How long the dependency told us to leave it alone.
    told_ms: int = 0
    token: str = ""


def ask(record: Record, *, now_ms: int, token: str, policy: Policy) -> tuple[Record, Verdict]:
    """Decide about one call; `token` names it if it becomes the probe."""
    if record.state == "closed":
        return record, Verdict(allowed=True, state="closed")
    left_ms = record.until_ms - now_ms
    # A wait longer than any that is given out comes from a clock that went back, as after a failover.
    longest_ms = policy.cool_most_ms if record.state == "open" else policy.probe_ms
    if 0 < left_ms <= longest_ms:
        wait_ms = left_ms if record.state == "open" else min(left_ms, policy.cool_ms)
        return record, Verdict(allowed=False, state=record.state, wait_ms=wait_ms)
    return probing(record, now_ms=now_ms, token=token, policy=policy), Verdict(
        allowed=True, state="half_open", token=token
    )


def probing(record: Record, *, now_ms: int, token: str, policy: Policy) -> Record:
    """Return the record with this call as the probe."""
    return replace(record, state="half_open", since_ms=now_ms, until_ms=now_ms + policy.probe_ms, token=token)


def tell(record: Record, report: Report, *, now_ms: int, policy: Policy, chance: float) -> Record:
    """Take note of how calls ended; `chance` in [0, 1) spreads the cool-downs."""
    record = _rolled(record, now_ms, policy)
    bad = report.failed + report.limited
    if record.state == "half_open" and report.token:
        # A probe that outlived its lease and succeeded proves as much as the one that replaced it.
        if report.ok:
            return _closed(record, now_ms)
        if report.token != record.token:
            return record
        if bad:
            return _open(record, report, now_ms, policy, chance)
        return replace(record, state="open", since_ms=now_ms, until_ms=now_ms, token="")
    if record.state != "closed":
        return _closed(record, now_ms) if report.ok and policy.any_answer_closes else record
    streak = bad if report.ok else record.streak + bad
    record = replace(record, ok=record.ok + report.ok, failed=record.failed + report.failed, streak=streak)
    failed = record.failed + record.failed_before
    calls = failed + record.ok + record.ok_before
    share = report.failed > 0 and calls >= policy.least_calls and failed >= policy.rate * calls
    if bad and (streak >= policy.failures or share):
        return _open(record, report, now_ms, policy, chance)
    return record


def next_cool_ms(previous_ms: int, *, policy: Policy, chance: float) -> int:
    """Return the next cool-down by decorrelated jitter, as `resilience.retry.next_delay_s`."""
    highest_ms = max(policy.cool_ms, 3 * previous_ms)
    return min(policy.cool_most_ms, math.floor(policy.cool_ms + chance * (highest_ms - policy.cool_ms)))


def _open(record: Record, report: Report, now_ms: int, policy: Policy, chance: float) -> Record:
    cool_ms = next_cool_ms(record.cool_ms, policy=policy, chance=chance)
    return replace(
        record,
        state="open",
        since_ms=now_ms,
        until_ms=now_ms + max(cool_ms, min(report.told_ms, policy.cool_most_ms)),
        cool_ms=cool_ms,
        token="",
        opened=record.opened + 1,
    )


def _closed(record: Record, now_ms: int) -> Record:
    return Record(since_ms=now_ms, window=record.window, opened=record.opened)


def _rolled(record: Record, now_ms: int, policy: Policy) -> Record:
    window = now_ms // policy.window_ms
    if window <= record.window:
        return record
    follows = window == record.window + 1
    return replace(
        record,
        window=window,
        ok=0,
        failed=0,
        ok_before=record.ok if follows else 0,
        failed_before=record.failed if follows else 0,
    )
