/** The page of a conversation, drawn from what is known of it. */
import { badge, copyButton, emptyState, errorState, html, icon, loading, nothing } from "../ui.js";
import { aboutView } from "./about.js";
import { isFound } from "./records.js";
import { KINDS, counts } from "./timeline.js";
import { timelineView } from "./timeline-view.js";

/** Return the page. `state` is what pages/conversation.js keeps, `choice` what the address says, `actions` what may be done. */
export const conversationView = (state, choice, actions) => html`
  <a class="crumb" href="/dashboard/conversations">${icon("back")}Conversations</a>
  ${headView(state)} ${state.error ? errorState(state.error, state.retry) : nothing} ${bodyView(state, choice, actions)}
`;

function headView({ records, address }) {
  const row = records?.conversation;
  const id = records?.conversationId ?? row?.conversation_id ?? address;
  const isKnown = records && isFound(records);
  return html`<header class="head">
    <h1>${row?.conversation_name || "Conversation"}</h1>
    ${badge(row?.status)} <span class="spacer"></span>
    ${isKnown ? html`<a class="button" href="/dashboard/events?conversation_id=${encodeURIComponent(id)}">Its events</a>` : nothing}
    ${row?.conversation_id ? html`<a class="button" href="/live/${encodeURIComponent(id)}">Live page</a>` : nothing}
    <p class="hint its-id"><code>${id}</code> ${isKnown ? copyButton(id) : nothing}</p>
  </header>`;
}

function bodyView(state, choice, actions) {
  const { records, error } = state;
  if (records && isFound(records)) return foundView(state, choice, actions);
  if (records?.isReady) return notFound();
  return error ? nothing : loading(8);
}

const foundView = (state, choice, actions) => html`
  ${state.records.isReady && !state.records.conversation ? unknownNote(state.records.conversationId) : nothing}
  <div class="talk">
    <div class="stack about">${aboutView(state.records, { ...state, ...actions })}</div>
    <section class="card course" aria-labelledby="course-title">
      <div class="card-head">
        <h2 id="course-title">Timeline</h2>
        <span class="spacer"></span>
        <button type="button" class="quiet" aria-pressed=${String(choice.isNewestFirst)} @click=${actions.turn}>Newest first</button>
      </div>
      ${kindsView(state.entries, choice.kinds, actions.choose)} ${courseView(state, choice, actions)}
    </section>
  </div>
`;

const notFound = () =>
  emptyState({
    title: "Conversation not found",
    text: "There is none with this id, or it belongs to somebody else. Should it begin, it appears here by itself.",
    action: html`<a class="button" href="/dashboard/conversations">All conversations</a>`,
  });

const unknownNote = (id) => html`<p class="notice">
  No conversation of this id is known here yet. What came for it is kept, and takes effect as soon as the conversation is
  created. <a href="/dashboard/events?state=unmatched&conversation_id=${encodeURIComponent(id)}">Events that wait</a>
</p>`;

function kindsView(entries, chosen, choose) {
  const found = counts(entries);
  const present = Object.keys(KINDS).filter((kind) => found[kind] || chosen.has(kind));
  return html`<div class="chips" role="group" aria-label="Kinds">
    ${chip("All", entries.length, !chosen.size, () => choose(null))}
    ${present.map((kind) => chip(KINDS[kind], found[kind], chosen.has(kind), () => choose(kind)))}
  </div>`;
}

const chip = (label, count, isChosen, onClick) =>
  html`<button type="button" class="chip" aria-pressed=${String(isChosen)} @click=${onClick}>${label} <span>${count}</span></button>`;

function courseView({ records, entries, fresh, open }, { kinds, isNewestFirst }, { onToggle }) {
  const shown = kinds.size ? entries.filter(({ kind }) => kinds.has(kind)) : entries;
  if (!shown.length) return records.isReady ? html`<p class="hint">Nothing of this kind has happened yet.</p>` : loading(5);
  return timelineView(isNewestFirst ? shown.toReversed() : shown, { fresh, open, onToggle });
}
