/** One conversation: what is known of it, and its course from the first event to the last, as it happens. */
import { aboutView } from "../conversation-about.js";
import { followConversation, isFound } from "../conversation-records.js";
import { KINDS, counts, timeline } from "../timeline.js";
import { timelineView } from "../timeline-view.js";
import { badge, copyButton, emptyState, errorState, html, icon, loading, nothing, render } from "../ui.js";

const PAUSE_MS = 40;
const NEAR = 120;

export const page = { title: "Conversation", open };

function open(place) {
  const { client, person, params, signal } = place;
  const state = { records: null, error: null, entries: [], fresh: new Set(), open: new Set(), isSettled: false, isRawOpen: false };
  const known = new Set();
  let timer = null;

  const later = () => (timer ??= setTimeout(show, PAUSE_MS));

  function show() {
    timer = null;
    if (signal.aborted) return;
    if (state.records) note(state.records);
    const wasAtEnd = isNearEnd();
    render(view(), place.root);
    if (wasAtEnd && state.fresh.size && !isNewestFirst()) scrollTo({ top: document.body.scrollHeight });
  }

  // What comes in once all was read is new to whoever looks on.
  function note(records) {
    state.entries = records.isReady ? timeline(records) : [];
    const unseen = state.entries.filter(({ key }) => !known.has(key));
    unseen.forEach(({ key }) => known.add(key));
    if (!state.isSettled) {
      state.isSettled = records.isSettled;
      return;
    }
    unseen.forEach(({ key }) => state.fresh.add(key));
    if (unseen.length) place.announce(unseen.length === 1 ? "One new entry" : `${unseen.length} new entries`);
  }

  const view = () => html`
    <a class="crumb" href="/dashboard/conversations">${icon("back")}Conversations</a>
    ${headView(state.records, params.id)} ${state.error ? errorState(state.error, state.retry) : nothing} ${bodyView()}
  `;

  function bodyView() {
    const { records, error } = state;
    if (!records || (!isFound(records) && !records.isReady)) return error ? nothing : loading(8);
    return isFound(records) ? foundView(records) : notFound();
  }

  const foundView = (records) => html`
    ${!records.conversation && records.isReady ? unknownNote(records.conversationId) : nothing}
    <div class="talk">
      <div class="stack about">${aboutView(records, { isAdmin: person.isAdmin, onLine: goToLine, isRawOpen: state.isRawOpen, onRaw })}</div>
      <section class="card course" aria-labelledby="course-title">
        <div class="card-head"><h2 id="course-title">Timeline</h2><span class="spacer"></span>${orderView()}</div>
        ${kindsView(counts(state.entries))} ${courseView(records)}
      </section>
    </div>
  `;

  function courseView({ isReady }) {
    const entries = shown();
    if (!entries.length) return isReady ? html`<p class="hint">Nothing of this kind has happened yet.</p>` : loading(5);
    return timelineView(isNewestFirst() ? entries.toReversed() : entries, { fresh: state.fresh, open: state.open, onToggle });
  }

  function kindsView(found) {
    const chosen = kinds();
    const present = Object.keys(KINDS).filter((kind) => found[kind] || chosen.has(kind));
    return html`<div class="chips" role="group" aria-label="Kinds">
      ${chip("All", state.entries.length, !chosen.size, () => place.setQuery({ kind: null }))}
      ${present.map((kind) => chip(KINDS[kind], found[kind], chosen.has(kind), () => place.setQuery({ kind: toggled(chosen, kind) })))}
    </div>`;
  }

  const orderView = () =>
    html`<button type="button" class="quiet" aria-pressed=${String(isNewestFirst())}
      @click=${() => place.setQuery({ order: isNewestFirst() ? null : "newest" })}>Newest first</button>`;

  const kinds = () => new Set((place.query.get("kind") ?? "").split(",").filter((kind) => Object.hasOwn(KINDS, kind)));
  const isNewestFirst = () => place.query.get("order") === "newest";

  function shown() {
    const chosen = kinds();
    return chosen.size ? state.entries.filter(({ kind }) => chosen.has(kind)) : state.entries;
  }

  function onToggle(key, isOpen) {
    if (state.open.has(key) === isOpen) return;
    state.open[isOpen ? "add" : "delete"](key);
    show();
  }

  function onRaw(isOpen) {
    if (state.isRawOpen === isOpen) return;
    state.isRawOpen = isOpen;
    show();
  }

  function goToLine(number) {
    const chosen = kinds();
    if (chosen.size && !chosen.has("said")) place.setQuery({ kind: toggled(chosen, "said") });
    const line = place.root.querySelector(`[data-line="${Number(number)}"]`);
    line?.scrollIntoView({ block: "center" });
    line?.focus({ preventScroll: true });
  }

  async function start() {
    Object.assign(state, { error: null, retry: null });
    show();
    try {
      await followConversation(client, params.id, { signal, onChange, onStatus: place.showStatus, onError });
    } catch (error) {
      Object.assign(state, { error, retry: start });
      later();
    }
  }

  // What fails later is tried again, and the status says so.
  function onError(error) {
    if (!state.records?.isReady) state.error = error;
    later();
  }

  function onChange(records) {
    state.records = records;
    if (records.isReady) state.error = null;
    later();
  }

  place.onQuery(show);
  signal.addEventListener("abort", () => clearTimeout(timer));
  return start();
}

const headView = (records, id) => {
  const row = records?.conversation;
  const name = records?.conversationId ?? row?.conversation_id ?? id;
  const isKnown = records && isFound(records);
  return html`<header class="head">
    <h1>${row?.conversation_name || "Conversation"}</h1>
    ${badge(row?.status)} <span class="spacer"></span>
    ${isKnown ? html`<a class="button" href="/dashboard/events?conversation_id=${encodeURIComponent(name)}">Its events</a>` : nothing}
    ${row?.conversation_id ? html`<a class="button" href="/live/${encodeURIComponent(row.conversation_id)}">Live page</a>` : nothing}
    <p class="hint"><code>${name}</code> ${isKnown ? copyButton(name) : nothing}</p>
  </header>`;
};

const unknownNote = (id) => html`<p class="notice">
  No conversation of this id is known here yet. What came for it is kept, and takes effect as soon as the conversation is
  created. <a href="/dashboard/events?state=unmatched&conversation_id=${encodeURIComponent(id)}">Events that wait</a>
</p>`;

const notFound = () =>
  emptyState({
    title: "Conversation not found",
    text: "There is none with this id, or it belongs to somebody else. Should it begin, it appears here by itself.",
    action: html`<a class="button" href="/dashboard/conversations">All conversations</a>`,
  });

const chip = (label, count, isChosen, onClick) =>
  html`<button type="button" class="chip" aria-pressed=${String(isChosen)} @click=${onClick}>${label} <span>${count}</span></button>`;

function toggled(chosen, kind) {
  const next = new Set(chosen);
  if (!next.delete(kind)) next.add(kind);
  return [...next].join(",");
}

function isNearEnd() {
  return scrollY > 0 && document.documentElement.scrollHeight - scrollY - innerHeight < NEAR;
}
