/** One event, read again while something is to become of it. */
import { parseBig } from "../json.js";
import { isAway } from "../trouble.js";
import { confirm } from "../ui.js";

const SOON_MS = 1_000;
const LATER_MS = 5_000;
const PATIENCE_MS = 20_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Return {state, load, replay}: `state` holds event (admins), or shown (its row that browsers see), or error. */
export function watchEvent({ params, api, client, person, signal, announce }, onChange) {
  const state = { event: null, shown: null, error: null, replay: null };
  const address = `/api/webhook-events/${params.id}`;
  let timer = null;

  async function load() {
    clearTimeout(timer);
    try {
      if (!UUID.test(params.id)) throw missing();
      if (person.isAdmin) await loadStored();
      else state.shown = await shownRow();
      state.error = null;
    } catch (error) {
      if (signal.aborted) return;
      state.error = error;
    }
    if (signal.aborted) return;
    onChange();
    lookAgain();
  }

  async function loadStored() {
    const event = await api.get(address, {}, { signal, parse: parseBig }).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
    if (!event) {
      state.shown = await shownRow();
      return;
    }
    state.event = event;
    document.title = `${event.event_type} · Convohooks`;
    tell(event);
  }

  async function shownRow() {
    const { data, error, status } = await client.from("processed_webhook_events").select("*").eq("id", params.id).abortSignal(signal);
    if (error) throw Object.assign(new Error(error.message), { status, title: "The event cannot be read" });
    if (!data.length) throw missing();
    document.title = `${data[0].event_type} · Convohooks`;
    return data[0];
  }

  // An error keeps what was read before: only the next look tells more.
  function lookAgain() {
    if (signal.aborted) return;
    if (!state.event && !state.shown && state.error && isAway(state.error)) timer = setTimeout(load, LATER_MS);
    if (!state.event) return;
    if (state.replay?.isRunning) timer = setTimeout(load, SOON_MS);
    else if (state.error || ["received", "failed", "unmatched"].includes(state.event.state)) timer = setTimeout(load, LATER_MS);
  }

  function tell({ state: now, attempts }) {
    const { replay } = state;
    if (!replay?.isRunning) return;
    // Attempts are counted when they begin: only another state says that one has ended.
    const isTried = now !== "received" && (!replay.doubt || attempts > replay.attempts);
    const isLate = performance.now() - replay.began > PATIENCE_MS;
    if (isTried) Object.assign(replay, { isRunning: false, outcome: now });
    else if (isLate && replay.doubt && now !== "received") Object.assign(replay, { isRunning: false, error: replay.doubt });
    else replay.isSlow = isLate;
    if (isTried) announce(`The event is ${now} now.`);
  }

  async function replay() {
    if (state.replay?.isRunning || !(await confirm(QUESTION))) return;
    state.replay = { isRunning: true, attempts: state.event.attempts, began: performance.now(), doubt: null };
    onChange();
    try {
      await api.post(`/api/webhook-events/${state.event.id}/replay`, {}, { signal });
    } catch (error) {
      if (signal.aborted) return;
      // Whose answer was lost may have been done all the same: the event itself tells.
      if (error.status && error.status < 500) state.replay = { isRunning: false, error };
      else state.replay.doubt = error;
    }
    await load();
  }

  signal.addEventListener("abort", () => clearTimeout(timer));
  return { state, load, replay };
}

const QUESTION = {
  title: "Replay this event?",
  text: "Its handler runs again on the stored body, and what it writes is written once more. Rows that are there already stay as they are: an event is never counted twice.",
  action: "Replay",
};

const missing = () => Object.assign(new Error("There is no such event."), { status: 404, title: "Not found" });
