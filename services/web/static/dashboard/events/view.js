/** The page of all events. */
import { errorState, emptyState, filterForm, html, icon, loading, nothing, pager, table, time } from "../ui.js";
import { ignoredNote } from "../filters.js";
import { newsOf } from "./list.js";
import { INBOX, STREAM } from "./rows.js";

/** The states of an event of the inbox. */
export const STATES = ["received", "processed", "ignored", "unmatched", "failed", "dead"];
const KNOWN_SOURCES = ["calendly", "stripe", "tavus", "twilio"];

/** Return the page: `first` stands in for an empty list that is not filtered. */
export function eventsView({ place, source, list, state, actions, first, ignored }) {
  return html`<header class="head">
      <h1>Events</h1>
      <span class="spacer"></span>
      ${first ? nothing : pauseButton(state, actions)}
    </header>
    ${first ? nothing : filterForm(place, fieldsOf(source, list, place), { label: "Filter events" })} ${ignoredNote(ignored)} ${pill(list, actions)}
    <div class="events" aria-busy=${String(list.isLoading)}>${first ?? body({ place, list, actions })}</div>`;
}

const pauseButton = ({ isPaused }, { pause }) =>
  html`<button type="button" aria-pressed=${String(isPaused)} @click=${pause}>${icon(isPaused ? "play" : "pause")}${isPaused ? "Resume" : "Pause"}</button>`;

// Above the page, so that nothing moves when it comes.
const pill = (list, { release }) =>
  list.waiting.length
    ? html`<div class="pill-place"><button type="button" class="main pill" @click=${release}>${newsOf(list)} new ${newsOf(list) === "1" ? "event" : "events"}</button></div>`
    : nothing;

function body({ place, list, actions }) {
  if (list.error && !list.rows.length) return errorState(list.error, actions.retry);
  if (!list.isComplete) return loading(12);
  return html`${list.error ? errorState(list.error, actions.retry) : nothing} ${rows(place, list)}
    ${list.searchedTo ? html`<p class="hint searched">Searched back to ${time(list.searchedTo)}.</p>` : nothing}
    ${pager({ hasMore: list.next !== null, more: actions.more, isLoading: list.isLoading, label: list.searchedTo ? "Search further back" : "Show earlier events" })}`;
}

function rows({ person, query }, list) {
  const isFiltered = query.size > 0;
  const empty = isFiltered
    ? emptyState({ title: "No event matches", text: "New ones appear here as they come in." })
    : emptyState({ title: "No events yet", text: "Events of your conversations appear here as they happen." });
  return table({
    caption: "Events, newest first",
    columns: person.isAdmin ? INBOX : STREAM,
    rows: list.rows,
    rowClass: ({ id }) => (list.fresh.has(id) ? "is-new" : ""),
    class: person.isAdmin ? "event-table" : "event-table of-stream",
    empty,
  });
}

function fieldsOf({ names }, { rows: shown }, { query }) {
  const seen = (name) => [...new Set([...shown.map((row) => row[name]), query.get(name)].filter(Boolean))].sort();
  const sources = [...new Set([...KNOWN_SOURCES, ...seen("source")])].sort();
  const fields = [
    { name: "text", label: "Text in the body", type: "search" },
    { name: "source", label: "Source", type: "select", options: [["", "All"], ...sources] },
    { name: "event_type", label: "Event", type: "search", suggestions: seen("event_type") },
    { name: "state", label: "State", type: "select", options: [["", "All"], ...STATES.map((name) => [name, name])] },
    { name: "conversation_id", label: "Conversation", type: "search" },
    { name: "since", label: "From", type: "datetime" },
    { name: "until", label: "To", type: "datetime" },
  ];
  return fields.filter(({ name }) => names.includes(name));
}
