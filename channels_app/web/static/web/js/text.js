/** Text as the server counts it: in code points, where JavaScript counts UTF-16 units. */

const FENCE = "\u0060".repeat(3);

/** Return the number of code points of `text`. */
export function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** Return `text` without its first `count` code points. */
export function dropCodePoints(text, count) {
  let units = 0;
  for (const character of text) {
    if (count <= 0) break;
    units += character.length;
    count -= 1;
  }
  return text.slice(units);
}

/** Return the code points `start` (included) to `end` (excluded) of `text`. */
export function sliceCodePoints(text, start, end) {
  return Array.from(text).slice(start, end).join("");
}

/** Return `markdown` without its marks, as one would say it or show it in a line. */
export function plain(markdown) {
  return markdown.replace(/^[ \t]*(?:[-*+]|\d+\.)\s+/gm, "").replace(/[*_#|>\u0060]/g, "");
}

/** Return `text`, cut anywhere, with its last emphasis closed: an answer under way, or cut short, shows no bare marks. */
export function closed(text) {
  const start = text.lastIndexOf("\n") + 1;
  const line = text.slice(start).trimEnd();
  if (text.split(FENCE).length % 2 === 0 || line.split("**").length % 2 === 1) return text;
  return line.endsWith("**") ? text.slice(0, start) + line.slice(0, -2) : `${text.slice(0, start)}${line}**`;
}

/** Return 32 random hexadecimal digits; `crypto.randomUUID` is missing outside secure contexts. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
