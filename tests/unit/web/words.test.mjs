import assert from "node:assert/strict";
import { test } from "node:test";

import { chartData, pointNames } from "../../../channels_app/web/static/web/js/chart_spec.js";
import { placeIn } from "../../../channels_app/web/static/web/js/passages.js";
import { sqlLines } from "../../../channels_app/web/static/web/js/sql_text.js";
import { readTable } from "../../../channels_app/web/static/web/js/table_format.js";
import { closed, plain } from "../../../channels_app/web/static/web/js/text.js";

test("a statement is laid out a line a clause, and nothing in quotes or brackets is torn", () => {
  const sql = `SELECT "a" FROM "t" LEFT JOIN "u" ON "u"."id" = "t"."id" WHERE "n" = 'IT''S FROM' AND "d" BETWEEN 1 AND 2`
    + ` AND "x" IN (SELECT 1 FROM "v" WHERE true) GROUP BY "a" ORDER BY "a" LIMIT 5`;

  assert.equal(sqlLines(sql), [`SELECT "a"`, `FROM "t"`, `LEFT JOIN "u" ON "u"."id" = "t"."id"`, `WHERE "n" = 'IT''S FROM'`,
    `  AND "d" BETWEEN 1 AND 2`, `  AND "x" IN (SELECT 1 FROM "v" WHERE true)`, `GROUP BY "a"`, `ORDER BY "a"`, "LIMIT 5"].join("\n"));
});

test("a statement that has lines keeps them", () => {
  assert.equal(sqlLines("select 1\n  from t where true"), "select 1\n  from t where true");
});

test("a place in a document does not repeat the document's title", () => {
  assert.equal(placeIn("Handbook", "Handbook › 7. Guests"), "7. Guests");
  assert.equal(placeIn("Handbook", "Handbook"), "");
  assert.equal(placeIn("Handbook", "Other › 1"), "Other › 1");
  assert.equal(placeIn("Handbook", null), "");
});

test("an answer in a line has no marks of markdown", () => {
  assert.equal(plain("**Handbook** says:\n\n- “Call 112.” [1]\n2. Wait"), "Handbook says:\n\n“Call 112.” [1]\nWait");
});

test("points are named by their words, in the order in which they are drawn", () => {
  const table = readTable({
    columns: [{ name: "branch", type: "text" }, { name: "channel", type: "text" }, { name: "sales", type: "number" }, { name: "guests", type: "integer" }],
    rows: [["Centro", "dine-in", 90, 4], ["Triana", null, 7, 2], ["Navigli", "takeaway", 30, 0]],
  });
  const spec = { kind: "scatter", x: 2, series: [3] };

  assert.deepEqual(chartData(table, spec), [[7, 30, 90], [2, 0, 4]]);
  assert.deepEqual(pointNames(table, spec), ["Triana", "Navigli · takeaway", "Centro · dine-in"]);
});

test("an answer that is cut anywhere shows no bare marks", () => {
  assert.equal(closed("**Done**\n\nWith **1.682"), "**Done**\n\nWith **1.682**");
  assert.equal(closed("With **"), "With ");
  assert.equal(closed("With **1** and"), "With **1** and");
  assert.equal(closed("```\na ** b"), "```\na ** b");
});
