/** The line of stations a turn travels: which stages it will pass, and how far it is. Pure. */

import { hasEnded } from "./turns.js";

const ROUTES = { sql: ["sql", "llm"], rag: ["rag", "llm"], chat: ["llm"], job: ["job"] };

/**
 * Return the stations of `turn` in order: `{stage, state, ...}`.
 *
 * `state` is `waiting`, `running`, `done`, `failed` or `skipped`; `stage` is null for
 * the part of the line that is unknown until the question is classified.
 */
export function stations(turn) {
  const seen = new Map(turn.stages.map((stage) => [stage.stage, stage]));
  // A forced route has no classification: nothing announces it but its absence.
  const classified = seen.has("classify") || (seen.size === 0 && turn.route === null);
  const ahead = turn.route ? ROUTES[turn.route] ?? [] : [];
  const names = [...new Set([...(classified ? ["classify"] : []), ...ahead, ...seen.keys()])];
  const ended = hasEnded(turn);
  const furthest = Math.max(turn.streaming ? names.indexOf("llm") : -1, ...[...seen.keys()].map((name) => names.indexOf(name)));
  const line = names.map((name, index) => place(turn, name, seen.get(name), ended, index < furthest))
    .filter((station) => !(turn.state === "completed" && station.state === "skipped"));
  return turn.route || ended || seen.size > 1 ? line : [...line, { stage: null, state: "waiting" }];
}

function place(turn, name, seen, ended, passed) {
  // A snapshot of a running turn tells no stages: those before the furthest one must be done.
  if (!seen && passed) return { stage: name, state: "done" };
  if (!seen && name === "llm" && turn.streaming) return { stage: name, state: "running" };
  if (!seen) return { stage: name, state: ended ? "skipped" : "waiting" };
  if (seen.state === "done") return { ...seen, state: badOutcome(seen.outcome) ? "failed" : "done" };
  if (!ended) return { ...seen, state: "running" };
  return { ...seen, state: turn.state === "completed" ? "done" : "failed" };
}

function badOutcome(outcome) {
  return outcome === "failed" || outcome === "stopped" || outcome === "cancelled";
}

/**
 * Return the parts of the "where the time went" bar: `{kind, stage, ms, share}`.
 *
 * `kind` is `wait` (in a queue), `run` (at work) or `overhead` (between stages);
 * shares add up to 1. Empty when the ending brought no timeline.
 */
export function timeParts(timeline) {
  if (!timeline) return [];
  const parts = timeline.stages.flatMap((entry) => [
    { kind: "wait", stage: entry.stage, ms: entry.queue_wait_ms ?? 0 },
    { kind: "run", stage: entry.stage, ms: entry.duration_ms ?? 0 },
  ]);
  const known = parts.reduce((sum, part) => sum + part.ms, 0);
  const overhead = timeline.overheadMs ?? Math.max(0, (timeline.totalMs ?? known) - known);
  parts.push({ kind: "overhead", stage: null, ms: overhead });
  const total = parts.reduce((sum, part) => sum + part.ms, 0);
  return total === 0 ? [] : parts.filter((part) => part.ms > 0).map((part) => ({ ...part, share: part.ms / total }));
}
