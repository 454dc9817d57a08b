/** One turn as the page sees it: pure functions from an event, or a row, to the next state. */

import { codePoints, dropCodePoints } from "./text.js";

const ENDED = new Set(["completed", "failed", "cancelled"]);

/** Thrown when a delta leaves a hole in the text: only a snapshot can repair that. */
export class TextGap extends Error {}

/** Return whether `turn` has had its one ending. */
export function hasEnded(turn) {
  return ENDED.has(turn.state);
}

/** Return a turn of which only the question is known. */
export function newTurn(id, text, acceptedAt = null, parent = null) {
  return {
    id, text, acceptedAt, parent, feedback: null, state: "queued", attempt: 0, route: null, confidence: null, alternatives: [],
    queued: null, stages: [], artifacts: [], streaming: false, partial: "", partialLength: 0,
    citations: [], usage: null, timeline: null, error: null, reached: [],
  };
}

/**
 * Return `{stages, totalMs, overheadMs}` from what an ending or a row carries.
 *
 * The totals stand either inside the timeline object or beside a bare list.
 */
export function readTimeline(owner) {
  const raw = owner?.timeline;
  if (!raw) return null;
  const stages = Array.isArray(raw) ? raw : raw.stages ?? raw.items ?? [];
  const totals = Array.isArray(raw) ? owner : raw;
  return { stages, totalMs: totals.total_ms ?? null, overheadMs: totals.overhead_ms ?? null };
}

/**
 * Return the turn that a row of the snapshot describes.
 *
 * `known` is what the page had of it: a row tells less of a running turn than
 * the events did, so that stays as long as the attempt is the same.
 */
export function fromRow(row, known = null) {
  const timeline = readTimeline(row);
  const partial = row.answer ?? row.partial ?? "";
  const same = known && known.attempt === (row.attempt ?? 0) ? known : null;
  return {
    ...newTurn(row.id, row.text, row.created_at ? Date.parse(row.created_at) : null, row.parent ?? null),
    feedback: row.feedback ?? null,
    state: row.state,
    attempt: row.attempt ?? 0,
    route: row.route ?? null,
    confidence: row.confidence ?? same?.confidence ?? null,
    alternatives: row.alternatives ?? same?.alternatives ?? [],
    stages: timeline?.stages.length ? timeline.stages.map(finishedStage) : same?.stages ?? [],
    artifacts: row.artifacts ?? [],
    streaming: row.state === "running" && partial !== "",
    partial,
    partialLength: codePoints(partial),
    citations: row.citations ?? [],
    usage: row.usage ?? null,
    timeline,
    error: row.error ?? null,
  };
}

function finishedStage(entry) {
  return {
    stage: entry.stage, attempt: entry.attempt ?? 0, state: "done", worker: entry.worker ?? null,
    queueWaitMs: entry.queue_wait_ms ?? null, durationMs: entry.duration_ms ?? null,
    outcome: entry.outcome ?? null, summary: "", progress: null,
  };
}

function withStage(turn, name, change) {
  const at = turn.stages.findIndex((stage) => stage.stage === name);
  const old = at < 0 ? { stage: name, attempt: 0, worker: null, queueWaitMs: null, durationMs: null,
    outcome: null, summary: "", progress: null } : turn.stages[at];
  const stages = at < 0 ? [...turn.stages, { ...old, ...change }]
    : turn.stages.map((stage, index) => (index === at ? { ...old, ...change } : stage));
  return { ...turn, stages };
}

function takeOver(turn, attempt) {
  // A dead worker's attempt was taken over: what it had written is void.
  return attempt > turn.attempt ? { ...turn, attempt, partial: "", partialLength: 0, streaming: false } : turn;
}

function withDelta(turn, { text, index }) {
  if (index > turn.partialLength) throw new TextGap();
  const fresh = dropCodePoints(text, turn.partialLength - index);
  if (fresh === "") return turn;
  return { ...turn, streaming: true, partial: turn.partial + fresh, partialLength: turn.partialLength + codePoints(fresh) };
}

/**
 * Return `turn` after `event`; the same object when the event says nothing new.
 *
 * Events of an attempt that was taken over, and events after the ending, are ignored.
 *
 * Throws `TextGap` when a delta starts beyond the text that is known.
 */
export function applyToTurn(turn, event) {
  const { data } = event;
  if (hasEnded(turn) || (data.attempt ?? turn.attempt) < turn.attempt) return turn;
  switch (event.type) {
    case "turn.queued":
      return { ...turn, queued: { position: data.position, waitingFor: data.waiting_for, queue: data.queue,
        expectedWaitMs: data.expected_wait_ms ?? null, since: event.ts } };
    case "turn.routed":
      return { ...turn, route: data.route, confidence: data.confidence ?? null, alternatives: data.alternatives ?? [] };
    case "stage.started": {
      const current = takeOver({ ...turn, state: "running", queued: null }, data.attempt ?? 0);
      return withStage(current, data.stage, { state: "running", attempt: data.attempt ?? 0, worker: data.worker ?? null,
        queueWaitMs: data.queue_wait_ms ?? null, durationMs: null, summary: "", progress: null, startedAt: event.ts });
    }
    case "stage.finished":
      return withStage(turn, data.stage, { state: "done", attempt: data.attempt ?? 0, worker: data.worker ?? null,
        queueWaitMs: data.queue_wait_ms ?? null, durationMs: data.duration_ms ?? null, summary: data.summary ?? "", progress: null });
    case "stage.progress": {
      const moved = turn.queued && data.position != null ? { ...turn, queued: { ...turn.queued, position: data.position } } : turn;
      return moved.stages.some((stage) => stage.stage === data.stage && stage.state === "running")
        ? withStage(moved, data.stage, { progress: { text: data.text ?? "", percent: data.percent ?? null } }) : moved;
    }
    case "artifact.ready": {
      const artifact = { id: data.artifact, kind: data.kind, url: data.url, preview: data.preview };
      return { ...turn, artifacts: [...turn.artifacts.filter((other) => other.id !== artifact.id), artifact] };
    }
    case "message.started":
      return { ...takeOver(turn, data.attempt ?? 0), state: "running", streaming: true };
    case "message.delta":
      return withDelta(takeOver(turn, data.attempt ?? 0), data);
    case "message.completed":
      return { ...turn, state: "completed", streaming: false, attempt: data.attempt ?? turn.attempt, partial: data.text,
        partialLength: codePoints(data.text), citations: data.citations ?? [], usage: data.usage ?? null,
        timeline: readTimeline(data), queued: null };
    case "turn.failed":
      return { ...turn, state: "failed", streaming: false, queued: null, timeline: readTimeline(data),
        error: { code: data.code, message: data.message, retryable: data.retryable === true } };
    case "turn.cancelled":
      return { ...turn, state: "cancelled", streaming: false, queued: null, timeline: readTimeline(data),
        reached: data.reached ?? [], error: data.code ? { code: data.code, message: data.message, retryable: false } : null };
    default:
      return turn;
  }
}
