/** "What can I ask?": the figures, what splits them, the documents; each a step from the question. */

import { language, t } from "../i18n.js";
import { html } from "../ui.js";
import { Panel } from "./panel.js";
import { useAbilities } from "./welcome.js";

function Words({ words }) {
  const sorted = [...words].sort(new Intl.Collator(language()).compare);
  return html`<ul class="words">${sorted.map((word) => html`<li key=${word} class="chip">${word}</li>`)}</ul>`;
}

/** Show what can be asked; a question that is chosen is asked at once. */
export function AbilitiesPanel({ controller, onAsk }) {
  const abilities = useAbilities(controller);
  const close = () => controller.toggleAbilities(false);
  const ask = (text) => {
    close();
    onAsk(text);
  };
  const nothing = abilities && abilities.measures.length === 0 && abilities.documents.length === 0;
  return html`<${Panel} title=${t("abilities.title")} onClose=${close}>
    ${!abilities && html`<p role="status">${t("thread.loading")}</p>`}
    ${nothing && html`<p class="panel__lead">${t("abilities.nothing")}</p>`}
    ${abilities?.questions.length > 0 && html`<section class="ability"><h3>${t("abilities.examples")}</h3>
      <ul class="ability__questions">${abilities.questions.map(({ text }) => html`<li key=${text}>
        <button type="button" class="link" onClick=${() => ask(text)}>${text}</button></li>`)}</ul></section>`}
    ${abilities?.measures.length > 0 && html`<section class="ability"><h3>${t("abilities.measures")}</h3>
      <p class="panel__lead">${t("abilities.measures_lead")}</p><${Words} words=${abilities.measures} />
      <h3>${t("abilities.dimensions")}</h3><${Words} words=${abilities.dimensions} /></section>`}
    ${abilities?.documents.length > 0 && html`<section class="ability"><h3>${t("abilities.documents")}</h3>
      <ul class="ability__documents">${abilities.documents.map((each) => html`<li key=${each.id}><strong>${each.title}</strong>
        ${each.topics.length > 0 && html`<span class="ability__topics">${each.topics.join(" · ")}</span>`}</li>`)}</ul></section>`}
  </${Panel}>`;
}
