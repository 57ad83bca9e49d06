/** The call itself, for the person whose conversation it is: its room in a frame, and what is heard there relayed. */
import { byId } from "./dom.js";
import { createRelay, createShelf } from "./relay.js";

const DAILY = new URL("./vendor/daily-js-0.92.2.js", import.meta.url);
const ROOMS = /(^|\.)daily\.co$/;
const KEPT_ALIVE = 60_000;
const OVER = ["ended", "completed", "failed"];

/** Return the call of a conversation; `update(row)` says what is known of it. */
export function createCall(client, conversationId, personId, { signal }) {
  const parts = { card: byId("call"), room: byId("call-room"), join: byId("join-call"), problem: byId("call-problem") };
  const relay = createRelay({
    post: (messages) => post(client, conversationId, messages, signal),
    shelf: createShelf(`relay:${personId}:${conversationId}`),
    signal,
  });
  let address = null;
  let frame = null;

  function update(row) {
    address = row?.user_id === personId && !OVER.includes(row.status) ? roomAddress(row.conversation_url) : null;
    show();
  }

  function show() {
    parts.card.hidden = !address && !frame;
    parts.room.hidden = !frame;
    parts.join.hidden = Boolean(frame);
  }

  async function join() {
    parts.join.disabled = true;
    say("");
    try {
      const daily = await loadDaily();
      if (signal.aborted) return;
      frame = openRoom(daily, parts.room, { onMessage: relay.take, onLeft: leave, onError: fail });
      show();
      await frame.join({ url: address });
    } catch {
      fail();
    } finally {
      parts.join.disabled = false;
    }
  }

  function leave() {
    frame?.destroy().catch(() => {});
    frame = null;
    // Camera and microphone are off at once, also when the room does not answer.
    parts.room.replaceChildren();
    relay.flush();
    show();
  }

  function fail() {
    leave();
    if (!signal.aborted) say("The call cannot be joined.");
  }

  function say(text) {
    parts.problem.textContent = text;
    parts.problem.hidden = !text;
  }

  const sendRest = () => document.visibilityState === "hidden" && relay.flush();
  parts.join.addEventListener("click", join, { signal });
  window.addEventListener("online", relay.flush, { signal });
  document.addEventListener("visibilitychange", sendRest, { signal });
  signal.addEventListener("abort", () => {
    address = null;
    say("");
    leave();
  });
  show();
  return { update };
}

function openRoom(daily, place, { onMessage, onLeft, onError }) {
  const room = daily.createFrame(place, {
    showLeaveButton: true,
    // One that was left may not be gone yet.
    allowMultipleCallInstances: true,
    iframeStyle: { width: "100%", height: "100%", border: "0" },
  });
  room.on("app-message", ({ data }) => onMessage(data));
  room.on("left-meeting", onLeft);
  room.on("error", onError);
  return room;
}

// Large, and wanted by those only who join.
async function loadDaily() {
  if (!window.Daily) {
    await new Promise((resolve, reject) => {
      const script = document.createElement("script");
      Object.assign(script, { src: DAILY, onload: resolve, onerror: reject });
      document.head.append(script);
    });
  }
  return window.Daily;
}

async function post(client, conversationId, messages, signal) {
  const { data } = await client.auth.getSession();
  const body = new Blob([JSON.stringify({ messages })], { type: "application/json" });
  return fetch(`/api/conversations/${encodeURIComponent(conversationId)}/app-messages`, {
    method: "POST",
    headers: { Authorization: `Bearer ${data.session?.access_token}` },
    body,
    // What was heard last is sent though the page is being closed; browsers do that for no more than this.
    keepalive: body.size < KEPT_ALIVE,
    signal,
  });
}

/** Return the address of a call's room, or null: only Daily hosts them, and the page may frame no other. */
function roomAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "https:" && ROOMS.test(url.hostname) && !url.username ? url.href : null;
  } catch {
    return null;
  }
}
