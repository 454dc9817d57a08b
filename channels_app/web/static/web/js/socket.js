/**
 * One chat socket that outlives its connections.
 *
 * It reconnects by the rules of the wire contract, keeps the token fresh, beats,
 * and sends frames that must not be lost again, under the same id, until the
 * server has answered them: their id makes that safe.
 */

import { afterClose } from "./backoff.js";
import { newId } from "./text.js";

const WAKE_TIMEOUT_MS = 5000;
const REFRESH_AHEAD_S = 90;

/** States: `idle`, `connecting`, `open`, `waiting` (until `retryAt`), `offline`, `stopped`. */
export class ChatSocket {
  /**
   * `getToken({fresh})` resolves to an access token, or to null when signed out;
   * `explainRefusal()` resolves to a reason to stop, or to null to try again;
   * `onReady(hello)` runs before kept frames go out; `env` replaces the browser in tests.
   */
  constructor({ url, getToken, explainRefusal, onReady, onFrame, onState, env = globalThis }) {
    Object.assign(this, { url, getToken, explainRefusal, onReady, onFrame, onState, env });
    this.state = { phase: "idle" };
    this.kept = new Map();
    this.socket = null;
    this.lastMs = 0;
    this.timers = {};
    this.generation = 0;
  }

  /** Start connecting; calling it again connects at once instead of waiting. */
  async connect({ fresh = false } = {}) {
    this.#clear();
    const generation = ++this.generation;
    this.socket?.close(1000);
    this.socket = null;
    this.#enter({ phase: "connecting" });
    let token;
    try {
      token = await this.getToken({ fresh });
    } catch {
      if (generation === this.generation) this.#later({ code: 1006 });
      return;
    }
    if (generation !== this.generation) return;
    if (token === null) return this.#enter({ phase: "stopped", reason: "unauthenticated" });
    this.bye = null;
    this.greeted = false;
    const socket = new this.env.WebSocket(this.url, ["chat.v1", `bearer.${token}`]);
    this.socket = socket;
    socket.onmessage = (message) => socket === this.socket && this.#receive(JSON.parse(message.data));
    socket.onclose = (event) => socket === this.socket && this.#closed(event);
  }

  /** Close for good, without reconnecting; kept frames are forgotten. */
  stop(reason = "signed_out") {
    this.#clear();
    this.generation += 1;
    this.kept.clear();
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
    this.#enter({ phase: "stopped", reason });
  }

  /** Send a frame; with `keep`, again after each reconnect until it is answered. Returns its id. */
  send(type, data, { conversation, id = newId(), keep = false } = {}) {
    const frame = { v: 1, type, id, conversation, data };
    if (keep) this.kept.set(id, frame);
    this.#write(frame);
    return id;
  }

  /** The page woke up or the network came back: find out at once whether the socket lives. */
  wake() {
    if (this.state.phase === "waiting" || this.state.phase === "offline") return this.connect();
    if (this.state.phase !== "open") return undefined;
    this.#ping();
    this.#timer("wake", WAKE_TIMEOUT_MS, () => this.connect());
    return undefined;
  }

  /** The browser says that there is no network: show it, and wait for `wake`. */
  offline() {
    if (this.state.phase === "stopped") return;
    this.#clear();
    this.generation += 1;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.#enter({ phase: "offline" });
  }

  #write(frame) {
    if (this.socket?.readyState === 1 && this.greeted) this.socket.send(JSON.stringify(frame));
  }

  #receive(frame) {
    this.#cancel("wake");
    this.#expectLife();
    switch (frame.type) {
      case "hello":
        this.#greet(frame.data);
        break;
      case "bye":
        this.bye = frame.data;
        break;
      case "server.drain":
        this.#timer("drain", (frame.data.reconnect_after_ms ?? 0) * (0.5 + this.env.Math.random()), () => this.connect());
        break;
      case "auth.expiring":
        this.#refreshToken();
        break;
      default:
        this.#answered(frame);
    }
    this.onFrame(frame);
  }

  #greet(hello) {
    this.greeted = true;
    this.hello = hello;
    this.lastMs = 0;
    this.#beat();
    this.#scheduleRefresh(hello.token_expires_in_s);
    this.#enter({ phase: "open", replica: hello.replica });
    this.onReady(hello);
    for (const frame of this.kept.values()) this.#write(frame);
  }

  #answered(frame) {
    const kept = this.kept.get(frame.re);
    if (!kept) return;
    const wait = frame.type === "error" && frame.data.code === "rate_limited" ? frame.data.retry_after_ms ?? 1000 : null;
    if (wait === null) this.kept.delete(frame.re);
    else this.#timer(`again-${frame.re}`, wait, () => this.#write(kept));
  }

  async #closed(event) {
    this.socket = null;
    this.#clear();
    const generation = ++this.generation;
    if (!this.greeted && !this.bye) {
      // Refused before accept looks like a dead network from here; another call tells the reason.
      const reason = await this.explainRefusal().catch(() => null);
      if (generation !== this.generation) return;
      if (reason) return this.#enter({ phase: "stopped", reason });
    }
    this.#later(event);
  }

  #later({ code }) {
    const plan = afterClose({ code, bye: this.bye, lastMs: this.lastMs, random: this.env.Math.random() });
    if (!plan.reconnect) return this.#enter({ phase: "stopped", reason: `close_${code}`, code });
    if (this.env.navigator?.onLine === false) return this.#enter({ phase: "offline" });
    this.lastMs = plan.delayMs;
    this.#enter({ phase: "waiting", retryAt: this.env.Date.now() + plan.delayMs });
    this.#timer("retry", plan.delayMs, () => this.connect({ fresh: plan.freshToken }));
    return undefined;
  }

  #beat() {
    this.#timer("beat", (this.hello.heartbeat_ms ?? 30000) * 0.8, () => {
      this.#ping();
      this.#beat();
    });
    this.#expectLife();
  }

  #ping() {
    this.#write({ v: 1, type: "ping", id: newId(), data: { t: this.env.Date.now() } });
  }

  #expectLife() {
    if (this.hello) this.#timer("life", this.hello.timeout_ms ?? 60000, () => this.connect());
  }

  #scheduleRefresh(expiresInS) {
    if (!expiresInS) return;
    // A short-lived token is renewed half-way, not at once and for ever.
    const ahead = Math.min(REFRESH_AHEAD_S, expiresInS / 2);
    this.#timer("token", (expiresInS - ahead) * 1000, () => this.#refreshToken());
  }

  async #refreshToken() {
    const generation = this.generation;
    const token = await this.getToken({ fresh: true }).catch(() => null);
    if (token === null || generation !== this.generation) return;
    this.send("auth.refresh", { token });
    this.#scheduleRefresh(this.hello.token_expires_in_s);
  }

  #enter(state) {
    this.state = state;
    this.onState(state);
  }

  #timer(name, delayMs, action) {
    this.#cancel(name);
    this.timers[name] = this.env.setTimeout(() => {
      delete this.timers[name];
      action();
    }, delayMs);
  }

  #cancel(name) {
    this.env.clearTimeout(this.timers[name]);
    delete this.timers[name];
  }

  #clear() {
    for (const name of Object.keys(this.timers)) this.#cancel(name);
  }
}
