/** How a result table reads: which columns are figures, and how a cell is written. Pure but for the language. */

import { date, number } from "./i18n.js";

const NUMERIC = /int|num|dec|float|double|real|money|serial/i;
const MOMENT = /timestamp|datetime/i;
const DAY = /^date$/i;
// A year or a key is a name made of digits: grouping them would be wrong.
const NAME_OF_DIGITS = /(^|_)(id|no|number|nr|code|zip|year|año|anio)$/i;
const PLAIN_DECIMAL = /^-?\d+(\.\d+)?$/;

/** Return whether a column of digits names things instead of counting them. */
export function isName(name) {
  return NAME_OF_DIGITS.test(name);
}

/** Return `{columns, rows, total, truncated, sql}` from an artifact or its preview, rows as lists. */
export function readTable(source) {
  const raw = Array.isArray(source) ? { rows: source } : source ?? {};
  const rows = raw.rows ?? [];
  const names = raw.columns ?? (rows[0] && !Array.isArray(rows[0]) ? Object.keys(rows[0]) : []);
  const columns = names.map((column) => (typeof column === "string" ? { name: column, type: "" } : column));
  return {
    columns: columns.map((column, index) => ({ ...column, numeric: isNumeric(column, rows, index) })),
    rows: rows.map((row) => (Array.isArray(row) ? row : columns.map((column) => row[column.name]))),
    total: raw.total ?? rows.length,
    truncated: raw.truncated === true,
    sql: raw.sql ?? null,
    next: raw.next ?? null,
  };
}

function isNumeric(column, rows, index) {
  if (NUMERIC.test(column.type ?? "") && !/interval|point/i.test(column.type)) return true;
  const cells = rows.map((row) => (Array.isArray(row) ? row[index] : row[column.name])).filter((cell) => cell != null);
  return cells.length > 0 && cells.every((cell) => typeof cell === "number");
}

/** Return a column's name as words. */
export function heading(column) {
  const words = column.name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Return the most decimals that a cell of column `index` shows, at most 2: a column aligns on its point. */
export function decimals(table, index) {
  return table.rows.reduce((most, row) => {
    const fraction = String(row[index] ?? "").split(".")[1] ?? "";
    return Math.min(2, Math.max(most, fraction.length));
  }, 0);
}

/** Return the text of a cell; null for a missing value. */
export function cellText(value, column, fractionDigits) {
  if (value === null || value === undefined) return null;
  if (typeof value === "object") return JSON.stringify(value);
  if (column.numeric && (typeof value === "number" || PLAIN_DECIMAL.test(value))) {
    if (NAME_OF_DIGITS.test(column.name)) return String(value);
    return number(Number(value), { minimumFractionDigits: fractionDigits, maximumFractionDigits: fractionDigits });
  }
  if (MOMENT.test(column.type ?? "")) return moment(value, true);
  if (DAY.test(column.type ?? "")) return moment(value, false);
  return String(value);
}

function moment(value, withTime) {
  const parsed = new Date(value);
  return Number.isNaN(parsed.getTime()) ? String(value) : date(parsed, withTime);
}

/**
 * Return the bar behind each figure of the one column worth comparing, as shares of its largest.
 *
 * Null unless the table is a short list with exactly one column of figures, none negative.
 */
export function bars(table) {
  const figures = table.columns.map((column, index) => ({ column, index }))
    .filter(({ column }) => column.numeric && !NAME_OF_DIGITS.test(column.name));
  if (figures.length !== 1 || table.columns.length > 3 || table.rows.length < 2) return null;
  const [{ index }] = figures;
  const values = table.rows.map((row) => Number(row[index]));
  const largest = Math.max(...values);
  if (!values.every((value) => value >= 0) || !(largest > 0)) return null;
  return { index, shares: values.map((value) => value / largest) };
}
