/** What a person can do with an answer: copy it, have it anew, ask in other words, say what it was worth. */

import { t } from "../i18n.js";
import { html, useLayoutEffect, useRef, useState } from "../ui.js";
import { Icon } from "./icons.js";
import { problemText } from "./problem.js";

const REASONS = ["wrong_figures", "wrong_source", "misunderstood", "incomplete", "too_slow", "other"];
const COPIED_MS = 2000;

function Tool({ icon, label, pressed, expanded, onClick }) {
  return html`<button type="button" class="icon-button icon-button--small" aria-pressed=${pressed} aria-expanded=${expanded}
    aria-label=${label} title=${label} onClick=${onClick}><${Icon} name=${icon} /></button>`;
}

function Copy({ text }) {
  const [copied, setCopied] = useState(false);
  // Only secure contexts have a clipboard: over plain HTTP in a company network there is none.
  if (!navigator.clipboard) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  };
  return html`<${Tool} icon=${copied ? "check" : "copy"} label=${t(copied ? "turn.copied" : "turn.copy")} onClick=${copy} />`;
}

function Why({ feedback, onSave, onDone }) {
  const first = useRef(null);
  const [reason, setReason] = useState(feedback?.reason ?? null);
  const [comment, setComment] = useState(feedback?.comment ?? "");
  useLayoutEffect(() => first.current.focus(), []);
  const submit = (event) => {
    event.preventDefault();
    onSave({ rating: "down", reason, comment: comment.trim() || null });
  };
  return html`<form class="why" onSubmit=${submit} onKeyDown=${(event) => event.key === "Escape" && onDone()}>
    <fieldset><legend>${t("feedback.why")}</legend>
      <div class="why__reasons">${REASONS.map((name, index) => html`<label class="why__reason" key=${name}>
        <input type="radio" name="reason" ref=${index === 0 ? first : undefined} checked=${reason === name} onChange=${() => setReason(name)} />
        <span>${t(`feedback.reason.${name}`)}</span></label>`)}</div></fieldset>
    <label class="why__comment"><span>${t("feedback.comment")}</span>
      <textarea rows="2" maxlength="2000" value=${comment} onInput=${(event) => setComment(event.target.value)}></textarea></label>
    <div class="why__ways"><button type="submit" class="button button--small button--primary">${t("feedback.send")}</button>
      <button type="button" class="link" onClick=${onDone}>${t("feedback.later")}</button></div>
  </form>`;
}

/** Show the tools below the answer of a turn that has ended. */
export function TurnActions({ controller, conversation, turn, onEdit }) {
  const [asking, setAsking] = useState(false);
  const [said, setSaid] = useState("");
  const [error, setError] = useState(null);
  const rating = turn.feedback?.rating ?? null;
  const rate = async (feedback) => {
    setError(null);
    try {
      await controller.rate(conversation, turn.id, feedback);
      setSaid(feedback ? t("feedback.thanks") : "");
    } catch (problem) {
      setError(problemText(problem));
    }
  };
  const up = () => {
    setAsking(false);
    return rate(rating === "up" ? null : { rating: "up" });
  };
  const down = () => {
    setAsking(rating !== "down");
    // Kept at once: the reason is welcome, and nobody has to give one.
    return rate(rating === "down" ? null : { rating: "down", reason: null, comment: null });
  };
  return html`<div class="actions">
    <div class="actions__row" role="group" aria-label=${t("turn.actions")}>
      ${turn.state === "completed" && html`<${Copy} text=${turn.partial} />`}
      <${Tool} icon="again" label=${t("turn.regenerate")} onClick=${() => controller.regenerate(conversation, turn)} />
      <${Tool} icon="pencil" label=${t("turn.edit")} onClick=${onEdit} />
      ${turn.state === "completed" && html`
        <${Tool} icon="up" label=${t("feedback.up")} pressed=${rating === "up"} onClick=${up} />
        <${Tool} icon="thumb_down" label=${t("feedback.down")} pressed=${rating === "down"} expanded=${asking} onClick=${down} />`}
      <span class="actions__said" role="status">${asking ? "" : said}</span>
    </div>
    ${error && html`<p class="note note--bad" role="alert">${error}</p>`}
    ${asking && html`<${Why} feedback=${turn.feedback} onDone=${() => setAsking(false)}
      onSave=${(feedback) => { setAsking(false); rate(feedback); }} />`}
  </div>`;
}

/** Edit a question where it stands; sending it asks anew and keeps the earlier answer. */
export function EditQuestion({ text, onSend, onDone }) {
  const box = useRef(null);
  const [words, setWords] = useState(text);
  useLayoutEffect(() => {
    box.current.style.height = "auto";
    box.current.style.height = `${box.current.scrollHeight}px`;
  }, [words]);
  useLayoutEffect(() => {
    box.current.focus();
    box.current.setSelectionRange(text.length, text.length);
  }, []);
  const send = (event) => {
    event.preventDefault();
    if (!words.trim()) return;
    onSend(words.trim());
    onDone();
  };
  const keyDown = (event) => {
    if (event.key === "Escape") onDone();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  return html`<form class="edit" onSubmit=${send}>
    <label class="visually-hidden" for="edit">${t("turn.edit")}</label>
    <textarea id="edit" ref=${box} rows="1" maxlength="8000" value=${words} onInput=${(event) => setWords(event.target.value)}
      onKeyDown=${keyDown}></textarea>
    <div class="edit__ways"><button type="button" class="button button--small" onClick=${onDone}>${t("turn.edit_drop")}</button>
      <button type="submit" class="button button--small button--primary" disabled=${!words.trim()}>${t("turn.edit_send")}</button></div>
  </form>`;
}
