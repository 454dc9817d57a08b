/** The page: the door, or the shell around one conversation. */

import { AbilitiesPanel } from "./components/abilities_panel.js";
import { Connection } from "./components/connection.js";
import { Composer } from "./components/composer.js";
import { DocumentsPanel } from "./components/documents_panel.js";
import { Icon } from "./components/icons.js";
import { problemText } from "./components/problem.js";
import { Sidebar } from "./components/sidebar.js";
import { SignIn } from "./components/sign_in.js";
import { SourcePanel } from "./components/source_panel.js";
import { Thread } from "./components/thread.js";
import { Controller } from "./controller.js";
import { t } from "./i18n.js";
import { liveTurns } from "./store.js";
import { html, render, useEffect, useState } from "./ui.js";

// What a person opens takes the focus along.
const OPENED = ["selected", "citation", "documentsOpen", "abilitiesOpen"];

// A hidden or covered window gets no animation frames, yet its title and state should move on.
const LATEST_MS = 100;

function useStore(store) {
  const [state, setState] = useState(store.get());
  useEffect(() => {
    // Events come in bursts; one drawing a frame is all that anyone can see.
    let frame = 0;
    let timer = 0;
    let drawn = store.get();
    const forget = () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      frame = 0;
    };
    const draw = () => {
      forget();
      drawn = store.get();
      setState(drawn);
    };
    const unsubscribe = store.subscribe(() => {
      // A focus that moves a frame later would take the next key from where the person went meanwhile.
      if (OPENED.some((part) => store.get()[part] !== drawn[part])) draw();
      if (frame || store.get() === drawn) return;
      frame = requestAnimationFrame(draw);
      timer = setTimeout(draw, LATEST_MS);
    });
    draw();
    return () => {
      unsubscribe();
      forget();
    };
  }, [store]);
  return state;
}

function title(state) {
  const item = state.list?.find((other) => other.id === state.selected);
  return item?.title || (state.selected ? t("conversation.untitled") : t("conversation.new"));
}

function Shell({ controller, state, onLanguage }) {
  const [menu, setMenu] = useState(false);
  const conversation = state.conversations[state.selected] ?? null;
  const [active] = liveTurns(conversation);
  const ask = (text, options) => controller.ask(text, options);
  const name = title(state);
  useEffect(() => {
    document.title = `${name} · ${t("brand")}`;
  }, [name]);
  const side = state.citation || state.documentsOpen || state.abilitiesOpen;
  return html`<div class="shell" data-side=${Boolean(side)}>
    <a class="skip" href="#question" onClick=${(event) => { event.preventDefault(); document.getElementById("question").focus(); }}>${t("skip")}</a>
    <${Sidebar} controller=${controller} state=${state} open=${menu} onChosen=${() => setMenu(false)} onLanguage=${onLanguage} />
    ${menu && html`<div class="veil" onClick=${() => setMenu(false)}></div>`}
    <main class="main">
      <header class="topbar">
        <button type="button" class="icon-button topbar__menu" aria-controls="sidebar" aria-expanded=${menu} onClick=${() => setMenu(!menu)}
          aria-label=${t("sidebar.toggle")}><${Icon} name="menu" /></button>
        <h1 class="topbar__title">${name}</h1>
        <${Connection} connection=${state.connection} onReconnect=${() => controller.reconnect()} />
      </header>
      ${state.problem && html`<p class="note note--bad topbar__problem" role="alert">${problemText(state.problem)}</p>`}
      <${Thread} controller=${controller} conversation=${conversation} citation=${state.citation} sought=${state.sought} onAsk=${ask}
        online=${state.connection.phase === "open"} loading=${conversation?.sync === "stale" && !state.problem} />
      <${Composer} conversation=${state.selected} made=${state.made} active=${Boolean(active)} onAsk=${ask}
        onStop=${() => active && controller.stop(state.selected, active.id)} />
    </main>
    ${state.citation ? html`<${SourcePanel} controller=${controller} state=${state} />`
      : state.documentsOpen ? html`<${DocumentsPanel} controller=${controller} documents=${state.documents} onAsk=${ask} />`
      : state.abilitiesOpen && html`<${AbilitiesPanel} controller=${controller} onAsk=${ask} />`}
  </div>`;
}

function App({ controller, development }) {
  const state = useStore(controller.store);
  // The words are read while drawing: keying the page by language draws all of it anew.
  const { language } = state;
  if (!state.user) {
    return html`<${SignIn} key=${language} controller=${controller} notice=${state.notice} development=${development}
      onLanguage=${(name) => controller.show(name)} />`;
  }
  return html`<${Shell} key=${language} controller=${controller} state=${state} onLanguage=${(name) => controller.speak(name)} />`;
}

const root = document.getElementById("app");
const controller = new Controller();
controller.start();
root.replaceChildren();
render(html`<${App} controller=${controller} development=${root.dataset.development === "true"} />`, root);
