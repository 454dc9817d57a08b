/** The answer as it is written: markdown, block by block, with marks that open their source. */

import { t } from "../i18n.js";
import { blocks, renderBlock } from "../markdown.js";
import { placeIn } from "../passages.js";
import { closed } from "../text.js";
import { html, useLayoutEffect, useMemo, useRef } from "../ui.js";

function markElement(n, citation, onOpen) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "mark";
  button.textContent = String(n);
  button.disabled = !citation;
  button.setAttribute("aria-label", citation ? t("citation.open", { n, title: citation.title ?? citation.document }) : `${n}`);
  if (citation) button.addEventListener("click", () => onOpen(citation));
  return button;
}

function Block({ raw, token, citations, ended, onOpen }) {
  const place = useRef(null);
  useLayoutEffect(() => {
    const byNumber = new Map(citations.map((citation) => [citation.n, citation]));
    // Before the ending the sources are unknown: any [n] is shown as a mark that does nothing yet.
    const mark = (n) => (byNumber.has(n) || !ended ? markElement(n, byNumber.get(n), onOpen) : null);
    place.current.replaceChildren(renderBlock(token, mark));
  }, [raw, citations, ended]);
  return html`<div class="prose__block" ref=${place}></div>`;
}

/** Show `text` as it stands; `streaming` puts a caret at its end. */
export function Answer({ text, citations, streaming, ended, onOpen }) {
  const parts = useMemo(() => blocks(closed(text)), [text]);
  return html`<div class="prose" data-streaming=${streaming}>
    ${parts.map((part) => html`<${Block} key=${part.key} raw=${part.raw} token=${part.token} citations=${citations}
      ended=${ended} onOpen=${onOpen} />`)}
  </div>`;
}

/** List the sources below the answer, as footnotes. */
export function Footnotes({ citations, current, onOpen }) {
  if (citations.length === 0) return null;
  return html`<section class="footnotes" aria-label=${t("citation.label")}>
    <h3>${t("citation.label")}</h3>
    <ol>${citations.map((citation) => ({ ...citation, place: placeIn(citation.title, citation.heading) })).sort((one, other) => one.n - other.n).map((citation) => html`<li key=${citation.n}>
      <button type="button" class="footnote" aria-pressed=${current === citation.n} onClick=${() => onOpen(citation)}>
        <span class="footnote__n" aria-hidden="true">${citation.n}</span>
        <span class="footnote__text"><span class="footnote__title">${citation.title ?? citation.document}</span>
          ${citation.place && html`<span class="footnote__heading">${citation.place}</span>`}</span>
      </button></li>`)}</ol>
  </section>`;
}
