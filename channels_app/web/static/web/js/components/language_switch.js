/** Choose the page's language. */

import { language, languages, setLanguage, t } from "../i18n.js";
import { html } from "../ui.js";

/** Show a button a language; `onLanguage` redraws the page. */
export function LanguageSwitch({ onLanguage }) {
  const choose = (name) => {
    setLanguage(name);
    onLanguage(name);
  };
  return html`<div class="languages" role="group" aria-label=${t("language.label")}>
    ${languages.map((name) => html`<button type="button" key=${name} lang=${name} aria-pressed=${name === language()}
      onClick=${() => choose(name)}>${t(`language.${name}`)}</button>`)}
  </div>`;
}
