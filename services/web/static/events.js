/** The events of one conversation: each once, none left out. Knows no page, so any client can use it. */

const COLUMNS = "id,seq,event_type,event_data,processed_at";
const PAGE = 200;
// A row gets its seq before it is committed, so one with a smaller seq may appear later than its neighbour.
const OVERLAP_MS = 60_000;

/**
 * Return the reads of a conversation's events, none of which outlives the signal.
 * `onEvents(rows, {isHistory})` gets every row once, by seq within a call.
 */
export function createEvents(client, conversationId, { signal, onEvents }) {
  const seen = new Set();
  // Up to this seq nothing is missing. Only reads move it: Realtime drops rows without a word.
  let checkpoint = null;
  let oldest = Infinity;
  let isHistory = true;
  let hasEarlier = false;

  const query = () =>
    client.from("processed_webhook_events").select(COLUMNS).eq("conversation_id", conversationId).abortSignal(signal);

  function accept(rows, options) {
    const fresh = rows.filter((row) => !seen.has(row.id)).sort((a, b) => a.seq - b.seq);
    for (const row of fresh) seen.add(row.id);
    if (fresh.length) oldest = Math.min(oldest, fresh[0].seq);
    if (fresh.length && !signal.aborted) onEvents(fresh, options);
  }

  /** Take a change that Realtime tells of. A record that was too large for it is read again. */
  async function receive({ new: row, errors }) {
    const isWhole = !errors?.length && "event_data" in row;
    const rows = isWhole ? [row] : await rowsOf(query().eq("id", row.id));
    accept(rows, { isHistory: false });
  }

  /** Read what is missing: the newest page at first, later all since the last read. */
  async function catchUp() {
    await (checkpoint === null ? readNewest() : readSince(checkpoint));
    isHistory = false;
  }

  async function readNewest() {
    const rows = (await rowsOf(query().order("seq", { ascending: false }).limit(PAGE))).reverse();
    accept(rows, { isHistory });
    hasEarlier = rows.length === PAGE;
    if (rows.length) checkpoint = settled(rows) ?? rows[0].seq - 1;
  }

  async function readSince(seq) {
    const rows = [];
    for (let page = null; !page || page.length === PAGE; ) {
      const after = rows.at(-1)?.seq ?? seq;
      page = await rowsOf(query().gt("seq", after).order("seq").limit(PAGE));
      accept(page, { isHistory: false });
      rows.push(...page);
    }
    checkpoint = settled(rows) ?? seq;
  }

  /** Read the page before the oldest event. */
  async function readEarlier() {
    const before = query().lt("seq", oldest).order("seq", { ascending: false }).limit(PAGE);
    const rows = await rowsOf(before);
    accept(rows, { isHistory: true });
    hasEarlier = rows.length === PAGE;
  }

  return { receive, catchUp, readEarlier, hasEarlier: () => hasEarlier, count: () => seen.size };
}

/** Return the last seq before the overlap: of what came earlier all is committed. */
function settled(rows) {
  const times = rows.map((row) => Date.parse(row.processed_at)).filter(Number.isFinite);
  const end = Math.max(...times) - OVERLAP_MS;
  return rows.findLast((row) => Date.parse(row.processed_at) < end)?.seq ?? null;
}

async function rowsOf(request) {
  const { data, error } = await request;
  if (error) throw new Error(error.message, { cause: error });
  return data;
}
