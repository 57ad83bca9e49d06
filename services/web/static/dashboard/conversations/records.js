/** All that is known of one conversation, and what it is told meanwhile. */
import { watchConversation, watchRows } from "/static/convohooks.js";
import { createMessages } from "./messages.js";
import { isUuid, quoted, rowsOf } from "../reads.js";
import { NO_RECORDS } from "./timeline.js";

const DELIVERIES = 200;
const EVENTS = 500;
// What an event says of a message or a tool their own rows say better, and they are read when it comes.
const TOLD_BY_ROWS = /message|utterance|tool/;
const GRACE_MS = 2500;
const RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;

/**
 * Follow a conversation by its id here or its sender's until the signal is aborted. `onChange(records)` gets what is known:
 * `isReady` says that there is a first sight of it, `isSettled` that all was read that had happened before.
 * `onStatus(status, of)` hears of the live connections.
 */
export function followConversation(client, address, { signal, onChange, onStatus, onError }) {
  const records = { ...NO_RECORDS, conversationId: null, isReady: false, isSettled: false };
  const watches = new Map();

  function know(change) {
    if (signal.aborted) return;
    Object.assign(records, change);
    onChange(records);
  }

  function keep(name, watch) {
    if (signal.aborted) watch.stop();
    else watches.set(name, watch);
  }

  async function start() {
    const row = await locate(client, address, signal);
    if (signal.aborted) return;
    take(row);
    if (!row || row.conversation_id) talk(row?.conversation_id ?? address);
    else awaitName(row);
  }

  function take(row) {
    if (!row) return;
    if (!watches.has("deliveries")) deliver(row.id);
    know({ conversation: row });
  }

  function talk(conversationId) {
    know({ conversationId });
    const messages = createMessages(client, conversationId, { signal, onMessages: (messages) => know({ messages }), onError });
    const handlers = {
      onEvents,
      // Null once it is gone.
      onConversation: (row) => (row ? take(row) : know({ conversation: null })),
      onMessages: messages.take,
      // They are read after the messages: now no event is taken for what these say better.
      onToolCalls: (toolCalls) => know({ toolCalls, isReady: true }),
      onQualification: (qualification) => know({ qualification }),
      onFeedback: (feedback) => know({ feedback }),
      onError,
      onStatus(status) {
        onStatus(status, "conversation");
        if (isSettling || !["live", "polling"].includes(status)) return;
        isSettling = true;
        settle(watch, messages);
      },
    };
    let isSettling = false;
    const watch = watchConversation(client, conversationId, handlers, { pageSize: EVENTS });
    keep("talk", watch);
  }

  function onEvents(rows, { isHistory }) {
    const isLater = (row) => !isHistory && TOLD_BY_ROWS.test(row.event_type ?? "");
    const later = rows.filter(isLater);
    know({ events: [...records.events, ...rows.filter((row) => !isLater(row))] });
    if (later.length) setTimeout(() => know({ events: [...records.events, ...later] }), GRACE_MS);
  }

  // A timeline with gaps would mislead: what came earlier is read to its end, however often that fails.
  async function settle(watch, messages) {
    await messages.whenComplete();
    for (let failures = 0; watch.hasEarlier && watch.status !== "stopped"; ) {
      try {
        await watch.readEarlier();
        failures = 0;
      } catch (error) {
        onError(error);
        failures += 1;
        await pause(Math.min(failures * RETRY_MS, LONGEST_RETRY_MS));
      }
    }
    know({ isSettled: true });
  }

  function deliver(rowId) {
    const asked = { column: "conversation_id", value: rowId, orderBy: "created_at", pageSize: DELIVERIES };
    const onRows = (deliveries) => know({ deliveries });
    keep("deliveries", watchRows(client, "webhook_deliveries", { onRows, onError, onStatus: (status) => onStatus(status, "deliveries") }, asked));
  }

  // Our row comes first, and its sender's name for it later.
  function awaitName(row) {
    const onRows = ([found]) => {
      if (!found) return;
      take(found);
      if (!found.conversation_id || watches.has("talk")) return;
      watches.get("row")?.stop();
      talk(found.conversation_id);
    };
    const asked = { column: "id", value: row.id, orderBy: "created_at", pageSize: 1 };
    keep("row", watchRows(client, "conversations", { onRows, onError, onStatus: (status) => onStatus(status, "conversation") }, asked));
    know({ isReady: true, isSettled: true });
  }

  signal.addEventListener("abort", () => watches.forEach((watch) => watch.stop()));
  return start();
}

/** Tell whether anything at all is known of a conversation. */
export function isFound(records) {
  const lists = ["events", "messages", "toolCalls", "qualification"];
  return Boolean(records.conversation) || lists.some((name) => records[name].length > 0);
}

function pause(delay) {
  return new Promise((resolve) => setTimeout(resolve, delay));
}

async function locate(client, address, signal) {
  const named = `conversation_id.eq.${quoted(address)}`;
  const rows = client.from("conversations").select("*").or(isUuid(address) ? `id.eq.${address},${named}` : named);
  const found = await rowsOf(rows.limit(2).abortSignal(signal));
  return found.find((row) => row.conversation_id === address) ?? found[0] ?? null;
}
