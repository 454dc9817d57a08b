/** Where the question is written: Enter sends, Shift+Enter breaks the line. */

import { t } from "../i18n.js";
import { html, useLayoutEffect, useRef, useState } from "../ui.js";
import { codePoints } from "../text.js";
import { Icon } from "./icons.js";
import { problemText } from "./problem.js";

const MOST_CODE_POINTS = 8000;
const drafts = new Map();

/** Show the box; a draft is kept for each conversation while the page lives. */
export function Composer({ conversation, made, active, onAsk, onStop }) {
  const box = useRef(null);
  const [text, setText] = useState("");
  const [error, setError] = useState(null);
  const key = conversation ?? "";
  const before = useRef(key);

  // Before the next paint: an effect after it would come on top of what a quick person typed meanwhile, here or elsewhere.
  useLayoutEffect(() => {
    // The first question makes its conversation: what was typed meanwhile goes along.
    if (before.current === "" && key === made && drafts.has("")) {
      drafts.set(key, drafts.get(""));
      drafts.delete("");
    }
    before.current = key;
    setText(drafts.get(key) ?? "");
    setError(null);
    // On a phone, focus would raise the keyboard over what the person came to read.
    if (matchMedia("(hover: hover)").matches) box.current.focus();
  }, [key]);
  useLayoutEffect(() => {
    box.current.style.height = "auto";
    box.current.style.height = `${box.current.scrollHeight}px`;
  }, [text]);

  const write = (value) => {
    drafts.set(key, value);
    setText(value);
  };
  const length = codePoints(text);
  const tooLong = length > MOST_CODE_POINTS;
  const send = async () => {
    const question = text.trim();
    if (!question || tooLong) return;
    setError(null);
    write("");
    try {
      await onAsk(question);
    } catch (problem) {
      write(question);
      setError(problemText(problem));
    }
  };
  const keyDown = (event) => {
    if (event.key === "Escape" && active) onStop();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  return html`<form class="composer" onSubmit=${(event) => { event.preventDefault(); send(); }}><div class="composer__column">
    ${error && html`<p class="note note--bad" role="alert">${error}</p>`}
    <div class="composer__box">
      <label class="visually-hidden" for="question">${t("composer.label")}</label>
      <textarea id="question" ref=${box} rows="1" value=${text} placeholder=${t("composer.placeholder")} aria-describedby="composer-hint"
        onInput=${(event) => write(event.target.value)} onKeyDown=${keyDown}></textarea>
      ${active && html`<button type="button" class="round round--stop" onClick=${onStop} aria-label=${t("turn.stop")} title=${t("turn.stop")}>
        <${Icon} name="stop" /></button>`}
      <button type="submit" class="round" disabled=${!text.trim() || tooLong} aria-label=${t("composer.send")} title=${t("composer.send")}>
        <${Icon} name="send" /></button>
    </div>
    <p class="composer__hint" id="composer-hint" data-bad=${tooLong}>${tooLong
      ? t("composer.too_long", { length, most: MOST_CODE_POINTS }) : t("composer.hint")}</p>
  </div></form>`;
}
