/** The source behind a citation: the passage as it stands in the document, the cited part marked. */

import { number, t } from "../i18n.js";
import { citedSpan, placeIn, readPassages } from "../passages.js";
import { sliceCodePoints } from "../text.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { Panel } from "./panel.js";
import { problemText } from "./problem.js";
import { ResultTable } from "./result_table.js";

function findCitation(state, { artifact, n }) {
  const turns = Object.values(state.conversations).flatMap((conversation) => Object.values(conversation.turns));
  return turns.flatMap((turn) => turn.citations).find((source) => source.artifact === artifact && source.n === n) ?? null;
}

function Passage({ passage, citation, current }) {
  const place = useRef(null);
  useEffect(() => {
    if (current) place.current.querySelector("mark, .passage__text")?.scrollIntoView({ block: "nearest" });
  }, [current, passage]);
  const where = placeIn(passage.title, passage.heading);
  const span = current ? citedSpan(passage, citation) : null;
  const text = span ? html`${sliceCodePoints(passage.text, 0, span[0])}<mark>${sliceCodePoints(passage.text, ...span)}</mark>${
    sliceCodePoints(passage.text, span[1], undefined)}` : passage.text;
  return html`<section class="passage" data-current=${current} ref=${place}>
    <h3><span class="footnote__n" aria-hidden="true">${passage.n}</span><span>${passage.title ?? passage.document}</span></h3>
    ${where && html`<p class="passage__heading">${where}</p>`}
    <p class="passage__text">${text}</p>
    ${Number.isInteger(passage.start) && html`<p class="passage__place">${t("source.place", { start: number(passage.start), end: number(passage.end) })}</p>`}
  </section>`;
}

/** Show the artifact that the address names; the cited passage first, the others folded away. */
export function SourcePanel({ controller, state }) {
  const { artifact: id, n } = state.citation;
  const [artifact, setArtifact] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    let wanted = true;
    setArtifact(null);
    setError(null);
    controller.api.artifact(id).then((found) => wanted && setArtifact(found), (problem) => wanted && setError(problemText(problem)));
    return () => { wanted = false; };
  }, [id]);
  const passages = artifact ? readPassages(artifact) : [];
  const cited = passages.filter((passage) => n === null || passage.n === n);
  const others = passages.filter((passage) => !cited.includes(passage));
  return html`<${Panel} title=${t("source.title")} onClose=${() => controller.closeCitation()}>
    ${!artifact && !error && html`<p role="status">${t("thread.loading")}</p>`}
    ${error && html`<p class="note note--bad" role="alert">${error}</p>`}
    ${artifact?.kind === "table" && html`<${ResultTable} controller=${controller} artifact=${{ id, preview: artifact }} />`}
    ${cited.map((passage) => html`<${Passage} key=${passage.n} passage=${passage} current=${n !== null} citation=${findCitation(state, state.citation)} />`)}
    ${others.length > 0 && html`<details class="panel__others"><summary>${t("source.others", { n: others.length })}</summary>
      ${others.map((passage) => html`<${Passage} key=${passage.n} passage=${passage} current=${false} />`)}</details>`}
  </${Panel}>`;
}
