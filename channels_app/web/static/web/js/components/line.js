/** The line: the stages of a turn as stations on a track, live. */

import { duration, has, t } from "../i18n.js";
import { stations } from "../stage_plan.js";
import { html, intoView, useEffect, useState } from "../ui.js";

// A shorter wait is in the table below the answer; here it would only be noise.
const NOTICED_MS = 50;

function useElapsed(startedAt, running) {
  const [elapsed, setElapsed] = useState(0);
  useEffect(() => {
    if (!running) return undefined;
    // The server's clock need not be ours: count from when this page first saw the stage.
    const from = performance.now();
    const timer = setInterval(() => setElapsed(performance.now() - from), 100);
    return () => clearInterval(timer);
  }, [startedAt, running]);
  return elapsed;
}

function Station({ station }) {
  const { stage, state, durationMs, queueWaitMs, worker, progress, summary } = station;
  const elapsed = useElapsed(station.startedAt, state === "running");
  const time = state === "running" && elapsed > 400 ? duration(Math.round(elapsed / 100) * 100)
    : durationMs != null && state !== "waiting" ? duration(durationMs) : null;
  const waited = queueWaitMs >= 1 ? t("stage.waited", { time: duration(queueWaitMs) }) : null;
  const noticed = time && queueWaitMs >= NOTICED_MS && !progress?.text;
  const hint = [worker && t("stage.worker", { worker }), waited, summary].filter(Boolean).join(" · ");
  return html`<li class="station" data-state=${state} data-stage=${stage ?? "unknown"} title=${hint || undefined}>
    <span class="station__dot" aria-hidden="true"></span>
    <span class="station__name">${stage ? t(`stage.${stage}`) : t("stage.unknown")}</span>
    <span class="visually-hidden">${t(`stage_state.${state}`)}</span>
    <span class="station__time">${progress?.text || time || ""}${noticed ? html` <span class="station__waited">${waited}</span>` : null}</span>
  </li>`;
}

function waitingWords({ waitingFor, queue }) {
  // The server's words are whole and in the person's language; it may know more than the queue's name.
  if (waitingFor) return waitingFor.charAt(0).toUpperCase() + waitingFor.slice(1);
  return has(`queue.${queue}`) ? t("queued.waiting", { what: t(`queue.${queue}`) }) : t("queued.plain");
}

function Why({ queued }) {
  const reason = has(`why.${queued.queue}`) ? t(`why.${queued.queue}`) : t("why.other");
  const ahead = queued.position == null ? "" : queued.position <= 1 ? t("why.next") : t("why.ahead", { n: queued.position - 1 });
  const pace = queued.expectedWaitMs == null ? t("why.no_pace") : t("why.pace", { time: duration(queued.expectedWaitMs) });
  return html`<details class="why-waiting" onToggle=${intoView}><summary>${t("why.title")}</summary>
    <p>${[reason, ahead, pace].filter(Boolean).join(" ")}</p><p>${t("why.kept")}</p></details>`;
}

/** Show the stations of `turn`, and what it waits for when it waits; an answered turn's fold into one line. */
export function Line({ turn }) {
  const { queued } = turn;
  return html`<div class="line" data-folded=${turn.state === "completed"}>
    <ol class="line__stations" aria-label=${t("stage.label")}>
      ${stations(turn).map((station) => html`<${Station} key=${station.stage ?? "unknown"} station=${station} />`)}
    </ol>
    ${queued && html`<p class="line__wait">
      ${waitingWords(queued)}
      ${queued.position != null && html`<span class="chip">${t("queued.position", { position: queued.position })}</span>`}
      ${queued.expectedWaitMs != null && html`<span class="chip">${t("queued.expected", { time: duration(queued.expectedWaitMs) })}</span>`}
    </p>
    <${Why} queued=${queued} />`}
  </div>`;
}
