/** What an event does, as its handler says. */
import { html, json, nothing, time } from "../ui.js";

const LONGEST = 80;
const MOST = 3;
const NAMES = {
  conversation: "Conversation",
  messages: "Messages",
  transcript: "Transcript",
  tool_call: "Tool call",
  completion: "Objective",
  feedback: "Feedback",
  records: "Records",
  projections: "Shown to browsers",
};

/** Return the card of an event's effects. */
export function effectsView({ effects, effects_error: error, state, projection }) {
  const told = Object.entries(effects ?? {}).filter(([, value]) => !(Array.isArray(value) && !value.length));
  return html`<section class="card" aria-labelledby="did-title">
    <h2 id="did-title">${state === "processed" ? "What it did" : "What it does"}</h2>
    ${error ? html`<p class="note-line bad">Its handler cannot tell: ${error}</p>` : nothing}
    ${!error && !told.length ? html`<p class="hint">Nothing is written for this type of event.</p>` : nothing}
    ${told.map(([name, value]) => effect(name, value))}
    ${projection ? html`<p class="hint">First shown to browsers ${time(projection.processed_at)}.</p>` : nothing}
  </section>`;
}

const effect = (name, value) => html`<details class="effect">
  <summary><b>${NAMES[name] ?? name}</b><span class="hint">${summary(name, value)}</span></summary>
  ${json(value, { label: NAMES[name] ?? name })}
</details>`;

function summary(name, value) {
  if (name === "records") return countOf(value.map(({ table }) => table));
  if (name === "projections") return countOf(value.map(({ event_type: type }) => type));
  if (!Array.isArray(value)) return gist(value ?? {});
  return value.length === 1 ? gist(value[0]) : `${value.length} rows, the first: ${gist(value[0])}`;
}

/** Return the first fields that are short enough to be read in passing. */
function gist(row) {
  const short = Object.entries(row).filter(([, value]) => value !== null && typeof value !== "object" && String(value).length <= LONGEST);
  return short.slice(0, MOST).map(([name, value]) => `${name}: ${value}`).join(" · ");
}

function countOf(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count > 1 ? `${name} ×${count}` : name)).join(", ");
}
