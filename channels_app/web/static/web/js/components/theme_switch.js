/** Choose light, dark, or what the system says. */

import { t } from "../i18n.js";
import { html, useState } from "../ui.js";

const { themes, read, choose } = globalThis.switchyardTheme;

/** Show a button a theme; the page changes by its style alone. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState(read());
  const take = (name) => {
    choose(name);
    setTheme(name);
  };
  return html`<div class="languages" role="group" aria-label=${t("theme.label")}>
    ${themes.map((name) => html`<button type="button" key=${name} aria-pressed=${name === theme}
      onClick=${() => take(name)}>${t(`theme.${name}`)}</button>`)}
  </div>`;
}
