"""What an operator has set: secrets that everybody knows, and checks that were told to be ignored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from orchestrator.admin.diagnosis.findings import Check, Finding

_REMEDY = "name the installation's file by SWITCHYARD_SECRETS_FILE, or set them"
KNOWN = Check(
    id="secrets-known",
    subject="settings",
    level="problem",
    why="anybody who has read the source can make tokens for any user, from wherever the gateway can be reached",
    remedy=_REMEDY,
)
DEVELOPMENT = Check(
    id="secrets-development",
    subject="settings",
    level="warning",
    why="good enough while only this machine can reach the gateway",
    remedy=_REMEDY,
)
DESPITE = Check(
    id="start-despite",
    subject="settings",
    level="warning",
    why="processes start though they would lose work",
    remedy="mend what is named, then unset SWITCHYARD_START_DESPITE",
)
DESPITE_UNKNOWN = Check(
    id="start-despite-unknown",
    subject="settings",
    level="warning",
    why="a mistyped id overrides nothing",
    remedy="take the ids from `switchyard doctor`",
)
CHECKS = (KNOWN, DEVELOPMENT, DESPITE, DESPITE_UNKNOWN)


def installation(
    *, mode: str, weak: Sequence[str], reachable: bool, despite: Collection[str], ids: Collection[str]
) -> Iterator[Finding]:
    """Yield what the settings say.

    Args:
        mode: which settings apply.
        weak: names of the secrets that have the value of the source.
        reachable: whether other machines reach the gateway.
        despite: checks that are to stop no start.
        ids: all that there are.
    """
    if weak:
        told = f"secrets that everybody knows: {', '.join(weak)}"
        yield KNOWN.found(told) if reachable else DEVELOPMENT.found(told)
    else:
        yield KNOWN.fine(f"mode {mode}, every variable is acceptable")
    if ignored := sorted(set(despite) & set(ids)):
        yield DESPITE.found(f"SWITCHYARD_START_DESPITE lets processes start despite {', '.join(ignored)}")
    if unknown := sorted(set(despite) - set(ids)):
        yield DESPITE_UNKNOWN.found(f"SWITCHYARD_START_DESPITE names {', '.join(unknown)}, which no check is called")
