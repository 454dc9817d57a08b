"""What the facts of a drill amount to: figures, and the reasons why it is red. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.drill.facts import Facts, TurnRow
from tests.drill.recovery import around, recoveries, slow_recoveries

#: Least share of the undisturbed turns that must be completed.
COMPLETED_SHARE: Final = 0.95
#: Faults that may end a socket without a closing handshake: the gateway itself is gone, or was, for its clients.
RUDE: Final = ("kill9-gateway", "freeze-gateway")
#: What a rolling restart says that had to kill.
STAYED: Final = "NotLeftError"
_ENDED: Final = ("completed", "failed", "cancelled")
#: What each kind of breach means to somebody who waits for an answer.
BREACHES: Final = {
    "gap": "an event was missing",
    "doubled": "an event came twice in one epoch",
    "order": "an event came out of its order",
    "epoch": "an event of another epoch came unannounced",
    "resume": "a resume went on from another place",
    "ended_twice": "a turn ended twice in one epoch",
    "after_end": "an event came after its turn's ending",
    "text": "the pieces are not the completed text",
    "answer": "the answer belongs to another question",
    "copy": "one client id, sent twice at once, made two turns",
    "refused": "a request was refused for good",
    "closed": "a socket was closed for good",
}


@dataclass(slots=True, kw_only=True)
class Verdict:
    """Figures of one drill and why it is red; green without reasons."""

    reasons: list[str] = field(default_factory=list)
    missed_aims: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    #: Strikes by kind, and those that could not be done.
    faults: dict[str, int] = field(default_factory=dict)
    not_done: dict[str, int] = field(default_factory=dict)
    #: Kinds that were wanted and did not come about.
    never_struck: list[str] = field(default_factory=list)
    breaches: dict[str, int] = field(default_factory=dict)
    #: Endings by state and code.
    fates: dict[str, int] = field(default_factory=dict)
    #: Fates of undisturbed turns that were not completed, each with its turns.
    undisturbed_causes: dict[str, list[str]] = field(default_factory=dict)
    #: Seconds that something took, each time.
    times: dict[str, list[float]] = field(default_factory=dict)

    @property
    def green(self) -> bool:
        """Whether every promise was kept."""
        return not self.reasons


def judge(facts: Facts) -> Verdict:
    """Return the verdict on a drill."""
    verdict = Verdict()
    verdict.reasons += [f"the drill itself broke: {what}" for what in facts.broken]
    _count_faults(facts, verdict)
    _because(verdict, facts.deaths, "a process ended by itself")
    _accepted_and_ended(facts, verdict)
    _told_once(facts, verdict)
    _breaches(facts, verdict)
    _effects(facts, verdict)
    _sockets(facts, verdict)
    _undisturbed(facts, verdict)
    verdict.times = recoveries(facts)
    verdict.missed_aims += slow_recoveries(verdict.times)
    return verdict


def _count_faults(facts: Facts, verdict: Verdict) -> None:
    verdict.faults = dict(Counter(strike.kind for strike in facts.strikes if not strike.failed))
    verdict.not_done = dict(Counter(strike.kind for strike in facts.strikes if strike.failed))
    verdict.never_struck = [kind for kind in facts.wanted if kind not in verdict.faults]
    stayed = [f"{strike.failed} ({strike.started_s:.1f} s)" for strike in facts.strikes if STAYED in strike.failed]
    _because(verdict, stayed, "a process that was told to leave outlived its grace")


def _accepted_and_ended(facts: Facts, verdict: Verdict) -> None:
    """Each acknowledged question has its row; each row has ended once, and as its owner wanted."""
    rows = {row.turn: row for row in facts.turns}
    acked = [question for question in facts.questions if question.turn is not None]
    lost = [question.turn or "" for question in acked if question.turn not in rows]
    unended = [row.turn for row in facts.turns if row.state not in _ENDED]
    doubled = [row.turn for row in facts.turns if row.endings > 1]
    silent = [row.turn for row in facts.turns if row.state in _ENDED and row.endings == 0]
    untold = [row.turn for row in facts.turns if row.untold]
    twice = Counter(row.client_id for row in facts.turns if row.client_id)
    copies = [row.turn for row in facts.turns if twice[row.client_id] > 1]
    artifacts = [row.turn for row in facts.turns if len(set(row.artifacts)) != len(row.artifacts)]
    unasked = [row.turn for row in facts.turns if row.state == "cancelled" and not _may_be_cancelled(row, facts)]
    verdict.fates = dict(Counter(" ".join(filter(None, (row.state, row.code))) for row in facts.turns))
    verdict.counts |= {
        "asked": len(facts.questions),
        "acknowledged": len(acked),
        "accepted": len(facts.turns),
        "ended": len(facts.turns) - len(unended),
        "lost": len(lost),
        "ended twice": len(doubled),
        "taken over": sum(row.fence > 1 for row in facts.turns),
    }
    _because(verdict, lost, "acknowledged, and no row knows of it")
    _because(verdict, unended, "accepted and never ended")
    _because(verdict, doubled, "more than one ending left through the outbox")
    _because(verdict, silent, "ended without an ending in the outbox")
    _because(verdict, untold, "its ending was never told to the log")
    _because(verdict, copies, "one client id made more than one turn")
    _because(verdict, artifacts, "one step left two artifacts")
    _because(verdict, unasked, "cancelled, and nobody asked for it")
    if not facts.turns:
        verdict.reasons.append("no turn was accepted at all")


def _may_be_cancelled(row: TurnRow, facts: Facts) -> bool:
    asked = next((q for q in facts.questions if q.client_id == row.client_id), None)
    return asked is not None and (asked.cancel_at_s is not None or asked.may_leave)


def _told_once(facts: Facts, verdict: Verdict) -> None:
    """Each client heard its turn's ending, the one that the row has, once an epoch."""
    heard: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    shown: Counter[str] = Counter()
    texts: dict[str, set[str]] = defaultdict(set)
    for ending in facts.endings:
        heard[ending.turn].append((ending.state, ending.code))
        shown[ending.turn] += ending.by == "event"
        if ending.state == "completed":
            texts[ending.turn].add(ending.text)
    rows = {row.turn: row for row in facts.turns if row.state in _ENDED}
    mine = [question.turn or "" for question in facts.questions if question.turn in rows]
    unheard = [turn for turn in mine if turn not in heard]
    other = [
        turn for turn, told in heard.items() if turn in rows and any(state != rows[turn].state for state, _ in told)
    ]
    words = [
        turn
        for turn, told in texts.items()
        if turn in rows and rows[turn].state == "completed" and told != {rows[turn].answer or ""}
    ]
    verdict.counts["endings shown again in a later epoch"] = sum(max(0, times - 1) for times in shown.values())
    _because(verdict, unheard, "ended, and its client never heard of it")
    _because(verdict, other, "the client heard another ending than the row has")
    _because(verdict, words, "the client read another answer than the row has")


def _breaches(facts: Facts, verdict: Verdict) -> None:
    verdict.breaches = dict(Counter(breach.kind for breach in facts.breaches))
    for kind in verdict.breaches:
        found = [
            f"{breach.turn or f'client {breach.client}'} ({breach.at_s:.1f} s, {breach.detail})"
            for breach in facts.breaches
            if breach.kind == kind
        ]
        _because(verdict, found, BREACHES.get(kind, kind))


def _effects(facts: Facts, verdict: Verdict) -> None:
    """No effect of one attempt was asked for by two claims; an attempt's own second try is counted apart."""
    claims: defaultdict[tuple[str, int, str], Counter[str]] = defaultdict(Counter)
    first: dict[tuple[str, int, str], float] = {}
    for done in facts.executions:
        key = (done.turn, done.fence, done.hop)
        claims[key][done.claim] += 1
        first[key] = min(done.at_s, first.get(key, done.at_s))
    double = [f"{turn} attempt {fence} {hop}" for (turn, fence, hop), by in claims.items() if len(by) > 1]
    ended = {row.turn: row.ended_s for row in facts.turns}
    known = {row.turn for row in facts.turns}
    strange = sorted({turn for turn, _, _ in claims} - known)
    verdict.counts |= {
        "effects outside": len(facts.executions),
        "double effects": len(double),
        "second tries of one claim": sum(sum(by.values()) - len(by) for by in claims.values()),
        "effects of an attempt that was taken over": sum(
            done.at_s > first.get((done.turn, done.fence + 1, done.hop), float("inf")) for done in facts.executions
        ),
        "effects begun after the ending": sum(
            done.at_s > ended_s + 0.5 for done in facts.executions if (ended_s := ended.get(done.turn)) is not None
        ),
    }
    _because(verdict, double, "one attempt's effect was asked for by two claims")
    _because(verdict, strange, "an effect of a turn that no row knows of")
    done_sql = {turn for turn, _, hop in claims if hop == "sql"}
    unseen = [row.turn for row in facts.turns if "sql" in row.artifacts and row.turn not in done_sql]
    _because(verdict, unseen, "rows were kept of a statement that the server never saw: the ledger is blind")


def _sockets(facts: Facts, verdict: Verdict) -> None:
    """A socket ends without a closing handshake only when its gateway was killed or frozen."""
    verdict.counts |= {f"sockets closed with {code}": n for code, n in _codes(facts).items()}
    rude = [
        f"client {one.client} at {one.at_s:.1f} s"
        for one in facts.closed
        if one.code == 1006
        and not one.own
        and not any(
            strike.kind in RUDE and strike.target == f"gateway-{one.server}"
            for strike in around(facts.strikes, one.at_s, one.at_s)
        )
    ]
    verdict.counts["sockets lost without a reason"] = len(rude)
    _because(verdict, rude, "a socket ended with 1006 though no gateway was killed or frozen")


def _codes(facts: Facts) -> Counter[int]:
    return Counter(one.code for one in facts.closed if not one.own)


def _undisturbed(facts: Facts, verdict: Verdict) -> None:
    """Turns whose whole life lies outside every fault and its aftermath are completed, or ended by their client."""
    asked = {question.client_id: question for question in facts.questions}
    apart = [row for row in facts.turns if not around(facts.strikes, row.created_s, row.ended_s)]
    owned = [row for row in apart if row.client_id in asked and not asked[row.client_id].told]
    good = [row for row in owned if row.state == "completed"]
    causes: defaultdict[str, list[str]] = defaultdict(list)
    for row in owned:
        if row.state != "completed":
            causes[f"{row.state} {row.code}".strip()].append(row.turn)
    verdict.undisturbed_causes = dict(causes)
    verdict.counts |= {"undisturbed": len(owned), "undisturbed and completed": len(good)}
    if owned and len(good) < COMPLETED_SHARE * len(owned):
        verdict.reasons.append(f"only {len(good)} of {len(owned)} undisturbed turns were completed")


def _because(verdict: Verdict, found: Sequence[str], what: str) -> None:
    if found:
        some = ", ".join(found[:3]) + (" …" if len(found) > 3 else "")
        verdict.reasons.append(f"{len(found)} x {what}: {some}")
