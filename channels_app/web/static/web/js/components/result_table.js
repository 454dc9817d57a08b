/** A table artifact: sorted, filtered and paged rows, a chart where one suits, the whole as CSV, the SQL behind it. */

import { chartSpec } from "../chart_spec.js";
import { number, t } from "../i18n.js";
import { sqlLines } from "../sql_text.js";
import { bars, cellText, decimals, heading, readTable } from "../table_format.js";
import { arrange, nextSort, PAGE } from "../table_view.js";
import { html, useEffect, useMemo, useState } from "../ui.js";
import { Chart } from "./chart.js";
import { Icon } from "./icons.js";
import { problemText } from "./problem.js";

function Cell({ text, column, share, width }) {
  if (text === null) return html`<td class="cell--missing"><span aria-label=${t("table.missing")}>–</span></td>`;
  if (share === undefined) return html`<td class=${column.numeric ? "cell--number" : ""}>${text}</td>`;
  // The figures get one width, so that all bars share one scale.
  return html`<td class="cell--number cell--compared"><div class="cell__compare">
    <span class="cell__track" aria-hidden="true"><span class="cell__bar" style=${{ width: `${share * 100}%` }}></span></span>
    <span style=${{ minWidth: `${width}ch` }}>${text}</span></div></td>`;
}

function Rows({ table, texts, shown, comparison }) {
  const width = comparison ? Math.max(...texts.map((row) => row[comparison.index]?.length ?? 0)) : 0;
  return html`<tbody>${shown.map((at) => html`<tr key=${at}>
    ${texts[at].map((text, index) => html`<${Cell} key=${index} text=${text} column=${table.columns[index]} width=${width}
      share=${comparison?.index === index ? comparison.shares[at] : undefined} />`)}</tr>`)}</tbody>`;
}

function Head({ column, index, comparison, sort, onSort }) {
  const kind = !column.numeric ? "" : comparison?.index === index ? "cell--number cell--compared" : "cell--number";
  const mine = sort?.column === index ? sort : null;
  return html`<th scope="col" class=${kind} aria-sort=${mine ? (mine.descending ? "descending" : "ascending") : undefined}>
    <button type="button" class="result__sort" onClick=${() => onSort(nextSort(sort, index, column.numeric))} title=${t("table.sort", { column: heading(column) })}>
      ${heading(column)}${mine && html`<${Icon} name=${mine.descending ? "sort_down" : "sort_up"} />`}</button></th>`;
}

function Pages({ page, count, onPage }) {
  return html`<nav class="versions" aria-label=${t("table.pages")}>
    <button type="button" class="icon-button icon-button--small" disabled=${page === 0} aria-label=${t("table.page_before")} onClick=${() => onPage(page - 1)}>
      <${Icon} name="back" /></button>
    <span aria-live="polite">${t("table.page", { page: page + 1, count })}</span>
    <button type="button" class="icon-button icon-button--small" disabled=${page >= count - 1} aria-label=${t("table.page_after")} onClick=${() => onPage(page + 1)}>
      <${Icon} name="forward" /></button></nav>`;
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
  return html`<div class="sql"><pre><code>${sqlLines(sql)}</code></pre>
    ${navigator.clipboard && html`<button type="button" class="icon-button" onClick=${copy} aria-label=${t("sql.copy")} title=${t("sql.copy")}>
      <${Icon} name=${copied ? "check" : "copy"} /></button>`}
    <span class="visually-hidden" role="status">${copied ? t("sql.copied") : ""}</span></div>`;
}

function textsOf(table) {
  const digits = table.columns.map((_, index) => decimals(table, index));
  return table.rows.map((row) => row.map((value, index) => cellText(value, table.columns[index], digits[index])));
}

/** Return every row of an artifact: what is sorted and searched must be the whole of it. */
async function wholeTable(controller, artifact) {
  const whole = await controller.api.artifact(artifact.id);
  for (let { next } = whole; next; ) {
    const page = await controller.api.artifact(artifact.id, next);
    whole.rows.push(...page.rows);
    ({ next } = page);
  }
  return whole;
}

/** Show the artifact's preview at once; the other rows and the statement come when they are needed. */
export function ResultTable({ controller, artifact, sql: knownSql }) {
  const [full, setFull] = useState(null);
  const [view, setView] = useState({ sort: null, filter: "", page: 0 });
  const [sqlShown, setSqlShown] = useState(false);
  const [error, setError] = useState(null);
  const table = useMemo(() => readTable(full ?? artifact.preview), [full, artifact]);
  const texts = useMemo(() => textsOf(table), [table]);
  const comparison = useMemo(() => bars(table), [table]);
  const spec = useMemo(() => chartSpec(table), [table]);
  // A course of time is read from a line, names are compared in the table itself.
  const [charted, setCharted] = useState(spec?.kind === "line" || spec?.kind === "scatter");
  const sql = table.sql ?? knownSql ?? null;
  const total = Math.max(table.total, table.rows.length);
  const partial = table.rows.length < total;
  const order = useMemo(() => arrange(table, texts, view), [table, texts, view.sort, view.filter]);
  const count = view.filter ? order.length : total;
  const pages = Math.max(1, Math.ceil(count / PAGE));
  const page = Math.min(view.page, pages - 1);
  const shown = order.slice(page * PAGE, (page + 1) * PAGE);

  const attempt = (action) => async () => {
    setError(null);
    try {
      await action();
    } catch (problem) {
      setError(problemText(problem));
    }
  };
  const whole = async () => {
    if (!full) setFull(await wholeTable(controller, artifact));
  };
  // Shown at once with the rows at hand, and again when the rest is there.
  const look = (change) => {
    setView({ ...view, page: 0, ...change });
    if (partial) attempt(whole)();
  };
  const showSql = attempt(async () => {
    if (!sql) await whole();
    setSqlShown(!sqlShown);
  });
  const showChart = attempt(async () => {
    if (partial) await whole();
    setCharted(!charted);
  });
  useEffect(() => {
    if (charted && partial) attempt(whole)();
  }, []);

  return html`<figure class="result">
    ${charted && spec && !partial && html`<${Chart} table=${table} spec=${spec} />`}
    ${total > PAGE && html`<div class="result__tools"><${Icon} name="search" />
      <input type="search" value=${view.filter} placeholder=${t("table.filter")} aria-label=${t("table.filter")} maxlength="100"
        onInput=${(event) => look({ filter: event.target.value })} /></div>`}
    <div class="result__scroll" tabindex="0" role="region" aria-label=${t("table.region")}>
      <table class="result__table">
        <caption class="visually-hidden">${t("table.rows", { n: total })}</caption>
        <thead><tr>${table.columns.map((column, index) => html`<${Head} key=${column.name} column=${column} index=${index}
          comparison=${comparison} sort=${view.sort} onSort=${(sort) => look({ sort })} />`)}</tr></thead>
        <${Rows} table=${table} texts=${texts} shown=${shown} comparison=${comparison} />
      </table>
    </div>
    ${view.filter && order.length === 0 && !partial && html`<p class="note" role="status">${t("table.no_match")}</p>`}
    ${table.truncated && html`<p class="note note--warn" role="note">${t("table.truncated", { n: total })}</p>`}
    ${error && html`<p class="note note--bad" role="alert">${error}</p>`}
    <figcaption class="result__foot">
      <span>${view.filter ? t("table.some_rows", { shown: number(order.length), n: total }) : t("table.rows", { n: total })}</span>
      ${pages > 1 && html`<${Pages} page=${page} count=${pages} onPage=${(next) => look({ page: next })} />`}
      <span class="result__ways">${spec && html`<button type="button" class="link" aria-pressed=${charted} onClick=${showChart}>${t(charted ? "chart.hide" : "chart.show")}</button>`}
      <button type="button" class="link" onClick=${attempt(() => download(controller, artifact))}>${t("table.csv")}</button>
      <button type="button" class="link" aria-expanded=${sqlShown} onClick=${showSql}>${sqlShown ? t("sql.hide") : t("sql.show")}</button></span>
    </figcaption>
    ${sqlShown && (sql ? html`<${SqlText} sql=${sql} />` : html`<p class="note">${t("sql.none")}</p>`)}
  </figure>`;
}
