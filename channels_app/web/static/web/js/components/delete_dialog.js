/** Ask before something is gone for good. */

import { t } from "../i18n.js";
import { html, useLayoutEffect, useRef } from "../ui.js";

/** Ask `title`, say in `text` what is lost; Escape and the first button keep it. */
export function DeleteDialog({ title, text, onDelete, onDone }) {
  const dialog = useRef(null);
  useLayoutEffect(() => dialog.current.showModal(), []);
  return html`<dialog class="dialog" ref=${dialog} onClose=${onDone} aria-labelledby="delete-title">
    <h2 id="delete-title">${title}</h2>
    <p>${text}</p>
    <div class="dialog__ways">
      <button type="button" class="button" onClick=${() => dialog.current.close()}>${t("delete.keep")}</button>
      <button type="button" class="button button--bad" onClick=${() => { onDelete(); dialog.current.close(); }}>${t("delete.go")}</button>
    </div></dialog>`;
}
