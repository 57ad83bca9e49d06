/** Hands on what a call's browser hears, until it is stored. Knows no page, so any client can use it. */

const TYPES = new Set([
  "conversation.utterance",
  "conversation.tool_call",
  "conversation.perception_tool_call",
  "conversation.perception_analysis",
  "conversation.perception-analysis",
  "conversation.objective.activated",
  "conversation.objective.pending",
  "conversation.objective.completed",
]);
const BATCH = 50;
const BATCH_CHARACTERS = 50_000;
const KEPT = 2_000;
const LINGER_MS = 300;
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;
// A conversation that is not (or no longer) one's own, or that nobody knows.
const GONE = [403, 404];
const REFUSED = [400, 413, 415, 422];

/**
 * Return the relay of one call. `post(messages)` sends a batch and resolves to the response; `shelf` is where messages
 * wait, `{load, save}`. Messages go in the order they came, at least once each; those that nobody will take are dropped.
 */
export function createRelay({ post, shelf, signal }) {
  let queue = shelf.load();
  let alone = 0;
  let failures = 0;
  let timer = null;

  function take(message) {
    const told = relayable(message);
    if (!told || signal.aborted) return;
    keep([...queue, told].slice(-KEPT));
    if (!failures) after(LINGER_MS);
  }

  function keep(messages) {
    queue = messages;
    shelf.save(queue);
  }

  function after(delay) {
    timer ??= setTimeout(flush, delay);
  }

  const send = oneAtATime(async () => {
    while (queue.length && !signal.aborted) {
      const batch = firstOf(queue, alone ? 1 : BATCH);
      const { status, retryAfter } = await answerOf(post(batch));
      if (signal.aborted) return;
      failures = isSettled(status, batch) ? 0 : failures + 1;
      if (failures) return after(delayOf(failures, retryAfter));
    }
  });

  /** Do what an answer says; tell whether it was one, or the batch is to be sent again later. */
  function isSettled(status, batch) {
    const isRefused = REFUSED.includes(status);
    if (GONE.includes(status)) keep([]);
    // One bad message spoils its batch: find it.
    else if (isRefused && batch.length > 1) alone = batch.length;
    else if (isRefused || status === 200) forget(batch);
    else return false;
    return true;
  }

  function forget(batch) {
    const sent = new Set(batch);
    alone = Math.max(0, alone - batch.length);
    keep(queue.filter((message) => !sent.has(message)));
  }

  /** Send what waits, now. */
  function flush() {
    clearTimeout(timer);
    timer = null;
    return send();
  }

  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    keep([]);
  });
  if (queue.length) after(0);
  return { take, flush };
}

/** Return a place in this window where messages survive a reload. */
export function createShelf(name) {
  return {
    load() {
      try {
        const kept = JSON.parse(sessionStorage.getItem(name));
        return Array.isArray(kept) ? kept : [];
      } catch {
        return [];
      }
    },
    save(messages) {
      try {
        if (messages.length) sessionStorage.setItem(name, JSON.stringify(messages));
        else sessionStorage.removeItem(name);
      } catch {
        // No room: they are still in memory.
      }
    },
  };
}

/** Return a message as it is relayed, or null for one that is not. */
function relayable(message) {
  if (typeof message !== "object" || message === null || !TYPES.has(message.event_type)) return null;
  const { frames: _images, ...properties } = message.properties ?? {};
  const told = { ...message, properties };
  return JSON.stringify(told).length <= BATCH_CHARACTERS ? told : null;
}

function firstOf(queue, most) {
  let characters = 0;
  const end = queue.findIndex((message, place) => {
    characters += JSON.stringify(message).length + 1;
    return place === most || (place > 0 && characters > BATCH_CHARACTERS);
  });
  return end < 0 ? [...queue] : queue.slice(0, end);
}

async function answerOf(request) {
  try {
    const response = await request;
    return { status: response.status, retryAfter: Number(response.headers.get("Retry-After")) * 1000 };
  } catch {
    return { status: 0, retryAfter: 0 };
  }
}

function delayOf(failures, retryAfter) {
  const backoff = Math.min(RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
  return Math.max(backoff * (0.75 + Math.random() / 2), Number.isFinite(retryAfter) ? retryAfter : 0);
}

/** Return a function that runs `task` one at a time: asked while it runs, it runs once more after. */
function oneAtATime(task) {
  let running = null;
  let again = false;

  async function run() {
    try {
      do {
        again = false;
        await task();
      } while (again);
    } finally {
      running = null;
    }
  }

  return () => {
    if (running) again = true;
    else running = run();
    return running;
  };
}
