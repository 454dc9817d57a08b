/** Sorting, filtering and paging of a result table. Pure but for the language's collation. */

import { language } from "./i18n.js";

export const PAGE = 10;

/** Return the cell as something that compares: figures as numbers, the rest as text; null stays null. */
function key(value, column) {
  if (value === null || value === undefined) return null;
  if (column.numeric) {
    const figure = Number(value);
    return Number.isNaN(figure) ? null : figure;
  }
  return String(value);
}

/**
 * Return the positions of `table`'s rows in the order to show.
 *
 * `texts` are the cells as they are written: a filter finds what is seen. `sort` is `{column, descending}` or null.
 * Rows without a value come last whichever way is sorted; equal rows keep their order.
 */
export function arrange(table, texts, { sort = null, filter = "" } = {}) {
  const words = filter.toLocaleLowerCase(language()).split(/\s+/).filter(Boolean);
  const rows = table.rows.map((_, index) => index).filter((index) => {
    const line = texts[index].filter((text) => text !== null).join("\u0000").toLocaleLowerCase(language());
    return words.every((word) => line.includes(word));
  });
  if (!sort) return rows;
  const column = table.columns[sort.column];
  const collator = new Intl.Collator(language(), { numeric: true, sensitivity: "base" });
  const compare = (one, other) => (typeof one === "number" ? one - other : collator.compare(one, other));
  return rows.sort((one, other) => {
    const [a, b] = [key(table.rows[one][sort.column], column), key(table.rows[other][sort.column], column)];
    if (a === null || b === null) return (a === null) - (b === null) || one - other;
    return (sort.descending ? compare(b, a) : compare(a, b)) || one - other;
  });
}

/** Return the sort after a press on the head of `column`: figures begin with the largest, words with the first. */
export function nextSort(sort, column, numeric) {
  if (sort?.column !== column) return { column, descending: numeric };
  return sort.descending === numeric ? { column, descending: !numeric } : null;
}
