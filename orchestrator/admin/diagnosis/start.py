"""What a process looks at before it does anything: refuse what would lose work, warn of the rest.

A server that does not answer is no refusal: processes start, wait, and go on when it is back.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings

from orchestrator.admin.diagnosis import servers as standing
from orchestrator.admin.diagnosis.findings import Finding, Starter
from orchestrator.admin.diagnosis.installation import DESPITE
from orchestrator.admin.diagnosis.own import own_machine, own_settings

#: `EX_CONFIG` of sysexits.h: starting it again changes nothing (systemd: RestartPreventExitStatus=78).
REFUSED = 78
#: Each wait has a bound of its own; this is for the one that has not.
LIMIT_S = 8.0
_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a start makes of its findings."""

    refused: tuple[Finding, ...]
    #: What would have refused, had `SWITCHYARD_START_DESPITE` not named it.
    despite: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def require_good_start(starter: Starter, worker: Any = None) -> None:  # Any: Celery's own worker object
    """Return if this process may start, having logged what it should know; else say why not and leave.

    Args:
        starter: what starts.
        worker: a worker's Celery object, whose pool and limits are looked at.

    Raises:
        SystemExit: with `REFUSED`: it would lose work.
    """
    began_s = time.monotonic()
    findings = _within(LIMIT_S, lambda: list(look(starter, worker)))
    if findings is None:
        return
    found = judge(findings, {starter}, despite=settings.SWITCHYARD.start_despite)
    for finding in found.warnings:
        _logger.warning("start check", check=finding.check.id, found=finding.text, remedy=finding.remedy)
    for finding in found.despite:
        _logger.warning("STARTING DESPITE", check=finding.check.id, found=finding.text, why=finding.check.why)
    _logger.info("start checks", took_ms=round((time.monotonic() - began_s) * 1000), refused=len(found.refused))
    if found.refused:
        _logger.error("start refused", checks=[finding.check.id for finding in found.refused])
        sys.stderr.write(refusal(found.refused))
        raise SystemExit(REFUSED)


def _within(limit_s: float, call: Callable[[], list[Finding]]) -> list[Finding] | None:
    """Return what `call` gives, or None if it fails or does not end: neither may keep the product down."""
    given: list[list[Finding]] = []

    def run() -> None:
        try:
            given.append(call())
        except Exception:  # as above
            _logger.exception("start checks failed")

    # A server that stops in the middle of an answer holds its client for ever; nobody waits for the end of a daemon.
    thread = threading.Thread(target=run, name="start checks", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        _logger.warning("start checks given up", after_s=limit_s)
    return given[0] if given else None


def look(starter: Starter, worker: Any = None) -> Iterator[Finding]:  # Any: as above
    """Yield what matters to one kind of process; only servers are asked that it needs anyway."""
    # What is overridden is told one by one.
    yield from (finding for finding in own_settings() if finding.check is not DESPITE)
    yield from own_machine(gateway=starter == "gateway")
    uses_broker = starter in ("dispatcher", "worker")
    yield from standing.servers(standing.ask(direct=starter == "dispatcher", broker=uses_broker))
    if uses_broker:
        # The gateway has no other reason to load Celery.
        from orchestrator.admin.diagnosis.celery_facts import celery

        yield from celery(worker)


def judge(findings: Iterable[Finding], starters: Iterable[Starter], *, despite: Iterable[str]) -> Verdict:
    """Return which findings stop one of `starters`, and which are only to be told."""
    refused: list[Finding] = []
    overridden: list[Finding] = []
    warnings: list[Finding] = []
    asked, ignored = list(starters), set(despite)
    for finding in findings:
        if finding.level == "ok":
            continue
        if not any(finding.refused_by(starter) for starter in asked):
            warnings.append(finding)
        elif finding.check.id in ignored:
            overridden.append(finding)
        else:
            refused.append(finding)
    return Verdict(refused=tuple(refused), despite=tuple(overridden), warnings=tuple(warnings))


def refusal(findings: Iterable[Finding]) -> str:
    """Return, for a person, why nothing starts."""
    lines = ["", "switchyard does not start, because it would lose work:"]
    for finding in findings:
        lines += [
            f"  {finding.check.id}: {finding.text}",
            f"      why: {finding.check.why}",
            f"      do:  {finding.remedy}",
        ]
    ids = ",".join(finding.check.id for finding in findings)
    lines += [f"  In an emergency SWITCHYARD_START_DESPITE={ids} starts it all the same.", ""]
    return "\n".join(lines)
