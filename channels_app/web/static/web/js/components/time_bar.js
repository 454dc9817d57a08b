/** Where the time went: one bar for the eye, one table for the details. */

import { duration, t } from "../i18n.js";
import { timeParts } from "../stage_plan.js";
import { html, intoView } from "../ui.js";

function partName({ kind, stage }) {
  if (kind === "overhead") return t("time.overhead");
  return kind === "wait" ? t("time.wait", { stage: t(`stage.${stage}`) }) : t(`stage.${stage}`);
}

/** Show the bar and, unfolded, a row a stage: waited, worked, where. */
export function TimeBar({ timeline }) {
  const parts = timeParts(timeline);
  if (parts.length === 0) return null;
  const total = timeline.totalMs ?? parts.reduce((sum, part) => sum + part.ms, 0);
  return html`<details class="time" onToggle=${intoView}>
    <summary>
      <span class="time__title">${t("time.title")}</span>
      <span class="time__bar" aria-hidden="true">${parts.map((part) => html`<span key=${`${part.kind}-${part.stage}`} class="time__part"
        data-kind=${part.kind} data-stage=${part.stage ?? "none"} style=${{ flexGrow: part.share }}
        title=${`${partName(part)}: ${duration(part.ms)}`}></span>`)}</span>
      <span class="time__total">${duration(total)}</span>
    </summary>
    <table class="time__table">
      <thead><tr><th scope="col">${t("time.stage")}</th><th scope="col">${t("time.waited")}</th>
        <th scope="col">${t("time.worked")}</th><th scope="col">${t("time.worker")}</th></tr></thead>
      <tbody>
        ${timeline.stages.map((entry, index) => html`<tr key=${index}>
          <th scope="row"><span class="swatch" data-stage=${entry.stage} aria-hidden="true"></span>${t(`stage.${entry.stage}`)}
            ${entry.attempt > 1 && html` <span class="chip">${t("time.attempt", { attempt: entry.attempt })}</span>`}</th>
          <td>${entry.queue_wait_ms == null ? "–" : duration(entry.queue_wait_ms)}</td>
          <td>${entry.duration_ms == null ? "–" : duration(entry.duration_ms)}</td>
          <td class="time__worker">${entry.worker ?? "–"}</td></tr>`)}
        ${timeline.overheadMs != null && html`<tr><th scope="row"><span class="swatch" data-stage="none" aria-hidden="true"></span>
          ${t("time.overhead")}</th><td></td><td>${duration(timeline.overheadMs)}</td><td></td></tr>`}
      </tbody>
    </table>
  </details>`;
}
