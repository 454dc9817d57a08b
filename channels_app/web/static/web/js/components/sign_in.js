/** The door: a name, a password, and a plain answer when they are wrong. */

import { t } from "../i18n.js";
import { html, useLayoutEffect, useRef, useState } from "../ui.js";
import { Logo } from "./icons.js";
import { LanguageSwitch } from "./language_switch.js";
import { problemText } from "./problem.js";

/** Show the form; `notice` says why the person is here again. */
export function SignIn({ controller, notice, development, onLanguage }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const name = useRef(null);
  const password = useRef(null);
  useLayoutEffect(() => name.current.focus(), []);

  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await controller.signIn(name.current.value.trim(), password.current.value);
    } catch (problem) {
      setBusy(false);
      setError(problem.status === 401 || problem.status === 400 ? t("sign_in.wrong") : problemText(problem));
      password.current.select();
    }
  };

  return html`<main class="door">
    <form class="door__card" onSubmit=${submit}>
      <div class="door__brand"><${Logo} /><span>${t("brand")}</span></div>
      <h1>${t("sign_in.title")}</h1>
      <p class="door__lead">${t("sign_in.lead")}</p>
      ${notice && !error && html`<p class="note" role="status">${t(`sign_in.notice.${notice}`)}</p>`}
      <label class="field"><span>${t("sign_in.username")}</span>
        <input ref=${name} name="username" autocomplete="username" autocapitalize="none" spellcheck=${false} required /></label>
      <label class="field"><span>${t("sign_in.password")}</span>
        <input ref=${password} name="password" type="password" autocomplete="current-password" required /></label>
      ${error && html`<p class="note note--bad" role="alert">${error}</p>`}
      <button class="button button--primary" type="submit" disabled=${busy}>${busy ? t("sign_in.busy") : t("sign_in.submit")}</button>
      ${development && html`<p class="door__hint">${t("sign_in.development")}</p>`}
    </form>
    <${LanguageSwitch} onLanguage=${onLanguage} />
  </main>`;
}
