/** The page of one conversation: what is followed, and where it is shown. */
import { byId, showArea } from "./dom.js";
import { showFacts } from "./facts.js";
import { createLog } from "./log.js";
import { createPlayer } from "./player.js";
import { createRecords } from "./records.js";
import { follow } from "./stream.js";

const STATUS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", polling: "Offline, checking every 10 s" };

/** Follow the conversation and show it, until the returned function is called. */
export function openConversation(client, conversationId) {
  const [log, player] = [createLog(), createPlayer()];
  const records = createRecords(client, conversationId, show);
  const earlier = byId("earlier");
  let total = 0;

  const stream = follow(client, conversationId, {
    onEvents(rows, options) {
      if (!total) earlier.hidden = rows.length < stream.pageSize;
      total += rows.length;
      log.add(rows, options);
      player.show(rows, options);
      if (!options.isHistory) records.reloadAfter(rows);
      showArea("conversation");
    },
    onConversation: (row) => (row ? records.take(row) : records.reload(["conversation"])),
    onCaughtUp: () => records.reload(),
    onStatus: showStatus,
  });

  function show(known) {
    if (stream.isStopped()) return;
    showFacts(known);
    showArea(known.conversation || total ? "conversation" : "nothing");
  }

  async function readEarlier() {
    earlier.disabled = true;
    earlier.hidden = !(await stream.readEarlier().catch(() => true));
    earlier.disabled = false;
  }

  const listening = new AbortController();
  const refresh = () => document.visibilityState === "visible" && stream.refresh();
  earlier.addEventListener("click", readEarlier, listening);
  document.addEventListener("visibilitychange", refresh, listening);
  window.addEventListener("online", refresh, listening);

  return () => {
    listening.abort();
    stream.stop();
    showStatus(null);
  };
}

function showStatus(status) {
  const place = byId("stream-status");
  place.hidden = !status;
  place.dataset.status = status ?? "";
  place.textContent = STATUS[status] ?? "";
}
