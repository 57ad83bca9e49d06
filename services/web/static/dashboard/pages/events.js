/** All events as they come in. */
import { hangBell } from "../bell.js";
import { firstRun, senderFacts } from "../events/first-run.js";
import { createList } from "../events/list.js";
import { createPace } from "../events/pace.js";
import { watchReading } from "../events/reading.js";
import { createSource } from "../events/source.js";
import { STATES, eventsView } from "../events/view.js";
import { filtersOf } from "../filters.js";
import { told } from "../trouble.js";
import { render } from "../ui.js";

const ANNOUNCE_MS = 10_000;
const SEARCH_MS = 30_000;
const FIRST_MS = 2_000;
const IDLE_MS = 10_000;
const AGAIN_MS = 5_000;

export const page = { title: "Events", open };

function open(place) {
  const { root, signal } = place;
  const source = createSource(place);
  const state = { isPaused: false, isFailing: false, senders: null };
  const filters = () => filtersOf(place.query, source.names, { state: STATES });
  const filterNow = () => filters().filter;
  const isReading = watchReading(root, { signal, onEnd: release });
  const events = createList({ read: told(place, source.read), signal, onChange: draw, isHeld: () => state.isPaused || isReading() });
  const announce = announcer(place);
  const pace = createPace(look, { signal, idle: idleOf });

  function draw() {
    const { list } = events;
    const { filter, ignored } = filters();
    const isFirst = place.person.isAdmin && list.isComplete && !list.error && !list.rows.length && !Object.keys(filter).length;
    if (isFirst && !state.senders) learnSenders();
    const actions = { more: events.more, retry: reload, release: show, pause };
    render(eventsView({ place, source, list, state, actions, ignored, first: isFirst ? firstRun(place, state.senders) : null }), root);
  }

  async function learnSenders() {
    state.senders = { isLoading: true };
    state.senders = await senderFacts(place);
    if (!signal.aborted) draw();
  }

  async function look() {
    try {
      announce(await events.refresh());
      state.isFailing = Boolean(events.list.error);
    } catch (error) {
      // The rows stay, and the shell says of when they are; the next look may go well.
      state.isFailing = true;
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
    if (state.isFailing) return AGAIN_MS;
    if (events.list.isComplete && !events.list.rows.length) return FIRST_MS;
    return filterNow().text ? SEARCH_MS : IDLE_MS;
  }

  const reload = () => events.load(filterNow());
  place.onQuery(reload);
  hangBell(place, () => filterNow().text || pace.soon());
  reload();
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
