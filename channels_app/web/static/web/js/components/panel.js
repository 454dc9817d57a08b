/** The side panel's frame: it takes the focus, Escape closes it, the focus goes back. */

import { t } from "../i18n.js";
import { html, useLayoutEffect, useRef } from "../ui.js";
import { Icon } from "./icons.js";

/** Show `children` beside the thread under `title`. */
export function Panel({ title, onClose, children }) {
  const heading = useRef(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    heading.current.focus();
    return () => {
      if (before?.isConnected) before.focus();
      // On a phone it lies in the menu, which has gone again: then to the button that brings it back.
      if (document.activeElement !== before) document.querySelector(".topbar__menu")?.focus();
    };
  }, []);
  return html`<aside class="panel" aria-labelledby="panel-title" onKeyDown=${(event) => event.key === "Escape" && onClose()}>
    <header class="panel__head">
      <h2 id="panel-title" tabindex="-1" ref=${heading}>${title}</h2>
      <button type="button" class="icon-button" onClick=${onClose} aria-label=${t("panel.close")} title=${t("panel.close")}>
        <${Icon} name="close" /></button>
    </header>
    <div class="panel__body">${children}</div>
  </aside>`;
}
