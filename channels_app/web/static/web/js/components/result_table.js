/** A table artifact: the rows, what was cut, the whole of it as CSV, the SQL behind it. */

import { number, t } from "../i18n.js";
import { bars, cellText, decimals, heading, readTable } from "../table_format.js";
import { html, useMemo, useState } from "../ui.js";
import { Icon } from "./icons.js";
import { problemText } from "./problem.js";

const SHOWN_AT_FIRST = 10;

function Cell({ value, column, digits, share }) {
  const text = cellText(value, column, digits);
  if (text === null) return html`<td class="cell--missing"><span aria-label=${t("table.missing")}>–</span></td>`;
  return html`<td class=${column.numeric ? "cell--number" : ""}>
    ${share !== undefined && html`<span class="cell__bar" aria-hidden="true" style=${{ width: `${share * 100}%` }}></span>`}
    <span class="cell__text">${text}</span></td>`;
}

function Rows({ table, rows }) {
  const digits = useMemo(() => table.columns.map((_, index) => decimals(table, index)), [table]);
  const comparison = useMemo(() => bars(table), [table]);
  return html`<tbody>${rows.map((row, at) => html`<tr key=${at}>
    ${row.map((value, index) => html`<${Cell} key=${index} value=${value} column=${table.columns[index]} digits=${digits[index]}
      share=${comparison?.index === index ? comparison.shares[at] : undefined} />`)}</tr>`)}</tbody>`;
}

async function download(controller, artifact) {
  const url = URL.createObjectURL(await controller.api.artifactCsv(artifact.id));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${artifact.id}.csv`;
  link.click();
  URL.revokeObjectURL(url);
}

function SqlText({ sql }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(sql);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return html`<div class="sql"><pre><code>${sql}</code></pre>
    ${navigator.clipboard && html`<button type="button" class="icon-button" onClick=${copy} aria-label=${t("sql.copy")} title=${t("sql.copy")}>
      <${Icon} name=${copied ? "check" : "copy"} /></button>`}
    <span class="visually-hidden" role="status">${copied ? t("sql.copied") : ""}</span></div>`;
}

/** Show the artifact's preview at once; more rows and the statement come when asked for. */
export function ResultTable({ controller, artifact, sql: knownSql }) {
  const [full, setFull] = useState(null);
  const [folded, setFolded] = useState(true);
  const [sqlShown, setSqlShown] = useState(false);
  const [error, setError] = useState(null);
  const table = useMemo(() => readTable(full ?? artifact.preview), [full, artifact]);
  const sql = table.sql ?? knownSql ?? null;
  const rows = folded ? table.rows.slice(0, SHOWN_AT_FIRST) : table.rows;
  const total = Math.max(table.total, table.rows.length);

  const attempt = (action) => async () => {
    setError(null);
    try {
      await action();
    } catch (problem) {
      setError(problemText(problem));
    }
  };
  const fetchMore = async () => {
    const page = await controller.api.artifact(artifact.id, full?.next ?? null);
    setFull(full ? { ...page, rows: [...full.rows, ...page.rows] } : page);
  };
  const unfold = attempt(async () => {
    if (table.rows.length < total && !full) await fetchMore();
    setFolded(false);
  });
  const showSql = attempt(async () => {
    if (!sql && !full) await fetchMore();
    setSqlShown(!sqlShown);
  });

  return html`<figure class="result">
    <div class="result__scroll" tabindex="0" role="region" aria-label=${t("table.region")}>
      <table class="result__table">
        <caption class="visually-hidden">${t("table.rows", { n: total })}</caption>
        <thead><tr>${table.columns.map((column) => html`<th key=${column.name} scope="col"
          class=${column.numeric ? "cell--number" : ""}>${heading(column)}</th>`)}</tr></thead>
        <${Rows} table=${table} rows=${rows} />
      </table>
    </div>
    ${table.truncated && html`<p class="note note--warn" role="note">${t("table.truncated", { n: table.rows.length < total ? total : table.rows.length })}</p>`}
    ${error && html`<p class="note note--bad" role="alert">${error}</p>`}
    <figcaption class="result__foot">
      <span>${rows.length < total ? t("table.some_rows", { shown: number(rows.length), n: total }) : t("table.rows", { n: total })}</span>
      ${folded && rows.length < total && html`<button type="button" class="link" onClick=${unfold}>${t("table.show_all")}</button>`}
      ${!folded && full?.next && html`<button type="button" class="link" onClick=${attempt(fetchMore)}>${t("table.show_more")}</button>`}
      <button type="button" class="link" onClick=${attempt(() => download(controller, artifact))}>${t("table.csv")}</button>
      <button type="button" class="link" aria-expanded=${sqlShown} onClick=${showSql}>${sqlShown ? t("sql.hide") : t("sql.show")}</button>
    </figcaption>
    ${sqlShown && (sql ? html`<${SqlText} sql=${sql} />` : html`<p class="note">${t("sql.none")}</p>`)}
  </figure>`;
}
