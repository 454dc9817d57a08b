/** One question with all its versions: the latest is shown, the earlier ones are a step away. */

import { t } from "../i18n.js";
import { html, useEffect, useMemo, useState } from "../ui.js";
import { Icon } from "./icons.js";
import { PendingQuestion, Turn } from "./turn.js";

function Pager({ at, count, onGo }) {
  return html`<nav class="versions" aria-label=${t("versions.label")}>
    <button type="button" class="icon-button icon-button--small" disabled=${at === 0} aria-label=${t("versions.earlier")} title=${t("versions.earlier")}
      onClick=${() => onGo(at - 1)}><${Icon} name="back" /></button>
    <span aria-live="polite">${t("versions.at", { at: at + 1, count })}</span>
    <button type="button" class="icon-button icon-button--small" disabled=${at === count - 1} aria-label=${t("versions.later")} title=${t("versions.later")}
      onClick=${() => onGo(at + 1)}><${Icon} name="forward" /></button>
  </nav>`;
}

/**
 * Show the versions of one question, `exchange` of `store.exchanges`; `live` are the conversation's open turns.
 *
 * What has not changed is not drawn again: a long conversation costs no more per word than a short one.
 */
export function Exchange(props) {
  const { exchange, live, citation, online } = props;
  const sought = exchange.turns.some((turn) => turn.id === props.sought) ? props.sought : null;
  const waiting = exchange.turns.filter((turn) => live.indexOf(turn) > 0).length;
  return useMemo(() => html`<${Versions} ...${props} sought=${sought} />`, [sought, ...exchange.turns, ...exchange.pending, exchange.turns.length, waiting, citation, online]);
}

function Versions({ controller, conversation, exchange, live, sought, citation, online, onAsk }) {
  const count = exchange.turns.length + exchange.pending.length;
  const [at, setAt] = useState(count - 1);
  // A new version is what the person has just asked for.
  useEffect(() => setAt(count - 1), [count]);
  useEffect(() => {
    if (sought) setAt(exchange.turns.findIndex((turn) => turn.id === sought));
  }, [sought]);
  const shown = Math.min(at, count - 1);
  const turn = exchange.turns[shown];
  const question = exchange.pending[shown - exchange.turns.length];
  return html`<div class="exchange" data-exchange=${exchange.id}>
    ${turn && html`<${Turn} key=${turn.id} controller=${controller} conversation=${conversation} turn=${turn} citation=${citation}
      waiting=${live.indexOf(turn) > 0} onAsk=${onAsk} />`}
    ${question && html`<${PendingQuestion} key=${question.id} question=${question} online=${online}
      onAgain=${() => controller.askAgain(conversation, question)} onDrop=${() => controller.drop(conversation, question)} />`}
    ${count > 1 && html`<${Pager} at=${shown} count=${count} onGo=${setAt} />`}
  </div>`;
}
