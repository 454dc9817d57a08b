/** The conversation on the screen: its turns, or the questions to begin with. */

import { t } from "../i18n.js";
import { stations } from "../stage_plan.js";
import { exchanges, liveTurns } from "../store.js";
import { plain } from "../text.js";
import { hasEnded } from "../turns.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../ui.js";
import { Icon } from "./icons.js";
import { Exchange } from "./exchange.js";
import { PendingQuestion } from "./turn.js";
import { Welcome } from "./welcome.js";

const NEAR_PX = 80;
const SETTLED_MS = 60;

/** Return what a screen reader is told of the newest turn: each stage once, then the whole answer. */
function spoken(turn) {
  if (!turn) return "";
  if (turn.state === "completed") return plain(turn.partial);
  if (hasEnded(turn)) return t(`said.${turn.state}`);
  const running = stations(turn).find((station) => station.state === "running");
  return running?.stage ? t("said.stage", { stage: t(`stage.${running.stage}`) }) : t("said.waiting");
}

function useStickToEnd(ref, signature, id, filled) {
  const [away, setAway] = useState(false);
  const stuck = useRef(true);
  const follows = useRef(filled);
  follows.current = filled;
  // The empty page is read from its top, however small the screen.
  const toEnd = () => follows.current && ref.current?.scrollTo({ top: ref.current.scrollHeight });
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
export function Thread({ controller, conversation, citation, sought, online, loading, onAsk }) {
  const place = useRef(null);
  const [asked, pending] = conversation ? exchanges(conversation) : [[], []];
  const empty = asked.length === 0 && pending.length === 0;
  const { away, toEnd } = useStickToEnd(place, conversation, conversation?.id, !empty);
  const live = liveTurns(conversation);
  const latest = conversation?.turns[conversation.order.at(-1)];
  const there = Boolean(sought && conversation?.turns[sought]);
  useEffect(() => {
    if (!there) return undefined;
    // The exchange turns to that version first.
    const timer = setTimeout(() => {
      const turn = place.current.querySelector(`[data-turn="${CSS.escape(sought)}"]`);
      turn?.scrollIntoView({ block: "start" });
      turn?.classList.add("turn--sought");
      controller.seen();
    }, SETTLED_MS);
    return () => clearTimeout(timer);
  }, [there, sought]);
  return html`<div class="thread" ref=${place} tabindex="-1">
    <div class="thread__column">
      ${empty && !loading && html`<${Welcome} controller=${controller} onAsk=${onAsk} />`}
      ${empty && loading && html`<p class="thread__loading" role="status">${t("thread.loading")}</p>`}
      ${asked.map((exchange) => html`<${Exchange} key=${exchange.id} controller=${controller} conversation=${conversation.id}
        exchange=${exchange} live=${live} sought=${sought} citation=${citation} online=${online} onAsk=${onAsk} />`)}
      ${pending.map((question) => html`<${PendingQuestion} key=${question.id} question=${question} online=${online}
        onAgain=${() => controller.askAgain(conversation.id, question)}
        onDrop=${() => controller.drop(conversation.id, question)} />`)}
    </div>
    <p class="visually-hidden" aria-live="polite">${spoken(latest)}</p>
    ${away && !empty && html`<button type="button" class="to-end" onClick=${toEnd} aria-label=${t("thread.to_end")} title=${t("thread.to_end")}>
      <${Icon} name="down" /></button>`}
  </div>`;
}
