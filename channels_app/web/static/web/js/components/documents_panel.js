/** The documents that answers are drawn from: add, watch being read, remove. */

import { date, t } from "../i18n.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { DeleteDialog } from "./delete_dialog.js";
import { Icon } from "./icons.js";
import { Panel } from "./panel.js";
import { problemText } from "./problem.js";

const UNDER_WAY = new Set(["queued", "parsing"]);
const POLL_MS = 2000;
const ACCEPTED = ".md,.markdown,.txt,.pdf,.docx,.html,.htm";

function DocumentRow({ item, onDelete, onAsk }) {
  const [sure, setSure] = useState(true);
  return html`<li class="document">
    <span class="document__title">${item.title}</span>
    <span class="document__state" data-state=${item.state}>${t(`documents.state.${item.state}`)}</span>
    <span class="document__meta">${[item.chunks ? t("documents.chunks", { n: item.chunks }) : null,
      item.created_at ? date(new Date(item.created_at), true) : null].filter(Boolean).join(" · ")}</span>
    ${item.error && html`<span class="document__error">${typeof item.error === "string" ? item.error : problemText(item.error)}</span>`}
    ${item.state === "indexed" && html`<button type="button" class="link document__ask"
      onClick=${() => onAsk(t("documents.question", { title: item.title }), { route: "rag" })}>${t("documents.ask")}</button>`}
    <button type="button" class="icon-button" onClick=${() => setSure(false)} aria-label=${t("documents.delete_named", { title: item.title })}
      title=${t("documents.delete")}><${Icon} name="bin" /></button>
    ${!sure && html`<${DeleteDialog} title=${t("documents.delete_title")} text=${t("documents.delete_text", { title: item.title })}
      onDelete=${onDelete} onDone=${() => setSure(true)} />`}
  </li>`;
}

/** Show the documents; the list is asked for again while any of them is being read. */
export function DocumentsPanel({ controller, documents, onAsk }) {
  const picker = useRef(null);
  const [error, setError] = useState(null);
  const [sending, setSending] = useState(0);
  const [over, setOver] = useState(false);
  const attempt = async (work) => {
    try {
      await work();
    } catch (problem) {
      setError(problemText(problem));
    }
  };
  const underWay = (documents ?? []).some((item) => UNDER_WAY.has(item.state));
  useEffect(() => {
    if (!underWay) return undefined;
    const timer = setInterval(() => controller.refreshDocuments().catch(() => undefined), POLL_MS);
    return () => clearInterval(timer);
  }, [underWay]);
  useEffect(() => {
    attempt(() => controller.refreshDocuments());
  }, []);

  const upload = async (files) => {
    setError(null);
    for (const file of files) {
      setSending((count) => count + 1);
      await attempt(() => controller.api.uploadDocument(file));
      setSending((count) => count - 1);
    }
    await attempt(() => controller.refreshDocuments());
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    upload([...event.dataTransfer.files]);
  };
  const remove = (item) => attempt(async () => {
    await controller.api.deleteDocument(item.id);
    await controller.refreshDocuments();
  });
  const shown = (documents ?? []).filter((item) => item.state !== "deleted");
  return html`<${Panel} title=${t("documents.title")} onClose=${() => controller.toggleDocuments(false)}>
    <p class="panel__lead">${t("documents.lead")}</p>
    <button type="button" class="dropzone" data-over=${over} onClick=${() => picker.current.click()}
      onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)} onDrop=${drop}>
      <${Icon} name="upload" /><span>${sending > 0 ? t("documents.sending") : t("documents.upload")}</span>
      <small>${t("documents.kinds")}</small></button>
    <input class="visually-hidden" type="file" multiple accept=${ACCEPTED} ref=${picker} tabindex="-1" aria-hidden="true"
      onChange=${(event) => { upload([...event.target.files]); event.target.value = ""; }} />
    ${error && html`<p class="note note--bad" role="alert">${error}</p>`}
    ${documents === null && !error && html`<p role="status">${t("thread.loading")}</p>`}
    ${documents !== null && shown.length === 0 && html`<p class="panel__lead">${t("documents.empty")}</p>`}
    <ul class="documents" aria-live="polite">${shown.map((item) => html`<${DocumentRow} key=${item.id} item=${item} onAsk=${onAsk} onDelete=${() => remove(item)} />`)}</ul>
  </${Panel}>`;
}
