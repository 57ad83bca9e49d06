/** A conversation as it happens. Knows no page, so any client can use it. */
import { createEvents } from "./events.js";
import { oneAtATime } from "./flight.js";

const LIVE_READ_MS = 30_000;
const POLL_MS = 10_000;
const RETRY_MS = 2_000;
const RESERVED = /[,()"\\\s]/;

/**
 * Follow a conversation until the signal is aborted.
 *
 * `onEvents(rows, {isHistory})` gets each event once; `onConversation(row)` its row when it changes (null: too
 * large, read it); `onCaughtUp()` follows every complete read; `onStatus` gets connecting, live, reconnecting or polling.
 */
export function follow(client, conversationId, { signal, onEvents, onConversation, onCaughtUp, onStatus }) {
  const state = { isOpen: false, isComplete: false, opened: 0, failures: 0, polls: 0 };
  const timers = {};
  const topic = `webhook-events-${conversationId}`;
  let channel = null;
  const events = createEvents(client, conversationId, { signal, onEvents });

  const read = oneAtATime(async () => {
    const { opened } = state;
    try {
      await events.catchUp();
      if (!signal.aborted) succeed(opened);
    } catch {
      Object.assign(state, { failures: state.failures + 1, polls: 0 });
    }
    report();
    after(delayOf(state), "read", poll);
  });

  function succeed(opened) {
    state.failures = 0;
    // A read that began before the stream did says nothing of what came in between.
    if (state.isOpen && opened === state.opened) state.isComplete = true;
    onCaughtUp();
  }

  function poll() {
    if (!state.isOpen && !state.failures) state.polls += 1;
    read();
  }

  function after(delay, name, task) {
    clearTimeout(timers[name]);
    if (!signal.aborted) timers[name] = setTimeout(task, delay);
  }

  function report() {
    if (!signal.aborted) onStatus(statusOf(state));
  }

  async function subscribe() {
    channel = null;
    await leave(client, topic);
    // A channel is joined with the token that is there by then; without one it would see nothing.
    await client.realtime.setAuth().catch(() => {});
    if (!signal.aborted) channel = join(client, topic, conversationId, { onEvent, onRow, onSystem, onJoin });
  }

  // The join is answered seconds before the stream starts; only `system` says that it has.
  function onSystem({ extension, status }) {
    if (extension !== "postgres_changes") return;
    if (status !== "ok") return lose(POLL_MS);
    clearTimeout(timers.rejoin);
    Object.assign(state, { isOpen: true, isComplete: false, opened: state.opened + 1, polls: 0 });
    read();
  }

  // After an error the client joins again by itself, but not when the server has closed the channel.
  function onJoin(status, from) {
    if (status === "SUBSCRIBED" || from !== channel) return;
    lose(status === "CLOSED" ? RETRY_MS : null);
  }

  function lose(rejoinDelay) {
    if (state.isOpen) after(POLL_MS, "read", poll);
    Object.assign(state, { isOpen: false, isComplete: false });
    report();
    if (rejoinDelay) after(rejoinDelay, "rejoin", subscribe);
  }

  function onEvent(change) {
    events.receive(change).catch(read);
  }

  function onRow({ new: row, errors }) {
    if (signal.aborted || !row?.id) return;
    onConversation(errors?.length ? null : row);
    // Events that came before the conversation was known can be read from now on.
    if (!events.count()) read();
  }

  function stop() {
    Object.values(timers).forEach(clearTimeout);
    leave(client, topic);
  }

  signal.addEventListener("abort", stop);
  report();
  read();
  subscribe();
  const { readEarlier, hasEarlier } = events;
  return { refresh: read, readEarlier, hasEarlier };
}

function join(client, topic, conversationId, { onEvent, onRow, onSystem, onJoin }) {
  const only = { schema: "public", filter: `conversation_id=eq.${quoted(conversationId)}` };
  const channel = client
    .channel(topic)
    .on("postgres_changes", { event: "INSERT", table: "processed_webhook_events", ...only }, onEvent)
    .on("postgres_changes", { event: "*", table: "conversations", ...only }, onRow)
    .on("system", {}, onSystem);
  return channel.subscribe((status) => onJoin(status, channel));
}

// The client knows one channel per topic, and one that was left cannot be joined again.
async function leave(client, topic) {
  const left = client.getChannels().filter((channel) => channel.subTopic === topic);
  await Promise.all(left.map((channel) => client.removeChannel(channel)));
}

function quoted(value) {
  return RESERVED.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : value;
}

function statusOf({ isComplete, polls, opened, failures }) {
  if (isComplete) return "live";
  if (polls) return "polling";
  return opened || failures > 1 ? "reconnecting" : "connecting";
}

function delayOf({ failures, isOpen }) {
  if (failures) return Math.min(failures * RETRY_MS, POLL_MS);
  return isOpen ? LIVE_READ_MS : POLL_MS;
}
