/** The conversation on the screen: its turns, or the questions to begin with. */

import { t } from "../i18n.js";
import { stations } from "../stage_plan.js";
import { liveTurns } from "../store.js";
import { hasEnded } from "../turns.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../ui.js";
import { Icon, Logo } from "./icons.js";
import { PendingQuestion, Turn } from "./turn.js";

const SUGGESTIONS = ["one", "two", "three", "four"];
const NEAR_PX = 80;

function Welcome({ onAsk }) {
  return html`<div class="welcome">
    <${Logo} />
    <h2>${t("welcome.title")}</h2>
    <p>${t("welcome.lead")}</p>
    <ul class="suggestions">${SUGGESTIONS.map((name) => html`<li key=${name}>
      <button type="button" onClick=${() => onAsk(t(`suggestion.${name}.text`))}>
        <span class="suggestions__kind">${t(`suggestion.${name}.kind`)}</span>
        <span>${t(`suggestion.${name}.text`)}</span></button></li>`)}</ul>
  </div>`;
}

/** Return what a screen reader is told of the newest turn: each stage once, then the whole answer. */
function spoken(turn) {
  if (!turn) return "";
  if (turn.state === "completed") return turn.partial.replace(/[*_#|>\u0060]/g, "");
  if (hasEnded(turn)) return t(`said.${turn.state}`);
  const running = stations(turn).find((station) => station.state === "running");
  return running?.stage ? t("said.stage", { stage: t(`stage.${running.stage}`) }) : t("said.waiting");
}

function useStickToEnd(ref, signature, id) {
  const [away, setAway] = useState(false);
  const stuck = useRef(true);
  const toEnd = () => ref.current?.scrollTo({ top: ref.current.scrollHeight });
  useEffect(() => {
    const element = ref.current;
    const watch = () => {
      stuck.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
      setAway(!stuck.current);
    };
    // The side panel narrows the column: the end moves without anybody scrolling.
    const resized = new ResizeObserver(() => stuck.current && toEnd());
    resized.observe(element);
    element.addEventListener("scroll", watch, { passive: true });
    return () => {
      resized.disconnect();
      element.removeEventListener("scroll", watch);
    };
  }, []);
  useLayoutEffect(() => {
    stuck.current = true;
    toEnd();
  }, [id]);
  useLayoutEffect(() => {
    if (stuck.current) toEnd();
  }, [signature]);
  return { away, toEnd: () => { stuck.current = true; toEnd(); } };
}

/** Show `conversation`, or the welcome when there is none; it follows the newest words until scrolled away. */
export function Thread({ controller, conversation, citation, online, loading, onAsk }) {
  const place = useRef(null);
  const { away, toEnd } = useStickToEnd(place, conversation, conversation?.id);
  const turns = conversation ? conversation.order.map((id) => conversation.turns[id]) : [];
  const live = liveTurns(conversation);
  const pending = conversation?.pending ?? [];
  const empty = turns.length === 0 && pending.length === 0;
  return html`<div class="thread" ref=${place} tabindex="-1">
    <div class="thread__column">
      ${empty && !loading && html`<${Welcome} onAsk=${onAsk} />`}
      ${empty && loading && html`<p class="thread__loading" role="status">${t("thread.loading")}</p>`}
      ${turns.map((turn) => html`<${Turn} key=${turn.id} controller=${controller} conversation=${conversation.id} turn=${turn}
        citation=${citation} waiting=${live.indexOf(turn) > 0} onAsk=${onAsk} />`)}
      ${pending.map((question) => html`<${PendingQuestion} key=${question.id} question=${question} online=${online}
        onAgain=${() => controller.askAgain(conversation.id, question)}
        onDrop=${() => controller.drop(conversation.id, question)} />`)}
    </div>
    <p class="visually-hidden" aria-live="polite">${spoken(turns.at(-1))}</p>
    ${away && !empty && html`<button type="button" class="to-end" onClick=${toEnd}><${Icon} name="down" />${t("thread.to_end")}</button>`}
  </div>`;
}
