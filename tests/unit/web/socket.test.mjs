import assert from "node:assert/strict";
import { test } from "node:test";

import { afterClose, BASE_MS, CAP_MS, nextDelay } from "../../../channels_app/web/static/web/js/backoff.js";
import { ChatSocket } from "../../../channels_app/web/static/web/js/socket.js";

/** A browser in which time passes only when told to, and sockets are opened by the test. */
function browser() {
  const world = { sockets: [], timers: new Map(), now: 0, next: 1, online: true };
  class WebSocket {
    constructor(url, protocols) {
      Object.assign(this, { url, protocols, readyState: 1, sent: [] });
      world.sockets.push(this);
    }
    send(text) { this.sent.push(JSON.parse(text)); }
    close() { this.readyState = 3; }
  }
  world.env = {
    WebSocket, Math: { random: () => 0.5 }, Date: { now: () => world.now }, navigator: { get onLine() { return world.online; } },
    setTimeout: (action, ms) => { world.timers.set(world.next, { at: world.now + ms, action }); return world.next++; },
    clearTimeout: (id) => world.timers.delete(id),
  };
  world.pass = async (ms) => {
    world.now += ms;
    const due = [...world.timers].filter(([, timer]) => timer.at <= world.now);
    due.forEach(([id]) => world.timers.delete(id));
    due.forEach(([, timer]) => timer.action());
    await settle();
  };
  return world;
}

const settle = () => new Promise((resolve) => setImmediate(resolve));
const HELLO = { type: "hello", data: { heartbeat_ms: 30000, timeout_ms: 60000, token_expires_in_s: 900 } };

async function connected(options = {}) {
  const world = browser();
  const seen = { states: [], frames: [], tokens: [] };
  const socket = new ChatSocket({
    url: "ws://here/ws/chat/", env: world.env,
    getToken: async (request) => { seen.tokens.push(request.fresh); return `token-${seen.tokens.length}`; },
    explainRefusal: async () => null, onReady: () => undefined,
    onFrame: (frame) => seen.frames.push(frame), onState: (state) => seen.states.push(state.phase), ...options,
  });
  const say = (frame) => world.sockets.at(-1).onmessage({ data: JSON.stringify(frame) });
  const drop = async (code) => { world.sockets.at(-1).onclose({ code }); await settle(); };
  await socket.connect();
  if (options.greet !== false) say(HELLO);
  return { world, seen, socket, say, drop };
}

test("the delay stays between its bounds and is spread by chance", () => {
  assert.equal(nextDelay(0, 0.999), BASE_MS);
  assert.equal(nextDelay(2000, 0), BASE_MS);
  assert.equal(nextDelay(2000, 1), 6000);
  assert.equal(nextDelay(CAP_MS, 1), CAP_MS);
});

test("only the contract's final codes end the reconnecting", () => {
  const codes = [1006, 4012, 4402, 4408, 4429, 4490, 4500, 4503, 4000, 4401, 4403, 4409, 4413];

  const back = codes.filter((code) => afterClose({ code, lastMs: 0, random: 0 }).reconnect);

  assert.deepEqual(back, [1006, 4012, 4402, 4408, 4429, 4490, 4500, 4503]);
});

test("the server's bye wins over the code and sets the least wait", () => {
  const plan = afterClose({ code: 4500, bye: { reconnect: true, retry_after_ms: 9000 }, lastMs: 0, random: 0 });

  assert.deepEqual([plan.reconnect, plan.delayMs], [true, 9000]);
  assert.equal(afterClose({ code: 4500, bye: { reconnect: false }, lastMs: 0, random: 0 }).reconnect, false);
});

test("the token travels as the second subprotocol and never in the address", async () => {
  const { world } = await connected();

  assert.deepEqual(world.sockets[0].protocols, ["chat.v1", "bearer.token-1"]);
  assert.equal(world.sockets[0].url, "ws://here/ws/chat/");
});

test("a kept frame is sent again, under its id, until it is answered", async () => {
  const { world, socket, say, drop } = await connected();
  const id = socket.send("chat.send", { text: "hi" }, { conversation: "c", keep: true });

  await drop(1006);
  await world.pass(CAP_MS);
  say(HELLO);

  assert.deepEqual(world.sockets.map((one) => one.sent.filter((frame) => frame.id === id).length), [1, 1]);
});

test("an answered frame is not sent again", async () => {
  const { world, socket, say, drop } = await connected();
  const id = socket.send("chat.send", { text: "hi" }, { conversation: "c", keep: true });
  say({ type: "ack", re: id, data: { accepted: true, turn: "t" } });

  await drop(1006);
  await world.pass(CAP_MS);
  say(HELLO);

  assert.deepEqual(world.sockets[1].sent, []);
});

test("a frame over the rate limit is sent again when the server says so", async () => {
  const { world, socket, say } = await connected();
  const id = socket.send("chat.send", { text: "hi" }, { conversation: "c", keep: true });
  say({ type: "error", re: id, data: { code: "rate_limited", retry_after_ms: 700 } });

  await world.pass(700);

  assert.equal(world.sockets[0].sent.length, 2);
});

test("an expired token is renewed before coming back", async () => {
  const { world, seen, drop } = await connected();

  await drop(4402);
  await world.pass(CAP_MS);

  assert.deepEqual(seen.tokens, [false, true]);
});

test("a final close stops the socket", async () => {
  const { world, socket, drop } = await connected();

  await drop(4409);
  await world.pass(CAP_MS);

  assert.deepEqual([socket.state.phase, socket.state.reason, world.sockets.length], ["stopped", "close_4409", 1]);
});

test("a refusal before accept is explained", async () => {
  const { socket, drop } = await connected({ greet: false, explainRefusal: async () => "forbidden" });

  await drop(1006);

  assert.deepEqual([socket.state.phase, socket.state.reason], ["stopped", "forbidden"]);
});

test("a silent server is left and looked for again", async () => {
  const { world } = await connected();

  await world.pass(60000);

  assert.equal(world.sockets.length, 2);
});

test("the token is refreshed on the socket before it expires", async () => {
  const { world, say } = await connected();
  say({ type: "auth.expiring", data: { in_s: 60 } });

  await settle();

  assert.deepEqual(world.sockets[0].sent.map((frame) => [frame.type, frame.data.token]), [["auth.refresh", "token-2"]]);
});

test("without a network the page waits for it instead of trying", async () => {
  const { world, socket, drop } = await connected();
  world.online = false;

  await drop(1006);
  await world.pass(CAP_MS);

  assert.deepEqual([socket.state.phase, world.sockets.length], ["offline", 1]);
});

test("a draining server is left when it says so", async () => {
  const { world, say } = await connected();
  say({ type: "server.drain", data: { reconnect_after_ms: 1000, deadline_ms: 5000 } });

  await world.pass(1000);

  assert.equal(world.sockets.length, 2);
});
