/** All events as they come in. */
import { hangBell } from "../bell.js";
import { firstRun, senderFacts } from "../events/first-run.js";
import { createList } from "../events/list.js";
import { createPace } from "../events/pace.js";
import { watchReading } from "../events/reading.js";
import { createSource } from "../events/source.js";
import { eventsView } from "../events/view.js";
import { render } from "../ui.js";

const ANNOUNCE_MS = 10_000;
const SEARCH_MS = 30_000;
const FIRST_MS = 2_000;
const IDLE_MS = 10_000;

export const page = { title: "Events", open };

function open(place) {
  const { root, signal } = place;
  const source = createSource(place);
  const state = { isPaused: false, senders: null };
  const filterNow = () => filterOf(place, source.names);
  const isReading = watchReading(root, { signal, onEnd: release });
  const events = createList({ read: source.read, signal, onChange: draw, isHeld: () => state.isPaused || isReading() });
  const announce = announcer(place);
  const pace = createPace(look, { signal, idle: idleOf });

  function draw() {
    const { list } = events;
    const isFirst = place.person.isAdmin && list.isComplete && !list.error && !list.rows.length && !Object.keys(filterNow()).length;
    if (isFirst && !state.senders) learnSenders();
    const actions = { more: events.more, retry: reload, release: show, pause };
    render(eventsView({ place, source, list, state, actions, first: isFirst ? firstRun(place, state.senders) : null }), root);
  }

  async function learnSenders() {
    state.senders = { isLoading: true };
    state.senders = await senderFacts(place);
    if (!signal.aborted) draw();
  }

  async function look() {
    try {
      announce(await events.refresh());
    } catch (error) {
      // The rows stay; the next look may go well. A list that has none shows the error itself.
      if (error.name !== "AbortError") console.debug(error);
    }
  }

  function release() {
    if (state.isPaused || !events.list.waiting.length) return;
    events.release();
    draw();
  }

  function show() {
    state.isPaused = false;
    scrollTo(0, 0);
    events.release();
    draw();
    root.querySelector("h1").focus({ preventScroll: true });
  }

  function pause() {
    state.isPaused = !state.isPaused;
    if (state.isPaused) draw();
    else show();
  }

  function idleOf() {
    if (events.list.isComplete && !events.list.rows.length) return FIRST_MS;
    return filterNow().text ? SEARCH_MS : IDLE_MS;
  }

  const reload = () => events.load(filterNow());
  place.onQuery(reload);
  hangBell(place, () => filterNow().text || pace.soon());
  reload();
}

function filterOf({ query }, names) {
  const told = names.map((name) => [name, query.get(name)]);
  return Object.fromEntries(told.filter(([, value]) => value));
}

/** Tell those who do not see the list how many events are new, not too often. */
function announcer({ announce }) {
  let count = 0;
  let last = -Infinity;
  return (added) => {
    count += added;
    if (!count || performance.now() - last < ANNOUNCE_MS) return;
    announce(count === 1 ? "1 new event" : `${count} new events`);
    [count, last] = [0, performance.now()];
  };
}
