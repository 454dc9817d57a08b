/** From markdown that nobody has vouched for to elements that can do no harm. */

import { marked } from "../vendor/marked.js";
import DOMPurify from "../vendor/purify.js";

// No images, no styles, no classes, no ids: an answer may format text and link to pages, nothing else.
const TAGS = ["p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a",
  "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"];
const CONFIG = { ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ["href", "title", "start", "align"], ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false, ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i, RETURN_DOM_FRAGMENT: true };
// `[1]`, `[1, 3]` and `[1-3]`: the server reads them the same way.
const MARK = /\[(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\]/g;
const LONGEST_RANGE = 20;
const JOINER = "\u2060";
const OPAQUE = new Set(["CODE", "PRE", "A", "BUTTON"]);

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("target", "_blank");
});

// HTML in an answer is shown as the text it is: nothing then rests on the sanitiser alone.
marked.use({ renderer: { html: ({ text }) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;") } });

/** Return the top-level blocks of `text` as `{key, token}`: only the last one changes while text streams in. */
export function blocks(text) {
  return marked.lexer(text, { gfm: true }).filter((token) => token.type !== "space" && token.type !== "def")
    .map((token, index) => ({ key: `${index}`, raw: token.raw, token }));
}

/**
 * Return a block as a sanitised fragment, its `[n]` marks turned into buttons.
 *
 * `mark(n)` returns the element for citation `n`, or null to leave the text alone.
 */
export function renderBlock(token, mark) {
  const fragment = DOMPurify.sanitize(marked.parser([token]), CONFIG);
  markCitations(fragment, mark);
  return fragment;
}

function markCitations(root, mark) {
  for (const node of [...root.childNodes]) {
    if (node.nodeType === Node.ELEMENT_NODE && !OPAQUE.has(node.nodeName)) markCitations(node, mark);
    if (node.nodeType !== Node.TEXT_NODE) continue;
    const parts = splitMarks(node.data, mark);
    if (parts.length > 1) node.replaceWith(...parts);
  }
}

function numbers(inside) {
  return inside.split(/[,;]/).flatMap((part) => {
    const [first, last = first] = part.split(/[–-]/).map(Number);
    if (last < first || last > first + LONGEST_RANGE) return [first];
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

function splitMarks(text, mark) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(MARK)) {
    const elements = numbers(match[1]).map(mark).filter(Boolean);
    if (elements.length === 0) continue;
    // A space, or the edge of the box, would let the mark fall onto the next line, alone.
    parts.push(text.slice(from, match.index).replace(/ $/, ""), ...elements.flatMap((element) => [JOINER, element]), JOINER);
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return from === 0 ? [text] : parts;
}
