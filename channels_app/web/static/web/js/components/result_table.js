/** A table artifact: the rows, what was cut, the whole of it as CSV, the SQL behind it. */

import { number, t } from "../i18n.js";
import { bars, cellText, decimals, heading, readTable } from "../table_format.js";
import { html, useMemo, useState } from "../ui.js";
import { Icon } from "./icons.js";
import { problemText } from "./problem.js";

const SHOWN_AT_FIRST = 10;

function Cell({ text, column, share, width }) {
  if (text === null) return html`<td class="cell--missing"><span aria-label=${t("table.missing")}>–</span></td>`;
  if (share === undefined) return html`<td class=${column.numeric ? "cell--number" : ""}>${text}</td>`;
  // The figures get one width, so that all bars share one scale.
  return html`<td class="cell--number cell--compared"><div class="cell__compare">
    <span class="cell__track" aria-hidden="true"><span class="cell__bar" style=${{ width: `${share * 100}%` }}></span></span>
    <span style=${{ minWidth: `${width}ch` }}>${text}</span></div></td>`;
}

function Rows({ table, rows, comparison }) {
  const texts = useMemo(() => {
    const digits = table.columns.map((_, index) => decimals(table, index));
    return table.rows.map((row) => row.map((value, index) => cellText(value, table.columns[index], digits[index])));
  }, [table]);
  const width = comparison ? Math.max(...texts.map((row) => row[comparison.index]?.length ?? 0)) : 0;
  return html`<tbody>${rows.map((_, at) => html`<tr key=${at}>
    ${texts[at].map((text, index) => html`<${Cell} key=${index} text=${text} column=${table.columns[index]} width=${width}
      share=${comparison?.index === index ? comparison.shares[at] : undefined} />`)}</tr>`)}</tbody>`;
}

function headClass(column, index, comparison) {
  if (!column.numeric) return "";
  return comparison?.index === index ? "cell--number cell--compared" : "cell--number";
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
  const comparison = useMemo(() => bars(table), [table]);
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
        <thead><tr>${table.columns.map((column, index) => html`<th key=${column.name} scope="col"
          class=${headClass(column, index, comparison)}>${heading(column)}</th>`)}</tr></thead>
        <${Rows} table=${table} rows=${rows} comparison=${comparison} />
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
