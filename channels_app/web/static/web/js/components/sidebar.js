/** The conversations of this person: begin, choose, rename, delete. */

import { t } from "../i18n.js";
import { liveTurns } from "../store.js";
import { html, useLayoutEffect, useRef, useState } from "../ui.js";
import { DeleteDialog } from "./delete_dialog.js";
import { Icon, Logo } from "./icons.js";
import { LanguageSwitch } from "./language_switch.js";
import { problemText } from "./problem.js";
import { Found, SearchBox, useFound } from "./search.js";
import { ThemeSwitch } from "./theme_switch.js";

function Rename({ item, onDone, onRename }) {
  const box = useRef(null);
  useLayoutEffect(() => box.current.select(), []);
  const submit = (event) => {
    event.preventDefault();
    // Enter takes the box away, and its leaving is a blur: the second call finds nothing.
    if (!box.current) return;
    const title = box.current.value.trim();
    if (title && title !== item.title) onRename(title);
    onDone();
  };
  return html`<form class="conversation" onSubmit=${submit}>
    <input class="conversation__rename" ref=${box} value=${item.title} aria-label=${t("conversation.rename")} maxlength="200"
      onBlur=${submit} onKeyDown=${(event) => event.key === "Escape" && onDone()} />
  </form>`;
}

function Item({ item, selected, live, onSelect, onRename, onDelete }) {
  const [mode, setMode] = useState("read");
  const title = item.title || t("conversation.untitled");
  if (mode === "rename") return html`<li><${Rename} item=${item} onRename=${onRename} onDone=${() => setMode("read")} /></li>`;
  return html`<li><div class="conversation" data-selected=${selected}>
    <button type="button" class="conversation__title" aria-current=${selected ? "page" : undefined} title=${title} onClick=${onSelect}>
      ${live && html`<span class="conversation__live" title=${t("conversation.live")}></span>`}<span>${title}</span></button>
    <span class="conversation__ways">
      <button type="button" class="icon-button" onClick=${() => setMode("rename")} aria-label=${t("conversation.rename_named", { title })}
        title=${t("conversation.rename")}><${Icon} name="pencil" /></button>
      <button type="button" class="icon-button" onClick=${() => setMode("delete")} aria-label=${t("conversation.delete_named", { title })}
        title=${t("conversation.delete")}><${Icon} name="bin" /></button>
    </span></div>
    ${mode === "delete" && html`<${DeleteDialog} title=${t("conversation.delete_title")} text=${t("conversation.delete_text", { title })}
      onDelete=${onDelete} onDone=${() => setMode("read")} />`}
  </li>`;
}

/** Show the list; `onChosen` lets a narrow screen put the sidebar away again. */
export function Sidebar({ controller, state, open, onChosen, onLanguage }) {
  const [error, setError] = useState(null);
  const [words, setWords] = useState("");
  const found = useFound(controller, words);
  const looking = words.trim() !== "";
  const needle = words.trim().toLocaleLowerCase();
  const titled = (state.list ?? []).filter((item) => !looking || (item.title ?? "").toLocaleLowerCase().includes(needle));
  const attempt = (work) => work.catch((problem) => setError(problemText(problem)));
  const select = (id) => {
    controller.select(id);
    onChosen();
  };
  const goTo = (id, turn) => {
    select(id);
    controller.lookAt(turn);
  };
  return html`<aside class="sidebar" id="sidebar" data-open=${open} aria-label=${t("sidebar.label")}>
    <div class="sidebar__brand"><${Logo} /><span>${t("brand")}</span></div>
    <button type="button" class="button sidebar__new" onClick=${() => select(null)}><${Icon} name="plus" />${t("conversation.new")}</button>
    <${SearchBox} words=${words} onWords=${setWords} />
    <nav class="sidebar__list" aria-label=${t("sidebar.conversations")}>
      ${state.list === null && html`<p class="sidebar__empty">${t("thread.loading")}</p>`}
      ${state.list?.length === 0 && html`<p class="sidebar__empty">${t("sidebar.empty")}</p>`}
      <ul>${titled.map((item) => html`<${Item} key=${item.id} item=${item} selected=${item.id === state.selected}
        live=${liveTurns(state.conversations[item.id]).length > 0} onSelect=${() => select(item.id)}
        onRename=${(title) => attempt(controller.rename(item.id, title))} onDelete=${() => attempt(controller.remove(item.id))} />`)}</ul>
      ${looking && html`<h2 class="sidebar__part">${t("search.in_messages")}</h2><${Found} found=${found} onSelect=${goTo} />`}
    </nav>
    ${error && html`<p class="note note--bad" role="alert">${error}</p>`}
    <div class="sidebar__foot">
      <button type="button" class="sidebar__row" aria-expanded=${state.abilitiesOpen}
        onClick=${() => { controller.toggleAbilities(!state.abilitiesOpen); onChosen(); }}><${Icon} name="help" />${t("abilities.open")}</button>
      <button type="button" class="sidebar__row" aria-expanded=${state.documentsOpen}
        onClick=${() => { controller.toggleDocuments(!state.documentsOpen); onChosen(); }}><${Icon} name="file" />${t("documents.title")}</button>
      <div class="sidebar__person"><span class="sidebar__name">${state.user}</span>
        <button type="button" class="icon-button" onClick=${() => controller.signOut()} aria-label=${t("sign_out")} title=${t("sign_out")}>
          <${Icon} name="leave" /></button></div>
      <div class="sidebar__choices"><${LanguageSwitch} onLanguage=${onLanguage} /><${ThemeSwitch} /></div>
    </div>
  </aside>`;
}
