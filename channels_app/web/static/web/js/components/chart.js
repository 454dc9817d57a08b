/** A chart of a result table; uPlot is fetched when the first one is shown. */

import { chartData, pointNames } from "../chart_spec.js";
import { date, language, number, t } from "../i18n.js";
import { heading } from "../table_format.js";
import { html, useEffect, useRef, useState } from "../ui.js";

const HEIGHT_PX = 260;
const TONES = ["--stage-sql", "--stage-rag", "--stage-llm", "--stage-classify"];
const LETTER_PX = 7.5;
const FEWEST_LETTERS = 5;
const AXIS_PX = { gap: 18, letter: 7, least: 34 };
const SMALL = { notation: "compact", maximumFractionDigits: 1 };

function loadStyle() {
  if (document.getElementById("uplot-style")) return;
  const link = Object.assign(document.createElement("link"), { id: "uplot-style", rel: "stylesheet",
    href: new URL("../../vendor/uplot.css", import.meta.url).href });
  document.head.append(link);
}

/** Return the names as they fit below their bars; none where only crumbs of them would. */
function labels(names, width) {
  const most = Math.floor((width - 80) / names.length / LETTER_PX);
  if (most < FEWEST_LETTERS) return names.map(() => "");
  return names.map((name) => (name.length > most ? `${name.slice(0, most - 1)}…` : name));
}

/** Return where the cross-hair stands: at the point that is read out, not between two. */
function onPoint(plot, left, top) {
  return [left < 0 ? left : plot.valToPos(plot.data[0][plot.posToIdx(left)], "x"), top];
}

function options(Plot, table, spec, width, tone) {
  const names = table.rows.map((row) => String(row[spec.x] ?? ""));
  const grid = { stroke: tone("--rule"), width: 1 };
  const axis = { stroke: tone("--ink-soft"), grid, ticks: grid, font: `12px ${getComputedStyle(document.body).fontFamily}` };
  const moment = (seconds) => date(new Date(seconds * 1000));
  const short = new Intl.DateTimeFormat(language(), { month: "short", day: "numeric", timeZone: "UTC" });
  const called = spec.kind === "scatter" ? pointNames(table, spec) : [];
  const ofPoint = (at, index) => (called[index] ? `${number(at)} (${called[index]})` : number(at));
  const written = { line: (_, at) => (at === null ? "–" : moment(at)), bar: (_, at) => names[at] ?? "–", scatter: (_, at, __, index) => (at === null ? "–" : ofPoint(at, index)) };
  const wide = (_, values) => Math.max(AXIS_PX.least, AXIS_PX.gap + AXIS_PX.letter * Math.max(...(values ?? [""]).map((text) => text.length)));
  const figures = (_, at) => (at === null || at === undefined ? "–" : number(at));
  const shape = {
    line: (colour) => ({ stroke: colour, width: 2, points: { show: table.rows.length <= 32, size: 6 } }),
    bar: (colour) => ({ stroke: colour, fill: colour, width: 0, paths: Plot.paths.bars({ size: [0.62, 56] }), points: { show: false } }),
    scatter: (colour) => ({ stroke: colour, width: 0, paths: () => null, points: { show: true, size: 8, fill: colour } }),
  }[spec.kind];
  const below = {
    line: { ...axis, space: 64, values: (_, splits) => splits.map((at) => short.format(at * 1000)) },
    bar: { ...axis, space: 24, grid: { show: false }, splits: () => names.map((_, at) => at), values: (plot) => labels(names, plot.width) },
    scatter: { ...axis, label: heading(table.columns[spec.x]), labelSize: 22, values: (_, splits) => splits.map((at) => number(at, SMALL)) },
  }[spec.kind];
  return {
    width, height: HEIGHT_PX, tzDate: (seconds) => Plot.tzDate(new Date(seconds * 1000), "UTC"),
    // A cross-hair reads a course; a bar and a point are their own mark.
    legend: { live: true }, cursor: { ...(spec.kind === "line" && { move: onPoint }), y: false, x: spec.kind === "line", drag: { x: false, y: false },
      points: spec.kind === "bar" ? { show: false } : { size: spec.kind === "scatter" ? 14 : 9 } },
    hooks: { setLegend: [(plot) => { plot.root.dataset.pointed = plot.legend.idxs?.some((at) => at != null) ?? false; }] },
    scales: { x: { line: { time: true }, bar: { time: false, range: [-0.6, names.length - 0.4] },
      // Room at both ends: a point on the edge would be cut in half.
      scatter: { time: false, range: (_, low, high) => [low - (high - low) * 0.04, high + (high - low) * 0.04] } }[spec.kind],
      // A bar that does not begin at nothing lies about the proportions.
      y: { range: (_, low, high) => (spec.kind === "bar" ? [Math.min(0, low), high * 1.06 || 1] : Plot.rangeNum(low, high, 0.1, true)) } },
    axes: [below, { ...axis, size: wide, values: (_, splits) => splits.map((at) => number(at, SMALL)) }],
    series: [{ label: heading(table.columns[spec.x]), value: written[spec.kind] },
      ...spec.series.map((index, at) => ({ label: heading(table.columns[index]), value: figures, ...shape(tone(TONES[at])) }))],
  };
}

function summary(table, spec) {
  const values = chartData(table, spec)[1].filter((value) => value !== null);
  return t(`chart.said.${spec.kind}`, { figures: spec.series.map((index) => heading(table.columns[index])).join(", "),
    by: heading(table.columns[spec.x]), least: number(Math.min(...values)), most: number(Math.max(...values)) });
}

/** Draw `table` as `spec` says; a screen reader hears what it is and its range, the rows are in the table. */
export function Chart({ table, spec }) {
  const place = useRef(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    const element = place.current;
    let wanted = true;
    let plot = null;
    let Plot = null;
    // A property of its own is only text; as a colour the browser resolves it for the theme in use.
    const tone = (name) => {
      element.style.color = `var(${name})`;
      const { color } = getComputedStyle(element);
      element.style.color = "";
      return color;
    };
    const draw = () => {
      plot?.destroy();
      plot = new Plot(options(Plot, table, spec, Math.max(240, element.clientWidth), tone), chartData(table, spec), element);
    };
    loadStyle();
    import("../../vendor/uplot.js").then((module) => {
      if (!wanted) return;
      Plot = module.default;
      draw();
    }, () => wanted && setFailed(true));
    // Colours are read while drawing: another theme means another drawing.
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => Plot && draw();
    const themed = new MutationObserver(redraw);
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    scheme.addEventListener("change", redraw);
    const sized = new ResizeObserver(() => plot?.setSize({ width: Math.max(240, element.clientWidth), height: HEIGHT_PX }));
    sized.observe(element);
    return () => {
      wanted = false;
      themed.disconnect();
      sized.disconnect();
      scheme.removeEventListener("change", redraw);
      plot?.destroy();
    };
  }, [table, spec]);
  return html`<div class="chart" role="img" aria-label=${summary(table, spec)}>
    <div class="chart__place" ref=${place}></div>
    ${failed && html`<p class="note note--bad">${t("chart.failed")}</p>`}</div>`;
}
