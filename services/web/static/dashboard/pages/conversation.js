/** One conversation: what is known of it, and its course from the first event to the last, as it happens. */
import { followConversation } from "../conversations/records.js";
import { KINDS, timeline } from "../conversations/timeline.js";
import { conversationView } from "../conversations/view.js";
import { render } from "../ui.js";

const PAUSE_MS = 40;
const NEAR = 120;

export const page = { title: "Conversation", open };

function open(place) {
  const { client, person, params, signal } = place;
  const state = { address: params.id, isAdmin: person.isAdmin, records: null, entries: [], error: null, retry: null, open: new Set(), isRawOpen: false };
  const novelty = createNovelty(place);
  const actions = { ...actionsOf(place, state, show), ...choicesOf(place) };
  let timer = null;

  function show() {
    timer = null;
    if (signal.aborted) return;
    const { records } = state;
    if (records?.isReady) novelty.note((state.entries = timeline(records)), records.isSettled);
    const choice = choiceOf(place);
    const follows = isNearEnd() && novelty.fresh.size && !choice.isNewestFirst;
    render(conversationView({ ...state, fresh: novelty.fresh }, choice, actions), place.root);
    if (follows) scrollTo({ top: document.body.scrollHeight });
  }

  // Much comes at once, and is drawn once.
  const later = () => (timer ??= setTimeout(show, PAUSE_MS));

  function onChange(records) {
    Object.assign(state, { records, error: records.isReady ? null : state.error });
    later();
  }

  // What fails later is tried again, and the status says so.
  function onError(error) {
    if (!state.records?.isReady) state.error = error;
    later();
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

  place.onQuery(show);
  signal.addEventListener("abort", () => clearTimeout(timer));
  return start();
}

/** Return {note, fresh}: once all was read, what comes in is new to whoever looks on. */
function createNovelty({ announce }) {
  const known = new Set();
  const fresh = new Set();
  let isWatching = false;

  function note(entries, isSettled) {
    const unseen = entries.filter(({ key }) => !known.has(key));
    for (const { key } of unseen) {
      known.add(key);
      if (isWatching) fresh.add(key);
    }
    if (isWatching && unseen.length) announce(unseen.length === 1 ? "One new entry" : `${unseen.length} new entries`);
    isWatching = isSettled;
  }

  return { note, fresh };
}

function choiceOf({ query }) {
  const kinds = (query.get("kind") ?? "").split(",").filter((kind) => Object.hasOwn(KINDS, kind));
  return { kinds: new Set(kinds), isNewestFirst: query.get("order") === "newest" };
}

/** Return what changes the address. */
function choicesOf(place) {
  return {
    choose: (kind) => place.setQuery({ kind: kind && toggled(choiceOf(place).kinds, kind) }),
    turn: () => place.setQuery({ order: choiceOf(place).isNewestFirst ? null : "newest" }),
  };
}

/** Return what changes the page alone. */
function actionsOf(place, state, show) {
  return {
    onToggle(key, isOpen) {
      if (state.open.has(key) === isOpen) return;
      state.open[isOpen ? "add" : "delete"](key);
      show();
    },
    onRaw(isOpen) {
      if (state.isRawOpen === isOpen) return;
      state.isRawOpen = isOpen;
      show();
    },
    onLine(number) {
      const { kinds } = choiceOf(place);
      if (kinds.size && !kinds.has("said")) place.setQuery({ kind: toggled(kinds, "said") });
      const line = place.root.querySelector(`[data-line="${Number(number)}"]`);
      line?.scrollIntoView({ block: "center" });
      line?.focus({ preventScroll: true });
    },
  };
}

function toggled(chosen, kind) {
  const next = new Set(chosen);
  if (!next.delete(kind)) next.add(kind);
  return [...next].join(",");
}

function isNearEnd() {
  return scrollY > 0 && document.documentElement.scrollHeight - scrollY - innerHeight < NEAR;
}
