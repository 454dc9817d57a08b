"""What time makes worthless is removed: old keys, spent tokens, deleted rows, sent effects."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.automation.run_job import JobContext
from orchestrator.errors import StoppedError
from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows

#: Name -> statement; each removes at most 5,000 rows, so that no lock is held for long.
STEPS: Mapping[str, str] = {
    "client_ids": """
        UPDATE switchyard_turn SET client_id = NULL, body_digest = NULL WHERE id IN (
          SELECT id FROM switchyard_turn WHERE tenant_id = :tenant AND client_id IS NOT NULL
          AND created_at < now() - interval '24 hours' LIMIT 5000) RETURNING 1""",
    "conversations": """
        WITH gone AS (
          SELECT id FROM switchyard_conversation
          WHERE tenant_id = :tenant AND deleted_at < now() - interval '30 days' LIMIT 500
        ), turns AS (
          SELECT id FROM switchyard_turn WHERE conversation_id IN (SELECT id FROM gone)
        ), orphaned AS (
          UPDATE switchyard_turn SET parent_id = NULL
          WHERE parent_id IN (SELECT id FROM turns) AND id NOT IN (SELECT id FROM turns)
        ), artifacts AS (
          DELETE FROM switchyard_artifact WHERE turn_id IN (SELECT id FROM turns)
        ), stages AS (
          DELETE FROM switchyard_stage WHERE turn_id IN (SELECT id FROM turns)
        ), ratings AS (
          DELETE FROM switchyard_feedback WHERE turn_id IN (SELECT id FROM turns)
        ), replays AS (
          UPDATE switchyard_dead_letter SET replayed_as_id = NULL
          WHERE replayed_as_id IN (SELECT id FROM turns) AND turn_id NOT IN (SELECT id FROM turns)
        ), letters AS (
          DELETE FROM switchyard_dead_letter WHERE turn_id IN (SELECT id FROM turns)
        ), asked AS (
          DELETE FROM switchyard_turn WHERE id IN (SELECT id FROM turns)
        )
        DELETE FROM switchyard_conversation WHERE id IN (SELECT id FROM gone) RETURNING 1""",
    "documents": """
        DELETE FROM switchyard_document_body WHERE document_id IN (
          SELECT id FROM switchyard_document WHERE tenant_id = :tenant AND state = 'deleted'
          AND updated_at < now() - interval '1 day' LIMIT 500) RETURNING 1""",
    # With those that are no company's. Beat looks back a week at most.
    "jobs": """
        WITH gone AS (
          SELECT id FROM switchyard_job WHERE (tenant_id = :tenant OR tenant_id IS NULL)
          AND state IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT') AND ended_at < now() - interval '90 days'
          LIMIT 2000
        ), mail AS (
          DELETE FROM switchyard_delivery WHERE job_id IN (SELECT id FROM gone)
        )
        DELETE FROM switchyard_job WHERE id IN (SELECT id FROM gone) RETURNING 1""",
    "refresh_tokens": """
        DELETE FROM switchyard_refresh_token WHERE digest IN (
          SELECT r.digest FROM switchyard_refresh_token r JOIN switchyard_user u ON u.id = r.user_id
          WHERE u.tenant_id = :tenant AND r.expires_at < now() LIMIT 5000) RETURNING 1""",
    "revoked_tokens": """
        DELETE FROM switchyard_revoked_token WHERE jti IN (
          SELECT jti FROM switchyard_revoked_token WHERE expires_at < now() LIMIT 5000) RETURNING :tenant""",
    "outbox": """
        DELETE FROM switchyard_outbox WHERE id IN (
          SELECT id FROM switchyard_outbox WHERE done_at < now() - interval '1 day' LIMIT 5000) RETURNING :tenant""",
    "processes": """
        DELETE FROM switchyard_process WHERE seen_at < now() - interval '1 day' RETURNING :tenant""",
}


def clean_up(context: JobContext) -> Mapping[str, object]:
    """Run every step for the job's tenant and return how many rows each removed.

    Raises:
        StoppedError: the job was cancelled between two steps.
    """
    removed: dict[str, int] = {}
    for name, statement in STEPS.items():
        if context.stop.is_set():
            raise StoppedError("job")
        count = removed[name] = len(all_rows(rw(), statement, tenant=context.own_tenant))
        if count:
            context.note(f"{name.replace('_', ' ')}: {count} removed")
    return removed
