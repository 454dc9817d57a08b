/** How a statement is laid out for reading. Pure. */

const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|[()]|\s+|[^\s()'"]+/g;
const CLAUSE = /^(FROM|WHERE|GROUP|HAVING|ORDER|LIMIT|UNION|JOIN|LEFT|RIGHT|INNER|FULL|CROSS)$/;
const JOINED = /^(LEFT|RIGHT|INNER|FULL|CROSS|OUTER)$/;

/** Return `sql` with a line a clause and a condition; what stands in brackets stays together, what has lines keeps them. */
export function sqlLines(sql) {
  if (sql.includes("\n")) return sql;
  let depth = 0;
  let last = "";
  let text = "";
  let between = false;
  for (const token of sql.match(TOKEN) ?? []) {
    if (/^\s+$/.test(token)) {
      text += " ";
      continue;
    }
    depth += Number(token === "(") - Number(token === ")");
    const starts = depth === 0 && CLAUSE.test(token) && !JOINED.test(last);
    const condition = depth === 0 && token === "AND" && !between;
    if (starts || condition) text = `${text.trimEnd()}\n${condition ? "  " : ""}`;
    if (depth === 0 && token === "BETWEEN") between = true;
    else if (token === "AND") between = false;
    text += token;
    last = token;
  }
  return text;
}
