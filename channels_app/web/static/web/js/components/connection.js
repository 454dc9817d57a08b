/** Say whether the page hears the server; silent while all is well. */

import { duration, t } from "../i18n.js";
import { html, useEffect, useState } from "../ui.js";

// A reconnect that takes less than this is nobody's business.
const PATIENCE_MS = 600;

function useNow(active, everyMs) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!active) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [active, everyMs]);
  return now;
}

function words({ phase, retryAt, reason }, now) {
  if (phase === "open") return t("connection.open");
  if (phase === "offline") return t("connection.offline");
  if (phase === "stopped") return reason === "close_4409" ? t("connection.elsewhere") : t("connection.stopped");
  const left = Math.max(0, (retryAt ?? 0) - now);
  return left >= 1000 ? t("connection.waiting", { time: duration(Math.round(left / 1000) * 1000) }) : t("connection.connecting");
}

/** Show the state as a dot and words, with a button when waiting can be cut short. */
export function Connection({ connection, onReconnect }) {
  const { phase } = connection;
  const [patient, setPatient] = useState(true);
  const well = phase === "open";
  useEffect(() => {
    setPatient(true);
    const timer = setTimeout(() => setPatient(false), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [well]);
  const now = useNow(phase === "waiting", 500);
  const shown = well || patient ? "open" : phase;
  const text = well || patient ? t("connection.open") : words(connection, now);
  const canHurry = !patient && ["waiting", "offline", "stopped"].includes(phase);
  return html`<div class="connection" data-phase=${shown}>
    <span class="connection__dot" aria-hidden="true"></span>
    <span class="connection__text">${text}</span>
    <span class="visually-hidden" role="status">${well || patient ? "" : t(`connection.said.${phase}`)}</span>
    ${canHurry && html`<button type="button" class="link" onClick=${onReconnect}>${t("connection.now")}</button>`}
  </div>`;
}
