/** The page of one conversation: what is followed, and where it is shown. */
import { createCall } from "./call.js";
import { announce, byId, showArea } from "./dom.js";
import { NO_FACTS, showFacts } from "./facts.js";
import { createLog } from "./log.js";
import { createPlayer } from "./player.js";
import { createRecords } from "./records.js";
import { follow } from "./stream.js";

const STATUS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", polling: "Offline, checking every 10 s" };

/** Follow the conversation and show it until the returned function is called. */
export function openConversation(client, conversationId, person) {
  const { log, player } = emptyPage();
  const visit = new AbortController();
  const { signal } = visit;
  const records = createRecords(client, conversationId, { signal, onChange: show });
  const call = createCall(client, conversationId, person.id, { signal });
  const earlier = byId("earlier");
  let hasEvents = false;

  const stream = follow(client, conversationId, {
    signal,
    onEvents(rows, options) {
      hasEvents = true;
      log.add(rows, options);
      player.show(rows, options);
      if (!options.isHistory) records.reloadAfter(rows);
      showArea("conversation");
    },
    onConversation: (row) => (row ? records.take(row) : records.reload(["conversation"])),
    onCaughtUp() {
      earlier.hidden = !stream.hasEarlier();
      records.reload();
    },
    onStatus: showStatus,
  });

  function show(known) {
    showArea(known.conversation || hasEvents ? "conversation" : "nothing");
    showFacts(known);
    call.update(known.conversation);
  }

  async function readEarlier() {
    earlier.disabled = true;
    await stream.readEarlier().catch(() => {});
    earlier.hidden = !stream.hasEarlier();
    earlier.disabled = false;
  }

  const refresh = () => document.visibilityState === "visible" && stream.refresh();
  earlier.addEventListener("click", readEarlier, { signal });
  document.addEventListener("visibilitychange", refresh, { signal });
  window.addEventListener("online", refresh, { signal });

  return () => {
    visit.abort();
    showStatus(null);
    emptyPage();
  };
}

// What one person saw must not be there for the next, not even hidden.
function emptyPage() {
  showFacts(NO_FACTS);
  announce("");
  return { log: createLog(), player: createPlayer() };
}

function showStatus(status) {
  const place = byId("stream-status");
  place.hidden = !status;
  place.dataset.status = status ?? "";
  place.textContent = STATUS[status] ?? "";
}
