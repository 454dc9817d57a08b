import assert from "node:assert/strict";
import { test } from "node:test";

import { chartData, chartSpec } from "../../../channels_app/web/static/web/js/chart_spec.js";
import { readTable } from "../../../channels_app/web/static/web/js/table_format.js";
import { arrange, nextSort } from "../../../channels_app/web/static/web/js/table_view.js";

const SALES = readTable({
  columns: [{ name: "branch", type: "text" }, { name: "net_sales", type: "number" }],
  rows: [["Centro", "90.5"], ["Ártico", 1000], ["Gràcia", null], ["Triana 10", 7], ["Triana 9", 7]],
});
const TEXTS = SALES.rows.map((row) => row.map((cell) => (cell === null ? null : String(cell))));

const names = (order) => order.map((at) => SALES.rows[at][0]);

test("figures sort as figures, and what has none comes last either way", () => {
  assert.deepEqual(names(arrange(SALES, TEXTS, { sort: { column: 1, descending: true } })),
    ["Ártico", "Centro", "Triana 10", "Triana 9", "Gràcia"]);
  assert.deepEqual(names(arrange(SALES, TEXTS, { sort: { column: 1, descending: false } })),
    ["Triana 10", "Triana 9", "Centro", "Ártico", "Gràcia"]);
});

test("words sort as a person would, with the numbers in them as numbers", () => {
  assert.deepEqual(names(arrange(SALES, TEXTS, { sort: { column: 0, descending: false } })),
    ["Ártico", "Centro", "Gràcia", "Triana 9", "Triana 10"]);
});

test("a filter finds rows with every word, in any column and case", () => {
  assert.deepEqual(names(arrange(SALES, TEXTS, { filter: "TRIANA 7" })), ["Triana 10", "Triana 9"]);
  assert.deepEqual(arrange(SALES, TEXTS, { filter: "nowhere" }), []);
});

test("a third press on a head takes the sorting back", () => {
  const first = nextSort(null, 1, true);
  const second = nextSort(first, 1, true);

  assert.deepEqual([first.descending, second.descending, nextSort(second, 1, true)], [true, false, null]);
  assert.deepEqual(nextSort(second, 0, false), { column: 0, descending: false });
});

function table(columns, rows) {
  return readTable({ columns: columns.map(([name, type]) => ({ name, type })), rows });
}

test("a course of time is a line, names are bars, figures against figures are points", () => {
  const weeks = table([["week", "date"], ["orders", "integer"]], [["2026-01-05", 2], ["2026-01-12", 3], ["2026-01-19", 1], ["2026-01-26", 4]]);
  const pairs = table([["covers", "integer"], ["tips", "number"]], [[1, 2], [3, 4], [5, 6], [7, 8]]);

  assert.deepEqual(chartSpec(weeks), { kind: "line", x: 0, series: [1] });
  assert.deepEqual(chartSpec(SALES), { kind: "bar", x: 0, series: [1] });
  assert.deepEqual(chartSpec(pairs), { kind: "scatter", x: 0, series: [1] });
});

test("where a chart says no more than the table there is none", () => {
  assert.equal(chartSpec(table([["orders", "integer"]], [[7]])), null);
  assert.equal(chartSpec(table([["branch", "text"], ["waiter", "text"]], [["a", "b"], ["c", "d"]])), null);
  assert.equal(chartSpec(table([["branch", "text"], ["order_id", "integer"]], [["a", 1], ["b", 2]])), null);
  assert.equal(chartSpec(table([["dish", "text"], ["n", "integer"]], Array.from({ length: 60 }, (_, at) => [`d${at}`, at]))), null);
});

test("a line goes forward in time, and a day without a figure is a hole and not a nought", () => {
  const days = table([["day", "date"], ["sales", "number"]], [["2026-01-03", "7.5"], ["2026-01-01", 1], ["2026-01-02", null], ["2026-01-04", 2]]);

  const [at, sales] = chartData(days, chartSpec(days));

  assert.deepEqual(at.map((seconds) => new Date(seconds * 1000).toISOString().slice(8, 10)), ["01", "02", "03", "04"]);
  assert.deepEqual(sales, [1, null, 7.5, 2]);
});
