/** One turn: the question, its way down the line, the answer, and where the time went. */

import { percent, t } from "../i18n.js";
import { readTable } from "../table_format.js";
import { hasEnded } from "../turns.js";
import { html, useState } from "../ui.js";
import { Answer, Footnotes } from "./answer.js";
import { Icon } from "./icons.js";
import { Line } from "./line.js";
import { problemText, problemTitle } from "./problem.js";
import { ResultTable } from "./result_table.js";
import { TimeBar } from "./time_bar.js";
import { EditQuestion, TurnActions } from "./turn_actions.js";

// Below this the route was a guess, and the person may know better.
const UNSURE = 0.6;
// A question of more letters than this is folded: its answer should be in sight.
const LONG = 900;
const OTHER_ROUTES = ["sql", "rag"];

function Question({ text }) {
  const [whole, setWhole] = useState(false);
  const long = text.length > LONG;
  return html`<h2 class="question" data-cut=${long && !whole}><span class="visually-hidden">${t("turn.question")}</span>${text}</h2>
    ${long && html`<button type="button" class="link question__more" aria-expanded=${whole} onClick=${() => setWhole(!whole)}>
      ${t(whole ? "turn.question_less" : "turn.question_more")}</button>`}`;
}

function RouteBadge({ turn }) {
  if (!turn.route) return null;
  return html`<span class="route" data-route=${turn.route}>
    <span class="visually-hidden">${t("route.label")}</span>${t(`route.${turn.route}`)}
    ${turn.confidence != null && html`<span class="route__sure" title=${t("route.confidence")}>
      <span class="visually-hidden">${t("route.confidence")}</span> ${percent(turn.confidence)}</span>`}
  </span>`;
}

function Failure({ turn, onRetry, onEdit, onAbilities }) {
  const retryable = turn.error?.retryable;
  // The same words would meet the same ending: other words can help, and so can knowing what there is.
  return html`<div class="failure" role="alert" data-code=${turn.error?.code}>
    <p class="failure__title">${problemTitle(turn.error?.code)}</p>
    <p>${problemText(turn.error ?? { code: "internal" })}</p>
    <p class="failure__kept">${t(turn.artifacts.length > 0 ? "turn.kept_results" : "turn.kept_question")}</p>
    <div class="failure__ways">
      ${retryable ? html`<button type="button" class="button" onClick=${onRetry}>${t("turn.retry")}</button>`
        : html`<button type="button" class="button" onClick=${onEdit}>${t("turn.other_words")}</button>`}
      ${turn.error?.code === "no_answer" && html`<button type="button" class="link" onClick=${onAbilities}>${t("abilities.open")}</button>`}
    </div>
  </div>`;
}

function Cancelled({ turn }) {
  const reached = turn.reached.map((place) => t(`reached.${place}`)).join(", ");
  return html`<p class="stopped"><span>${reached ? t("turn.cancelled_reached", { reached }) : t("turn.cancelled")}</span></p>`;
}

function OtherWays({ turn, onAsk }) {
  if (turn.state !== "completed" || turn.confidence === null || turn.confidence >= UNSURE) return null;
  const offered = turn.alternatives.map((other) => other.route).filter((route) => OTHER_ROUTES.includes(route));
  const routes = (offered.length > 0 ? offered : OTHER_ROUTES).filter((route) => route !== turn.route);
  return html`<p class="other-ways"><span>${t("turn.other_ways")}</span>
    ${routes.map((route) => html`<button type="button" class="button button--small" key=${route}
      onClick=${() => onAsk(turn.text, { route })}>${t(`turn.try.${route}`)}</button>`)}</p>`;
}

function tablesOf(turn) {
  const sql = turn.artifacts.find((artifact) => artifact.kind === "sql");
  const text = typeof sql?.preview === "string" ? sql.preview : sql?.preview?.sql ?? null;
  return turn.artifacts.filter((artifact) => artifact.kind === "table")
    .filter((artifact) => readTable(artifact.preview).columns.length > 0).map((artifact) => ({ artifact, sql: text }));
}

/** Show `turn` of `conversation`; `waiting` behind another one, it has a stop of its own. */
export function Turn({ controller, conversation, turn, citation, waiting, onAsk }) {
  const [editing, setEditing] = useState(false);
  const ended = hasEnded(turn);
  const open = (source) => controller.openCitation(source.artifact, source.n);
  const again = (text) => controller.regenerate(conversation, turn, text);
  return html`<article class="turn" data-turn=${turn.id} data-state=${turn.state}>
    ${editing ? html`<${EditQuestion} text=${turn.text} onSend=${again} onDone=${() => setEditing(false)} />`
      : html`<${Question} text=${turn.text} />`}
    <div class="reply" aria-busy=${!ended}>
      <div class="reply__head">
        <${Line} turn=${turn} />
        <${RouteBadge} turn=${turn} />
        ${waiting && html`<button type="button" class="button button--small stop" onClick=${() => controller.stop(conversation, turn.id)}>
          <${Icon} name="stop" />${t("turn.stop")}</button>`}
      </div>
      ${turn.state === "waiting_for_user" && html`<p class="note">${t("turn.waiting_for_user")}</p>`}
      ${turn.partial && html`<${Answer} text=${turn.partial} citations=${turn.citations} ended=${ended}
        streaming=${turn.streaming} onOpen=${open} />`}
      ${tablesOf(turn).map(({ artifact, sql }) => html`<${ResultTable} key=${artifact.id} controller=${controller}
        artifact=${artifact} sql=${sql} />`)}
      ${turn.state === "failed" && html`<${Failure} turn=${turn} onRetry=${() => again()} onEdit=${() => setEditing(true)}
        onAbilities=${() => controller.toggleAbilities(true)} />`}
      ${turn.state === "cancelled" && html`<${Cancelled} turn=${turn} />`}
      <${Footnotes} citations=${turn.citations} onOpen=${open}
        current=${turn.citations.some((source) => source.artifact === citation?.artifact) ? citation.n : null} />
      <${OtherWays} turn=${turn} onAsk=${onAsk} />
      ${ended && html`<footer class="reply__foot">
        <${TurnActions} controller=${controller} conversation=${conversation} turn=${turn} onEdit=${() => setEditing(true)} />
        <${TimeBar} timeline=${turn.timeline} />
        ${turn.usage && html`<p class="writer">${turn.usage.model === "builtin" ? t("turn.builtin")
          : t("turn.model", { model: turn.usage.model })}</p>`}
      </footer>`}
    </div>
  </article>`;
}

/** Show a question that the server has not acknowledged, or has refused. */
export function PendingQuestion({ question, online, onAgain, onDrop }) {
  const refused = question.status === "refused";
  return html`<article class="turn" data-state=${question.status}>
    <h2 class="question question--pending"><span class="visually-hidden">${t("turn.question")}</span>${question.text}</h2>
    ${!refused && html`<p class="stopped" role="status">${online ? t("turn.sending") : t("turn.kept")}</p>`}
    ${refused && html`<div class="failure" role="alert">
      <p class="failure__title">${problemTitle(question.error.code)}</p>
      <p>${problemText(question.error)}</p>
      <div class="failure__ways">
        <button type="button" class="button" onClick=${onAgain}>${t("turn.retry")}</button>
        <button type="button" class="link" onClick=${onDrop}>${t("turn.drop")}</button>
      </div></div>`}
  </article>`;
}
