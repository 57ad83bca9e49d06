/** The page of one conversation: what is followed, and where it is shown. */
import { createCall } from "./call.js";
import { watchConversation } from "./convohooks.js";
import { announce, byId, showArea } from "./dom.js";
import { NO_FACTS, showFacts } from "./facts.js";
import { createLog } from "./log.js";
import { createPlayer } from "./player.js";

const STATUS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", polling: "Offline, checking every 10 s" };

/** Follow the conversation and show it until the returned function is called. */
export function openConversation(client, conversationId, person) {
  const { log, player } = emptyPage();
  const visit = new AbortController();
  const { signal } = visit;
  const known = { ...NO_FACTS };
  const call = createCall(client, conversationId, person.id, { signal });
  const earlier = byId("earlier");
  let hasEvents = false;

  const watch = watchConversation(client, conversationId, {
    onEvents(rows, about) {
      hasEvents = true;
      log.add(rows, about);
      player.show(rows, about);
      showArea("conversation");
      showEarlier();
    },
    onConversation: (conversation) => show({ conversation }),
    onMessages: (messages) => show({ messages }),
    onQualification: (qualification) => show({ qualification }),
    onFeedback: (feedback) => show({ feedback }),
    onStatus: showStatus,
  });

  function show(news) {
    Object.assign(known, news);
    showArea(known.conversation || hasEvents ? "conversation" : "nothing");
    showFacts(known);
    call.update(known.conversation);
  }

  function showEarlier() {
    earlier.hidden = !watch.hasEarlier;
  }

  async function readEarlier() {
    earlier.disabled = true;
    await watch.readEarlier().catch(() => {});
    showEarlier();
    earlier.disabled = false;
  }

  earlier.addEventListener("click", readEarlier, { signal });

  return () => {
    watch.stop();
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
  place.hidden = !STATUS[status];
  place.dataset.status = status ?? "";
  place.textContent = STATUS[status] ?? "";
}
