/** What is known of a conversation besides its course: facts, scores with reasons, what was found out. */
import { webAddress } from "../../address.js";
import { dateAndTime, duration, plain, words } from "../../format.js";
import { fullName, valuesOf } from "../qualification/variables.js";
import { feedbackView } from "./feedback.js";
import { copyButton, facts, html, json, nothing } from "../ui.js";

const WIDE = matchMedia("(min-width: 64rem)");

/** Return the cards beside a timeline. */
export function aboutView({ conversation, qualification, feedback }, { isAdmin, onLine, isRawOpen, onRaw }) {
  const { perception_analysis: seen, tavus_metadata: metadata } = conversation ?? {};
  return html`
    ${conversation ? html`<section class="card"><h2>About</h2>${factsOf(conversation, isAdmin)}</section>` : nothing}
    ${qualification.length ? card("Qualification", qualification.map(completion), { hint: qualification.length }) : nothing}
    ${feedback ? card("Feedback", feedbackView(feedback, onLine), { hint: `${feedback.score ?? "–"} of 100` }) : nothing}
    ${seen ? card("What was seen", html`<p class="prose">${seen}</p>`) : nothing}
    ${metadata ? card("Raw metadata", isRawOpen ? json(metadata, { label: "Raw metadata" }) : nothing, { isOpen: isRawOpen, onToggle: onRaw }) : nothing}
  `;
}

const card = (title, content, { hint = nothing, isOpen = WIDE.matches, onToggle = () => {} } = {}) => html`<details
  class="card folding" ?open=${isOpen} @toggle=${({ target }) => onToggle(target.open)}>
  <summary><h2>${title}</h2> <small>${hint}</small></summary>${content}
</details>`;

const factsOf = (row, isAdmin) =>
  facts([
    ["Started", dateAndTime(row.started_at)],
    ["Ended", dateAndTime(row.ended_at)],
    ["Lasted", duration(row.duration_seconds)],
    ["End reason", words(row.end_reason)],
    ["Recording", row.recording_url ? recording(row.recording_url) : null],
    ["Person", row.user_id && isAdmin ? html`<a class="mono" href="/dashboard/conversations?person=${row.user_id}">${row.user_id}</a>` : null],
    ["Scenario", code(row.scenario_id)],
    ["Demo", code(row.demo_id)],
    ["Persona", code(row.persona_id)],
    ["Replica", code(row.replica_id)],
    ["Id here", code(row.id)],
  ]);

const code = (value) => (value ? html`<code>${value}</code>` : null);

// Buckets have addresses that no browser opens.
function recording(address) {
  const href = webAddress(address);
  if (href) return html`<a href=${href} target="_blank" rel="noopener noreferrer">Open the recording</a>`;
  return html`<code>${address}</code> ${copyButton(address)}`;
}

function completion(row) {
  const { first_name: _first, last_name: _last, ...values } = valuesOf(row);
  const pairs = [["Name", fullName(row)], ...Object.entries(values).map(([name, value]) => [words(name), plain(value)])];
  return html`<article class="completion"><h3>${words(row.objective_name)}</h3>${facts(pairs)}</article>`;
}
