/** Text as the server counts it: in code points, where JavaScript counts UTF-16 units. */

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

/** Return 32 random hexadecimal digits; `crypto.randomUUID` is missing outside secure contexts. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
