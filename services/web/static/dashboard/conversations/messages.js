/** All messages of a conversation: a watch tells of the newest, the others are read once. */
import { rowsOf } from "../reads.js";

// How many a watch tells of at most: where it tells of as many there may be more.
const NEWEST = 500;
const PAGE = 1000;
const RETRY_MS = 2000;

/**
 * Return {take, whenComplete}. `take(rows)` hears of the newest messages, in their order; `onMessages(rows)` gets these and
 * what was said before them.
 */
export function createMessages(client, conversationId, { signal, onMessages, onError }) {
  let newest = [];
  let earlier = [];
  let generation = null;
  let reading = Promise.resolve();

  function take(rows) {
    const current = generationOf(rows);
    if (current === generation) {
      earlier = leftBehind(rows);
    } else {
      generation = current;
      earlier = [];
      reading = rows.length < NEWEST ? Promise.resolve() : readEarlier(current);
    }
    newest = rows;
    tell();
  }

  /** Return what was said before the newest: others have taken its place there, and what is gone from among them is gone. */
  function leftBehind(rows) {
    if (rows.length < NEWEST) return [];
    const known = joined(earlier, newest);
    const place = known.findIndex(({ id }) => id === rows[0].id);
    return place < 0 ? known : known.slice(0, place);
  }

  async function readEarlier(current) {
    try {
      const rows = await readBefore(client, conversationId, signal);
      if (current !== generation) return;
      earlier = joined(rows, earlier);
      tell();
    } catch (error) {
      if (signal.aborted) return;
      onError(error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      if (current === generation) await readEarlier(current);
    }
  }

  function tell() {
    if (!signal.aborted) onMessages(newest.length ? joined(earlier, newest) : []);
  }

  return { take, whenComplete: () => reading };
}

// A transcript takes the place of what was heard live, and a longer one that of a shorter.
function generationOf(rows) {
  const last = rows.at(-1);
  return last?.origin === "transcript" ? last.id : "live";
}

async function readBefore(client, conversationId, signal) {
  const rows = [];
  for (let page = null; page === null || page.length; ) {
    const from = NEWEST + rows.length;
    const asked = newestFirst(client.from("conversation_messages").select("*").eq("conversation_id", conversationId));
    page = await rowsOf(asked.range(from, from + PAGE - 1).abortSignal(signal));
    rows.push(...page);
  }
  return rows.reverse();
}

// Live messages come in any order; those of a transcript have a position.
function newestFirst(rows) {
  return rows
    .order("position", { ascending: false, nullsFirst: true })
    .order("seq", { ascending: false, nullsFirst: true })
    .order("turn_idx", { ascending: false, nullsFirst: true })
    .order("timestamp", { ascending: false, nullsFirst: false })
    .order("created_at", { ascending: false })
    .order("id", { ascending: false });
}

/** Return rows with others after them, each once, at its last place. */
function joined(rows, others) {
  const later = new Set(others.map(({ id }) => id));
  return [...rows.filter(({ id }) => !later.has(id)), ...others];
}
