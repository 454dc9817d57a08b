/** Say in words what went wrong, from the contract's codes. */

import { has, t } from "../i18n.js";

/**
 * Return a sentence for a problem of the API, an `error` frame or a failed turn.
 *
 * The server's own sentence is preferred: it knows the case, and speaks the
 * user's language. The catalogue answers for a bare code.
 */
export function problemText({ code, detail, message }) {
  const sentence = detail || message;
  if (sentence && sentence !== code) return sentence;
  return has(`error.${code}`) ? t(`error.${code}`) : t("error.internal");
}

/** Return the short name of a failure, for the line above its sentence. */
export function problemTitle(code) {
  return has(`error_title.${code}`) ? t(`error_title.${code}`) : t("error_title.internal");
}
