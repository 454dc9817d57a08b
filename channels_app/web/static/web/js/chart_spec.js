/** Which chart suits a table, as a declarative description. Pure. */

import { isName } from "./table_format.js";

const MOST_BARS = 40;
const FEWEST_POINTS = 4;
const MOST_SERIES = 4;
const TEMPORAL = /^(date|datetime|timestamp)/i;

/**
 * Return `{kind, x, series}` or null where no chart says more than the table.
 *
 * `kind` is `line` (a time in the first column), `bar` (one column of names) or `scatter` (figures against figures);
 * `x` and `series` are positions of columns. `x` of a line or a bar is what stands below.
 */
export function chartSpec(table) {
  const figures = table.columns.map((column, index) => ({ column, index }))
    .filter(({ column }) => column.numeric && !isName(column.name)).map(({ index }) => index);
  const others = table.columns.map((_, index) => index).filter((index) => !figures.includes(index));
  if (figures.length === 0 || table.rows.length < 2) return null;
  const series = figures.slice(0, MOST_SERIES);
  if (others.length === 1 && isTemporal(table, others[0])) {
    return table.rows.length >= FEWEST_POINTS ? { kind: "line", x: others[0], series } : null;
  }
  if (others.length === 1 && table.rows.length <= MOST_BARS) return { kind: "bar", x: others[0], series: series.slice(0, 1) };
  if (figures.length === 2 && table.rows.length >= FEWEST_POINTS) return { kind: "scatter", x: figures[0], series: [figures[1]] };
  return null;
}

function isTemporal(table, index) {
  if (TEMPORAL.test(table.columns[index].type ?? "")) return true;
  return table.rows.every((row) => /^\d{4}-\d{2}-\d{2}/.test(String(row[index] ?? "")));
}

const figure = (value) => (value === null || value === undefined || Number.isNaN(Number(value)) ? null : Number(value));

function drawn(table, spec) {
  const rows = table.rows.filter((row) => row[spec.x] !== null && row[spec.x] !== undefined);
  if (spec.kind === "bar") return rows.map((row, at) => ({ row, x: at }));
  const x = (row) => (spec.kind === "line" ? Date.parse(row[spec.x]) / 1000 : figure(row[spec.x]));
  return rows.map((row) => ({ row, x: x(row) })).filter((point) => point.x !== null && !Number.isNaN(point.x))
    .sort((one, other) => one.x - other.x);
}

/** Return the numbers to draw, one list a column: x first, in ascending order of x but for bars. */
export function chartData(table, spec) {
  const points = drawn(table, spec);
  return [points.map((point) => point.x), ...spec.series.map((index) => points.map((point) => figure(point.row[index])))];
}

/** Return what each point of `chartData` is called: its words, without the figures. */
export function pointNames(table, spec) {
  const words = table.columns.map((_, index) => index).filter((index) => !table.columns[index].numeric);
  return drawn(table, spec).map(({ row }) => words.map((index) => row[index]).filter((word) => word != null).join(" · "));
}
