/** Events as rows of a table. */
import { badge, duration, html, nothing, time } from "../ui.js";

const LINE = 200;

/** Return where an event's page is. */
const addressOf = ({ id }) => `/dashboard/events/${encodeURIComponent(id)}`;

/** Return where a conversation's page is. */
const conversationAddress = (id) => `/dashboard/conversations/${encodeURIComponent(id)}`;

/** Return the last line of an error: the ones above are where it happened. */
export function lastLine(error) {
  const line = String(error ?? "").trimEnd().split("\n").at(-1).trim();
  return line.length > LINE ? `${line.slice(0, LINE)}…` : line;
}

const WHEN = { label: "Received", class: "col-when", cell: (row) => time(row.at) };
const TYPE = { label: "Event", class: "col-what", cell: (row) => html`<a class="mono" href=${addressOf(row)}>${row.event_type}</a>` };
const SOURCE = { label: "Source", class: "col-source", cell: (row) => row.source };
const CONVERSATION = { label: "Conversation", class: "col-about", cell: (row) => conversationLink(row.conversation_id) };
const STATE = { label: "State", class: "col-state", cell: (row) => badge(row.state) };
const NOTE = { label: "Note", class: "col-note", cell: noteOf };
const TOOK = { label: "Took", class: "col-took", isNumeric: true, cell: (row) => duration(row.processing_duration_ms) || "–" };

export const INBOX = [TYPE, SOURCE, CONVERSATION, STATE, NOTE, WHEN];
export const STREAM = [TYPE, SOURCE, CONVERSATION, TOOK, WHEN];
export const DEAD = [TYPE, SOURCE, CONVERSATION, { ...NOTE, label: "Error", class: "col-note" }, { label: "Tries", class: "col-tries", isNumeric: true, cell: (row) => row.attempts }, WHEN];

/** Return a link to a conversation; a dash where an event is about none. */
export const conversationLink = (id) =>
  id ? html`<a class="mono" href=${conversationAddress(id)} title=${id}>${id}</a>` : html`<span class="hint">–</span>`;

function noteOf({ state, last_error: error, attempts, next_attempt_at: next }) {
  if (state === "failed") return html`<span class="trouble" title=${lastLine(error)}>${lastLine(error)}</span>`;
  if (state === "dead") return html`<span class="trouble" title=${lastLine(error)}>${lastLine(error)}</span>`;
  if (state === "received") return next ? html`Due ${time(next)}` : "In hand";
  if (state === "unmatched") return "Waits for its conversation";
  return attempts > 1 ? `After ${attempts} tries` : nothing;
}
