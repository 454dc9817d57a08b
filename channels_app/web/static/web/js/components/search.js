/** Find a conversation by its title at once, and by the words in its questions and answers a moment later. */

import { t } from "../i18n.js";
import { plain } from "../text.js";
import { html, useEffect, useState } from "../ui.js";
import { Icon } from "./icons.js";
import { problemText } from "./problem.js";

const FEWEST = 2;
const PAUSE_MS = 250;

/** Return the messages that hold `words`, or the problem: null while they are looked for, or when there is nothing to look for. */
export function useFound(controller, words) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    setFound(null);
    if (words.trim().length < FEWEST) return undefined;
    let wanted = true;
    const timer = setTimeout(() => {
      controller.api.search(words.trim()).then((items) => wanted && setFound({ items }), (problem) => wanted && setFound({ items: [], problem }));
    }, PAUSE_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [words]);
  return found;
}

/** The box; Escape empties it. */
export function SearchBox({ words, onWords }) {
  return html`<div class="search" role="search"><${Icon} name="search" />
    <label class="visually-hidden" for="search">${t("search.label")}</label>
    <input id="search" type="search" value=${words} placeholder=${t("search.placeholder")} maxlength="200" autocomplete="off"
      onInput=${(event) => onWords(event.target.value)} onKeyDown=${(event) => event.key === "Escape" && onWords("")} />
  </div>`;
}

/** Show what was found in questions and answers, by conversation. */
export function Found({ found, onSelect }) {
  if (found === null) return html`<p class="sidebar__empty" role="status">${t("search.looking")}</p>`;
  if (found.problem) return html`<p class="note note--bad" role="alert">${t("search.failed")} ${problemText(found.problem)}</p>`;
  if (found.items.length === 0) return html`<p class="sidebar__empty" role="status">${t("search.nothing")}</p>`;
  return html`<p class="visually-hidden" role="status">${t("search.found", { n: found.items.length })}</p>
    <ul class="found">${found.items.map((item) => html`<li key=${item.turn}>
      <button type="button" class="found__item" onClick=${() => onSelect(item.conversation, item.turn)}>
        <span class="found__text">${item.text}</span>${item.answer && html`<span class="found__answer">${plain(item.answer)}</span>`}
      </button></li>`)}</ul>`;
}
