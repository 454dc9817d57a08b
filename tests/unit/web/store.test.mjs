import assert from "node:assert/strict";
import { test } from "node:test";

import { stations, timeParts } from "../../../channels_app/web/static/web/js/stage_plan.js";
import * as store from "../../../channels_app/web/static/web/js/store.js";

const EPOCH = "e1";

function event(seq, type, data, epoch = EPOCH) {
  return { v: 1, type, seq, epoch, ts: 1000 + seq, conversation: "c", data: { turn: "t", ...data } };
}

function live() {
  return store.applyOpened(store.newConversation("c"), { recovered: true, epoch: EPOCH, top: 0 });
}

function after(events, start = live()) {
  return events.reduce(store.applyEvent, start);
}

const ACCEPTED = event(1, "turn.accepted", { text: "How much?" });
const ROUTED = event(2, "turn.routed", { route: "sql", confidence: 0.9, alternatives: [] });
const STARTED = event(3, "message.started", { attempt: 1, message: "m" });

test("an accepted turn shows its question", () => {
  const conversation = after([ACCEPTED]);

  assert.equal(conversation.turns.t.text, "How much?");
  assert.equal(conversation.top, 1);
});

test("an event that was seen already changes nothing", () => {
  const once = after([ACCEPTED]);

  assert.equal(store.applyEvent(once, ACCEPTED), once);
});

test("a missing event asks for a replay and applies nothing beyond it", () => {
  const conversation = after([ACCEPTED, STARTED]);

  assert.equal(conversation.sync, "gap");
  assert.equal(conversation.top, 1);
});

test("a replay closes the gap", () => {
  const gap = after([ACCEPTED, STARTED]);

  const conversation = after([ROUTED, STARTED], store.applyOpened(gap, { recovered: true, epoch: EPOCH, top: 3 }));

  assert.equal(conversation.sync, "live");
  assert.equal(conversation.top, 3);
  assert.equal(conversation.turns.t.route, "sql");
});

test("deltas count in code points, not in UTF-16 units", () => {
  const conversation = after([ACCEPTED, ROUTED, STARTED,
    event(4, "message.delta", { attempt: 1, text: "🍕é", index: 0 }), event(5, "message.delta", { attempt: 1, text: "x", index: 2 })]);

  assert.equal(conversation.turns.t.partial, "🍕éx");
});

test("a delta is applied only from where the text already ends", () => {
  const conversation = after([ACCEPTED, ROUTED, STARTED,
    event(4, "message.delta", { attempt: 1, text: "🍕one ", index: 0 }), event(5, "message.delta", { attempt: 1, text: "ne two", index: 2 })]);

  assert.equal(conversation.turns.t.partial, "🍕one two");
});

test("a delta beyond the end of the text asks for a snapshot", () => {
  const conversation = after([ACCEPTED, ROUTED, STARTED, event(4, "message.delta", { attempt: 1, text: "x", index: 7 })]);

  assert.equal(conversation.sync, "stale");
});

test("a higher attempt drops the partial text", () => {
  const conversation = after([ACCEPTED, ROUTED, STARTED, event(4, "message.delta", { attempt: 1, text: "half an ans", index: 0 }),
    event(5, "message.started", { attempt: 2, message: "m" }), event(6, "message.delta", { attempt: 2, text: "anew", index: 0 })]);

  assert.equal(conversation.turns.t.partial, "anew");
});

test("words of an attempt that was taken over are ignored", () => {
  const conversation = after([ACCEPTED, ROUTED, STARTED, event(4, "message.started", { attempt: 2, message: "m" }),
    event(5, "message.delta", { attempt: 1, text: "late", index: 0 })]);

  assert.equal(conversation.turns.t.partial, "");
  assert.equal(conversation.top, 5);
});

test("the completed text replaces what was streamed", () => {
  const conversation = after([ACCEPTED, ROUTED, STARTED, event(4, "message.delta", { attempt: 1, text: "so f", index: 0 }),
    event(5, "message.completed", { attempt: 1, text: "so far so good", citations: [{ n: 1 }], usage: { model: "builtin" },
      timeline: { stages: [], total_ms: 12, overhead_ms: 2 } })]);

  assert.equal(conversation.turns.t.partial, "so far so good");
  assert.equal(conversation.turns.t.state, "completed");
  assert.equal(conversation.turns.t.timeline.totalMs, 12);
});

test("a turn ends once", () => {
  const conversation = after([ACCEPTED, event(2, "turn.cancelled", { reached: ["sql"] }),
    event(3, "message.completed", { text: "too late" })]);

  assert.equal(conversation.turns.t.state, "cancelled");
  assert.equal(conversation.turns.t.partial, "");
});

test("an event of another epoch is held until the snapshot", () => {
  const conversation = after([event(1, "turn.accepted", { text: "?" }, "e2")], after([ACCEPTED]));

  assert.equal(conversation.sync, "stale");
  assert.equal(conversation.held.length, 1);
});

test("a snapshot is followed by the events held meanwhile", () => {
  const stale = store.applyOpened(after([ACCEPTED]), { recovered: false, epoch: "e2", top: 2 });
  const held = after([event(2, "message.delta", { attempt: 1, text: "old", index: 0 }, "e2"),
    event(3, "message.delta", { attempt: 1, text: " and new", index: 3 }, "e2")], stale);

  const conversation = store.applySnapshot(held, { conversation: { id: "c", title: "T" }, epoch: "e2", top: 2,
    turns: [{ id: "t", text: "How much?", state: "running", attempt: 1, partial: "old" }] });

  assert.equal(conversation.turns.t.partial, "old and new");
  assert.equal(conversation.top, 3);
  assert.equal(conversation.sync, "live");
});

test("a snapshot leaves a question alone that nobody has acknowledged", () => {
  const asked = store.addPending(live(), { id: "q1", text: "Still there?" });

  const conversation = store.applySnapshot(asked, { epoch: "e2", top: 0, turns: [] });

  assert.deepEqual(conversation.pending.map((question) => question.text), ["Still there?"]);
});

test("an acknowledged question becomes a turn", () => {
  const asked = store.addPending(live(), { id: "q1", text: "Now?" });

  const conversation = store.settlePending(asked, "q1", { type: "ack", ts: 1, data: { turn: "t" } });

  assert.equal(conversation.pending.length, 0);
  assert.equal(conversation.turns.t.text, "Now?");
});

test("a refused question stays with its reason", () => {
  const asked = store.addPending(live(), { id: "q1", text: "Now?" });

  const conversation = store.settlePending(asked, "q1", { type: "error", data: { code: "quota_exceeded" } });

  assert.equal(conversation.pending[0].status, "refused");
  assert.equal(conversation.pending[0].error.code, "quota_exceeded");
});

test("the position in a queue moves without a sequence number", () => {
  const queued = after([ACCEPTED, event(2, "turn.queued", { position: 3, waiting_for: "a classifier", queue: "gpu" })]);
  const progress = { type: "stage.progress", data: { turn: "t", stage: "classify", position: 2 } };

  const conversation = store.applyEvent(queued, progress);

  assert.equal(conversation.turns.t.queued.position, 2);
  assert.equal(conversation.top, 2);
});

test("the line knows what lies ahead once the route is known", () => {
  const { turns } = after([ACCEPTED, event(2, "stage.started", { attempt: 1, stage: "classify" }),
    event(3, "stage.finished", { attempt: 1, stage: "classify", duration_ms: 9 }),
    event(4, "turn.routed", { route: "rag", confidence: 0.8 }), event(5, "stage.started", { attempt: 1, stage: "rag" })]);

  assert.deepEqual(stations(turns.t).map(({ stage, state }) => [stage, state]),
    [["classify", "done"], ["rag", "running"], ["llm", "waiting"]]);
});

test("a forced route shows no classification", () => {
  const { turns } = after([ACCEPTED, event(2, "turn.routed", { route: "sql", confidence: 1 })]);

  assert.deepEqual(stations(turns.t).map(({ stage }) => stage), ["sql", "llm"]);
});

test("a failure marks the stage it happened in and what was not reached", () => {
  const { turns } = after([ACCEPTED, ROUTED, event(3, "stage.started", { attempt: 1, stage: "sql" }),
    event(4, "turn.failed", { code: "dependency_down", message: "no", retryable: true })]);

  assert.deepEqual(stations(turns.t).map(({ state }) => state), ["failed", "skipped"]);
});

test("a turn that was joined half-way has its earlier stages behind it", () => {
  const joined = store.applySnapshot(store.newConversation("c"), { epoch: EPOCH, top: 9,
    turns: [{ id: "t", text: "?", state: "running", attempt: 1, route: "sql", partial: "So f" }] });

  assert.deepEqual(stations(joined.turns.t).map(({ stage, state }) => [stage, state]), [["sql", "done"], ["llm", "running"]]);
});

test("the parts of the time bar add up to the whole", () => {
  const parts = timeParts({ totalMs: 100, overheadMs: 10, stages: [{ stage: "sql", queue_wait_ms: 30, duration_ms: 60 }] });

  assert.deepEqual(parts.map(({ kind, share }) => [kind, share]), [["wait", 0.3], ["run", 0.6], ["overhead", 0.1]]);
});

test("a bare list with totals beside it reads like a timeline object", () => {
  const { turns } = after([ACCEPTED, event(2, "message.completed", { text: "a", total_ms: 5, overhead_ms: 1,
    timeline: [{ stage: "llm", queue_wait_ms: 0, duration_ms: 4 }] })]);

  assert.equal(turns.t.timeline.totalMs, 5);
  assert.equal(turns.t.timeline.stages.length, 1);
});

function accepted(seq, turn, text, parent) {
  return { ...event(seq, "turn.accepted", { text, parent }), data: { turn, text, parent } };
}

test("a question that was asked again stands where it stood, with all its answers", () => {
  const conversation = after([accepted(1, "a", "How much?"), accepted(2, "b", "When?"), accepted(3, "c", "How many?", "a"),
    accepted(4, "d", "How many?", "c")]);

  const [asked, pending] = store.exchanges(conversation);

  assert.deepEqual(asked.map((exchange) => exchange.turns.map((turn) => turn.id)), [["a", "c", "d"], ["b"]]);
  assert.deepEqual(pending, []);
});

test("a version that is not acknowledged yet waits at its question, and stays there when it is", () => {
  const asked = store.addPending(after([accepted(1, "a", "How much?"), accepted(2, "b", "When?")]), { id: "q", text: "How many?", parent: "a" });

  const settled = store.settlePending(asked, "q", { type: "ack", ts: 5, data: { turn: "c" } });

  assert.deepEqual(store.exchanges(asked)[0][0].pending.map((question) => question.id), ["q"]);
  assert.deepEqual(store.exchanges(settled)[0][0].turns.map((turn) => turn.id), ["a", "c"]);
});

test("a version whose question is not on the page is a question of its own", () => {
  const [asked] = store.exchanges(after([accepted(1, "c", "How many?", "gone")]));

  assert.deepEqual(asked.map((exchange) => exchange.id), ["c"]);
});

test("a thumb is shown at once, and can be taken back", () => {
  const rated = store.applyFeedback(after([ACCEPTED]), "t", { rating: "down", reason: "too_slow" });

  assert.equal(rated.turns.t.feedback.reason, "too_slow");
  assert.equal(store.applyFeedback(rated, "t", null).turns.t.feedback, null);
});
