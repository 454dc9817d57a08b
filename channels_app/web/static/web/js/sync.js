/** Keep the conversations of this page equal to the server's: open, replay, snapshot. */

import * as store from "./store.js";

/** Stand between the socket's frames and the store; `socket` is set by the owner. */
export class Sync {
  constructor({ store: target, api }) {
    this.store = target;
    this.api = api;
    this.socket = null;
    this.opening = new Map();
    this.loading = new Set();
  }

  /** Change one conversation of the store; unknown ids are ignored. */
  change(id, apply) {
    this.store.update((state) => {
      const before = state.conversations[id];
      const after = before ? apply(before) : before;
      return after === before ? state : { ...state, conversations: { ...state.conversations, [id]: after } };
    });
  }

  #set(change) {
    this.store.update((state) => ({ ...state, ...change }));
  }

  /** Fetch the snapshot, apply it, and open the conversation from there unless that is under way. */
  async load(id, url = null) {
    if (this.loading.has(id)) return;
    this.loading.add(id);
    try {
      const snapshot = await this.api.snapshot(id, url);
      this.change(id, (conversation) => store.applySnapshot(conversation, snapshot));
      if (!this.opening.has(id)) this.open(id);
    } catch (problem) {
      if (this.store.get().selected === id) this.#set({ problem });
      if (problem.status === 404) this.#forget(id);
    } finally {
      this.loading.delete(id);
    }
  }

  #forget(id) {
    this.store.update((state) => {
      const { [id]: gone, ...conversations } = state.conversations;
      return { ...state, conversations, selected: state.selected === id ? null : state.selected };
    });
  }

  /** Ask the server for the conversation's events, from where this page stands. */
  open(id) {
    const known = this.store.get().conversations[id];
    if (!known) return;
    const { epoch, top } = known;
    const frame = this.socket.send("conversation.open", { conversation: id, ...(epoch ? { epoch, seq: top } : { seq: 0 }) },
      { conversation: id });
    this.opening.set(id, frame);
  }

  /** After a reconnect: open again what is on the screen, and what is still being answered. */
  reopen() {
    this.opening.clear();
    const { selected, conversations } = this.store.get();
    const wanted = Object.keys(conversations).filter((id) => id === selected || store.liveTurns(conversations[id]).length > 0);
    for (const id of wanted) {
      if (conversations[id].epoch || conversations[id].sync !== "stale") this.open(id);
      else this.load(id);
    }
  }

  /** Apply one frame of the server. */
  receive(frame) {
    const id = frame.conversation ?? frame.data?.conversation;
    if (frame.type === "conversation.opened") return this.#opened(id, frame);
    if (frame.re && (frame.type === "ack" || frame.type === "error")) return this.#settle(frame);
    if (!id) return undefined;
    const before = this.store.get().conversations[id]?.sync;
    this.change(id, (conversation) => store.applyEvent(conversation, frame));
    const after = this.store.get().conversations[id]?.sync;
    if (before === after) return undefined;
    if (after === "gap") this.open(id);
    if (after === "stale") this.load(id);
    return undefined;
  }

  #opened(id, frame) {
    this.opening.delete(id);
    this.change(id, (conversation) => store.applyOpened(conversation, frame.data));
    if (this.store.get().conversations[id]?.sync !== "stale") return;
    this.opening.set(id, frame.re ?? "unasked");
    this.load(id, frame.data.snapshot_url ?? null).finally(() => this.opening.delete(id));
  }

  #settle(frame) {
    const { conversations, selected } = this.store.get();
    for (const id of Object.keys(conversations)) {
      this.change(id, (conversation) => (frame.type === "error" && frame.data.code === "rate_limited"
        ? conversation : store.settlePending(conversation, frame.re, frame)));
    }
    const opened = [...this.opening].find(([, id]) => id === frame.re)?.[0];
    if (!opened || frame.type !== "error") return;
    this.opening.delete(opened);
    if (frame.data.code === "rate_limited") setTimeout(() => this.open(opened), frame.data.retry_after_ms ?? 1000);
    else if (opened === selected) this.#set({ problem: frame.data });
  }
}
