/** Which part of a passage a citation means. Pure. */

import { codePoints } from "./text.js";

/**
 * Return `[start, end]` in code points of the passage's text, or null for "all of it".
 *
 * A citation's `start` and `end` count from the start of the document when the
 * passage says where it lies there, else from the start of the passage.
 */
export function citedSpan(passage, citation) {
  const { start, end } = citation ?? {};
  if (!Number.isInteger(start) || !Number.isInteger(end) || end <= start) return null;
  const length = codePoints(passage.text);
  const offset = Number.isInteger(passage.start) && start >= passage.start && end <= (passage.end ?? Infinity) ? passage.start : 0;
  const span = [start - offset, Math.min(end - offset, length)];
  if (span[0] < 0 || span[0] >= length || (span[0] === 0 && span[1] === length)) return null;
  return span;
}

/** Return the passages of an artifact or a preview, whichever shape it has. */
export function readPassages(source) {
  return Array.isArray(source) ? source : source?.passages ?? [];
}

/** Return where in its document a passage stands, without the document's title that its heading begins with; "" at the top. */
export function placeIn(title, heading) {
  if (!heading || heading === title) return "";
  const before = `${title} › `;
  return heading.startsWith(before) ? heading.slice(before.length) : heading;
}
