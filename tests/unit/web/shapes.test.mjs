import assert from "node:assert/strict";
import { test } from "node:test";

import { readHash, writeHash } from "../../../channels_app/web/static/web/js/location.js";
import { citedSpan } from "../../../channels_app/web/static/web/js/passages.js";
import { Session } from "../../../channels_app/web/static/web/js/session.js";
import { bars, cellText, decimals, readTable } from "../../../channels_app/web/static/web/js/table_format.js";
import { dropCodePoints, sliceCodePoints } from "../../../channels_app/web/static/web/js/text.js";

const SALES = { columns: [{ name: "branch", type: "text" }, { name: "revenue", type: "numeric" }],
  rows: [["Centro", "200.5"], ["Sur", "50"]], total: 2, truncated: false };

test("the address names a conversation, a source and a citation", () => {
  const named = { conversation: "c1", artifact: "a/b", n: 2 };

  assert.deepEqual(readHash(writeHash(named)), named);
  assert.deepEqual(readHash("#artifact=x&n=2"), { conversation: null, artifact: "x", n: 2 });
});

test("code points are counted whole", () => {
  assert.equal(dropCodePoints("🍕🍷x", 1), "🍷x");
  assert.equal(sliceCodePoints("a🍕b", 1, 2), "🍕");
});

test("a citation that counts from the document is marked in its passage", () => {
  assert.deepEqual(citedSpan({ text: "0123456789", start: 100, end: 110 }, { start: 102, end: 105 }), [2, 5]);
});

test("a citation that counts from the passage is marked too", () => {
  assert.deepEqual(citedSpan({ text: "0123456789", start: 100, end: 110 }, { start: 2, end: 5 }), [2, 5]);
});

test("a citation of the whole passage marks nothing in it", () => {
  assert.equal(citedSpan({ text: "0123456789", start: 100, end: 110 }, { start: 100, end: 110 }), null);
});

test("figures that came as text align on their decimals", () => {
  const table = readTable(SALES);

  assert.equal(decimals(table, 1), 1);
  assert.equal(cellText("50", table.columns[1], 2), "50.00");
});

test("a year or a key is not grouped", () => {
  assert.equal(cellText(2026, { name: "year", type: "integer", numeric: true }, 0), "2026");
  assert.equal(cellText(12345, { name: "order_id", type: "integer", numeric: true }, 0), "12345");
});

test("rows may come as objects", () => {
  assert.deepEqual(readTable({ rows: [{ a: 1, b: "x" }] }).rows, [[1, "x"]]);
});

test("one column of figures is compared by bars", () => {
  assert.deepEqual(bars(readTable(SALES)), { index: 1, shares: [1, 50 / 200.5] });
});

test("a negative figure has no bars", () => {
  assert.equal(bars(readTable({ ...SALES, rows: [["Centro", 5], ["Sur", -1]] })), null);
});

test("those who need a new token at the same time share one renewal", async () => {
  const kept = new Map([["switchyard.session", JSON.stringify({ username: "demo", access: "a", refresh: "r", expiresAt: 0 })]]);
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  const calls = [];
  const session = new Session({ storage, onSignedOut: () => undefined, post: async (path) => {
    calls.push(path);
    return { access: "b", refresh: "r2", expires_in: 900 };
  } });

  const tokens = await Promise.all([session.token(), session.token()]);

  assert.deepEqual([tokens, calls], [["b", "b"], ["/api/auth/refresh"]]);
});
