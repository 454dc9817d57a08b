"""What the HTTP tests do again and again, and a worker's hand in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from orchestrator import ids
from orchestrator.chat import ending
from orchestrator.events import Event, MessageCompleted, MessageDelta, MessageStarted
from orchestrator.log.writer import LogWriter
from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows, one_row
from tests.integration.gateway_kit import Person

TIMELINE: dict[str, Any] = {"stages": [], "total_ms": 5, "overhead_ms": 5}


def bearer(person: Person) -> dict[str, str]:
    """Return the header that signs a person in."""
    return {"Authorization": f"Bearer {person.token()}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Plays a worker: runs a turn, writes its text, ends it."""

    writer: LogWriter

    def start(self, conversation: str, turn: str) -> str:
        """Mark a turn and its first stage running and begin its message; return the message's id."""
        row = one_row(rw(), "UPDATE switchyard_turn SET state='running' WHERE id=:turn RETURNING message", turn=turn)
        assert row is not None
        stage = "UPDATE switchyard_stage SET state='running', owner='inc_test' WHERE turn_id=:turn AND place=0"
        all_rows(rw(), stage, turn=turn)
        self.say(conversation, MessageStarted(turn=turn, attempt=1, message=row["message"]))
        return str(row["message"])

    def write(self, conversation: str, turn: str, message: str, text: str, index: int) -> None:
        """Append a piece of text."""
        self.say(conversation, MessageDelta(turn=turn, attempt=1, message=message, text=text, index=index))

    def complete(self, conversation: str, turn: str, message: str, text: str, *, logged: bool = True) -> None:
        """End the turn with its whole text, in the row and (unless told otherwise) in the log."""
        event = MessageCompleted(
            turn=turn, attempt=1, message=message, text=text, citations=(), usage={"model": "test"}, timeline=TIMELINE
        )
        assert ending.commit(event, fence=1, conversation=conversation, cid="test")
        if logged:
            self.say(conversation, event)

    def say(self, conversation: str, event: Event) -> None:
        """Append any event."""
        self.writer.append(conversation, event, fence=1, cid="test", asserted=True)


def begin(client: httpx.Client, title: str = "") -> str:
    """Make a conversation and return its id."""
    made = client.post("/api/conversations", json={"title": title})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def ask(client: httpx.Client, conversation: str, text: str = "How many orders?", **headers: str) -> str:
    """Ask and return the turn's id."""
    made = client.post(f"/api/conversations/{conversation}/turns", json={"text": text}, headers=headers)
    assert made.status_code == 202, made.text
    return str(made.json()["turn"])


def keep_artifact(person: Person, turn: str | None, kind: str, body: dict[str, Any], *, job: str | None = None) -> str:
    """Store an artifact as a stage would."""
    artifact = ids.artifact_id()
    all_rows(
        rw(),
        "INSERT INTO switchyard_artifact (id, tenant_id, turn_id, job, step, kind, title, body, preview)"
        " VALUES (:id, :tenant, :turn, :job, 'sql', :kind, 'Orders by day', CAST(:body AS jsonb), '{}')",
        id=artifact,
        tenant=person.account.tenant,
        turn=turn,
        job=job,
        kind=kind,
        body=orjson.dumps(body).decode(),
    )
    return artifact
