/** The empty page: questions that work here, and the way to everything that can be asked. */

import { language, t } from "../i18n.js";
import { html, useEffect, useState } from "../ui.js";
import { Icon, Logo } from "./icons.js";

const MOST = 6;

/** Return what can be asked in the page's language; null until it is known, also when it can't be fetched. */
export function useAbilities(controller) {
  const [abilities, setAbilities] = useState(null);
  useEffect(() => {
    let wanted = true;
    // Without examples the page still works: nothing is said of the failure here.
    controller.abilities(language()).then((found) => wanted && setAbilities(found), () => undefined);
    return () => { wanted = false; };
  }, []);
  return abilities;
}

/** Show the first questions; a press asks one. */
export function Welcome({ controller, onAsk }) {
  const abilities = useAbilities(controller);
  const questions = (abilities?.questions ?? []).slice(0, MOST);
  return html`<div class="welcome">
    <${Logo} />
    <h2>${t("welcome.title")}</h2>
    <p>${t("welcome.lead")}</p>
    <ul class="suggestions" aria-label=${t("welcome.examples")} aria-busy=${abilities === null}>${questions.map(({ route, text }) => html`<li key=${text}>
      <button type="button" onClick=${() => onAsk(text)}>
        <span class="suggestions__kind" data-route=${route}>${t(`suggestion.${route}`)}</span><span>${text}</span></button></li>`)}</ul>
    <button type="button" class="button welcome__more" onClick=${() => controller.toggleAbilities(true)}><${Icon} name="help" />${t("abilities.open")}</button>
  </div>`;
}
