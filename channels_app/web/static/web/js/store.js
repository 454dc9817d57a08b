/**
 * What the page knows of each conversation, and how events change it.
 *
 * A conversation is `live` (events apply), in a `gap` (an event is missing: ask for
 * a replay) or `stale` (only a snapshot can help; events that come meanwhile are held).
 * All but `createStore` are pure, so that they are tested without a browser.
 */

import { applyToTurn, fromRow, hasEnded, newTurn, TextGap } from "./turns.js";

/** Return a conversation of which nothing is known yet but its id. */
export function newConversation(id, title = "") {
  return { id, title, epoch: null, top: 0, sync: "stale", held: [], turns: {}, order: [], pending: [] };
}

function putTurn(conversation, turn) {
  const known = turn.id in conversation.turns;
  return {
    ...conversation,
    turns: { ...conversation.turns, [turn.id]: turn },
    order: known ? conversation.order : [...conversation.order, turn.id],
  };
}

function applyBody(conversation, event) {
  const id = event.data?.turn;
  if (!id) return conversation;
  if (event.type === "turn.accepted") {
    const known = conversation.turns[id];
    const parent = event.data.parent ?? null;
    if (known) return putTurn(conversation, { ...known, text: event.data.text, acceptedAt: event.ts, parent });
    return putTurn(conversation, newTurn(id, event.data.text, event.ts, parent));
  }
  const turn = conversation.turns[id];
  if (!turn) return conversation;
  const next = applyToTurn(turn, event);
  return next === turn ? conversation : putTurn(conversation, next);
}

/** Return `conversation` after one event of the server. */
export function applyEvent(conversation, event) {
  const durable = Number.isInteger(event.seq);
  if (!durable) return conversation.sync === "live" ? applyBody(conversation, event) : conversation;
  if (conversation.sync === "stale") return { ...conversation, held: [...conversation.held, event] };
  if (event.epoch !== conversation.epoch) return { ...conversation, sync: "stale", held: [event] };
  if (event.seq <= conversation.top) return conversation;
  // What came after the hole is dropped: the replay brings it again, in order.
  if (event.seq > conversation.top + 1) return { ...conversation, sync: "gap" };
  try {
    return { ...applyBody(conversation, event), top: event.seq };
  } catch (error) {
    if (error instanceof TextGap) return { ...conversation, sync: "stale", held: [] };
    throw error;
  }
}

/**
 * Return `conversation` after `conversation.opened`.
 *
 * Recovered: the missed events follow, and what is on the page stays. Otherwise
 * it is stale until `applySnapshot`.
 */
export function applyOpened(conversation, data) {
  if (data.recovered && (conversation.epoch === data.epoch || conversation.epoch === null)) {
    return { ...conversation, epoch: data.epoch, sync: "live", held: [] };
  }
  return { ...conversation, sync: "stale", held: [] };
}

/**
 * Return the conversation that a snapshot describes, plus the events held meanwhile.
 *
 * Held events of another epoch are dropped: if theirs is the newer one, the
 * server says so with another `conversation.opened`.
 */
export function applySnapshot(conversation, snapshot) {
  const turns = {};
  for (const row of snapshot.turns) turns[row.id] = fromRow(row, conversation.turns[row.id]);
  const fresh = {
    ...conversation,
    title: snapshot.conversation?.title ?? conversation.title,
    epoch: snapshot.epoch,
    top: snapshot.top,
    sync: "live",
    held: [],
    turns,
    order: snapshot.turns.map((row) => row.id),
  };
  return conversation.held.filter((event) => event.epoch === snapshot.epoch).reduce(applyEvent, fresh);
}

/** Return `conversation` with a question that the server has not acknowledged yet. */
export function addPending(conversation, question) {
  return { ...conversation, pending: [...conversation.pending, { status: "sending", error: null, ...question }] };
}

/** Return `conversation` after the answer to the question `id`: an `ack` or an `error`. */
export function settlePending(conversation, id, answer) {
  const question = conversation.pending.find((other) => other.id === id);
  if (!question) return conversation;
  if (answer.type === "error") {
    return { ...conversation, pending: conversation.pending.map((other) =>
      (other.id === id ? { ...other, status: "refused", error: answer.data } : other)) };
  }
  const without = { ...conversation, pending: conversation.pending.filter((other) => other.id !== id) };
  const turn = answer.data.turn;
  return turn in without.turns ? without : putTurn(without, newTurn(turn, question.text, answer.ts, question.parent ?? null));
}

/** Return `conversation` without the question `id`, which the person gave up or sends again. */
export function dropPending(conversation, id) {
  return { ...conversation, pending: conversation.pending.filter((other) => other.id !== id) };
}

/** Return the turns of `conversation` that have no ending yet, the oldest first. */
export function liveTurns(conversation) {
  return (conversation?.order ?? []).map((id) => conversation.turns[id]).filter((turn) => !hasEnded(turn));
}

/** Return `conversation` with what its person thinks of the answer of `turn`; null takes it back. */
export function applyFeedback(conversation, turn, feedback) {
  const known = conversation.turns[turn];
  return known ? putTurn(conversation, { ...known, feedback }) : conversation;
}

/**
 * Return the questions of `conversation` in their order, each with all its versions, the oldest first.
 *
 * A question that was asked again, in the same words or in others, stands where it stood; a pending one is in
 * `pending` of the question it repeats, or in `pending` of the conversation's end (the second value).
 */
export function exchanges(conversation) {
  const root = new Map();
  const found = new Map();
  for (const id of conversation.order) {
    const turn = conversation.turns[id];
    // A parent that lies on an earlier page, or was deleted, makes its child a question of its own.
    const first = root.get(turn.parent) ?? id;
    root.set(id, first);
    if (!found.has(first)) found.set(first, { id: first, turns: [], pending: [] });
    found.get(first).turns.push(turn);
  }
  const rest = [];
  for (const question of conversation.pending) {
    const exchange = found.get(root.get(question.parent));
    if (exchange) exchange.pending.push(question);
    else rest.push(question);
  }
  return [[...found.values()], rest];
}

/** Return an observable value: `get`, `update(change)`, `subscribe(listener)` → unsubscribe. */
export function createStore(initial) {
  let state = initial;
  const listeners = new Set();
  return {
    get: () => state,
    update(change) {
      const next = change(state);
      if (next === state) return;
      state = next;
      for (const listener of [...listeners]) listener(state);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
