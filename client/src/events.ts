/** The rows of `processed_webhook_events` that a watch is of: each once, none left out. */
import { oneAtATime } from "./flight.ts";
import type { Context } from "./follow.ts";
import { createById, createPace, MOST, type Query, readPaced, rowsOf, type Select } from "./query.ts";
import type { WebhookEvent } from "./rows.ts";
import type { Change } from "./stream.ts";

export interface EventLog {
  receive(change: Change): Promise<void>;
  read(isDeep: boolean): Promise<void>;
  readEarlier(): Promise<void>;
  hasEarlier(): boolean;
  /** Let the next read find the events of a conversation that has become known; what came before `time` is history. */
  expect(conversationId: string, time: number): void;
}

export interface EventLogOptions {
  select: Select;
  /** Whether the watch is of this row. */
  includes(event: WebhookEvent): boolean;
  pageSize: number;
  /** `isLater`: they were found after the newest page, and are not of an earlier one. */
  onEvents(events: WebhookEvent[], about: { isHistory: boolean }, isLater: boolean): void;
}

type Key = Pick<WebhookEvent, "id" | "seq" | "processed_at" | "conversation_id">;

const KEY = "id,seq,processed_at,conversation_id";
// As many conversations as fit into an address.
const NAMED = 50;
const PLAIN = /^[\w.:-]+$/;

/** Return the log. Realtime only makes it faster: what it drops, the reads find. */
export function createEventLog(context: Context, { select, includes, pageSize, onEvents }: EventLogOptions): EventLog {
  const { signal } = context;
  const byId = createById<WebhookEvent>(select, signal);
  const pace = createPace();
  const seen = new Set<string>();
  // Told of, but not yet read.
  const unread = new Set<string>();
  // Of these, what came before its conversation was known.
  const historic = new Set<string>();
  const arrived = new Map<string, number>();
  // Up to this seq nothing is missing but what a transaction longer than the overlap still holds back.
  let checkpoint: number | null = null;
  // The pages begin here. Only reads of pages move it: a row that came late may have a smaller seq.
  let oldest = Infinity;
  // What a slow link has brought of a page is not asked for again.
  let begun: { before: number; sweptTime: number; rows: WebhookEvent[] } | null = null;
  let newestTime = -Infinity;
  let sweptTime = -Infinity;
  let hasEarlier = false;

  function accept(rows: WebhookEvent[], isHistory: boolean, isLater = true): void {
    const fresh = rows.filter((row) => !seen.has(row.id) && includes(row)).sort((a, b) => a.seq - b.seq);
    for (const { id } of fresh) seen.add(id);
    if (fresh.length) context.tell(() => onEvents(fresh, { isHistory }, isLater));
  }

  /** Take a row that Realtime tells of. One that was too large for it is read by its id. */
  async function receive({ new: row, errors }: Change): Promise<void> {
    if (!row.id) return;
    if (!errors?.length && "event_data" in row) return accept([row as unknown as WebhookEvent], false);
    unread.add(row.id as string);
    await readUnread();
  }

  /** Read the newest page at first, later all that is missing since. */
  async function read(isDeep: boolean): Promise<void> {
    await readUnread();
    const since = checkpoint;
    if (since === null) await readNewest();
    await readArrived();
    if (since !== null) await readSince(since, isDeep);
  }

  async function readNewest(): Promise<void> {
    const page = await readPage(Infinity);
    // Where nothing was, all that is found later has come since.
    checkpoint = page[0] ? page[0].seq - 1 : 0;
    settle(page);
    sweptTime = newestTime;
    accept(page, true, false);
  }

  async function readSince(seq: number, isDeep: boolean): Promise<void> {
    const lowest = oldest;
    const since: Key[] = [];
    try {
      await readKeys((after) => select(KEY).gt("seq", after ?? seq), since);
    } finally {
      settle(since);
    }
    if (isDeep) await readLate(seq);
    // A page that was read meanwhile is not swept yet.
    if (isDeep && oldest === lowest) sweptTime = newestTime;
  }

  /** Find rows that were committed long after their neighbours: their time is that of their transaction's start. */
  function readLate(upTo: number): Promise<void> {
    const from = new Date(Math.max(0, sweptTime - context.timing.depth)).toISOString();
    return readKeys((after) => keysAfter(after).lte("seq", upTo).gte("processed_at", from));
  }

  const keysAfter = (after: number | null) => (after === null ? select(KEY).gte("seq", oldest) : select(KEY).gt("seq", after));

  /** Read what was not to be read before: the events that came before their conversation was known. */
  async function readArrived(): Promise<void> {
    for (const named of grouped([...arrived.keys()])) {
      const times = new Map(arrived);
      const isBefore = (key: Key) => timeOf(key) < (times.get(key.conversation_id as string) ?? 0);
      await readKeys((after) => ofConversations(keysAfter(after), named), [], isBefore);
      // One that has arrived anew meanwhile is read anew.
      for (const id of named) if (arrived.get(id) === times.get(id)) arrived.delete(id);
    }
  }

  async function readUnread(): Promise<void> {
    const missing = [...unread].filter((id) => !seen.has(id) || !unread.delete(id));
    await byId.read(missing, (rows, ids) => {
      accept(rows.filter(({ id }) => historic.has(id)), true);
      accept(rows, false);
      for (const id of ids) unread.delete(id) && historic.delete(id);
    });
  }

  /** Hand over the page before the oldest event. */
  const readEarlier = oneAtATime(async () => {
    if (hasEarlier) accept(await readPage(oldest), true, false);
  });

  async function readPage(before: number): Promise<WebhookEvent[]> {
    if (begun?.before !== before) begun = { before, sweptTime, rows: [] };
    const { rows } = begun;
    for (let isEnd = false; rows.length <= pageSize && !isEnd; ) {
      const found = await readBelow(rows.at(-1)?.seq ?? null, before, pageSize + 1 - rows.length);
      rows.push(...found);
      isEnd = !found.length;
    }
    // What was committed among them meanwhile, below where the sweeps began, is for the next.
    sweptTime = Math.min(sweptTime, begun.sweptTime);
    begun = null;
    const page = rows.slice(0, pageSize).reverse();
    hasEarlier = rows.length > pageSize;
    oldest = (hasEarlier && page[0]?.seq) || 0;
    return page;
  }

  /** Read on in a page. A short answer is no end: PostgREST may give fewer rows than were asked for. */
  async function readBelow(last: number | null, before: number, most: number): Promise<WebhookEvent[]> {
    const newest = () => select("*").order("seq", { ascending: false });
    // With the last one again: without it in the answer, the rows are out of sight, not at an end.
    if (last !== null) {
      const rows = await readPaced<WebhookEvent>(pace, most, (size) => newest().lte("seq", last).limit(size + 1), signal);
      if (!rows.length) throw outOfSight();
      return rows.filter(({ seq }) => seq < last);
    }
    const below = () => (before === Infinity ? newest() : newest().lt("seq", before));
    const rows = await readPaced<WebhookEvent>(pace, most, (size) => below().limit(size), signal);
    if (before !== Infinity && !rows.length && !(await isSighted())) throw outOfSight();
    return rows;
  }

  function outOfSight(): Error {
    begun = null;
    return new Error("The rows cannot be seen at the moment");
  }

  async function isSighted(): Promise<boolean> {
    return (await rowsOf(select("id").order("seq", { ascending: false }).limit(1), signal)).length > 0;
  }

  /** Read what of these is missing, and put the keys of all that is there by then into `keys`. */
  async function readKeys(ask: (after: number | null) => Query, keys: Key[] = [], isHistory = (_key: Key) => false): Promise<void> {
    for (let page: Key[] | null = null; !page || page.length; ) {
      const after: number | null = keys.at(-1)?.seq ?? null;
      page = await readPaced<Key>(pace, MOST, (size) => ask(after).order("seq").limit(size), signal);
      const missing = page.filter(({ id }) => !seen.has(id));
      for (const key of missing) unread.add(key.id);
      for (const key of missing) if (isHistory(key)) historic.add(key.id);
      await readUnread();
      keys.push(...page);
    }
  }

  /** Move the checkpoint over what is older than the overlap: what began before it is committed by now. */
  function settle(keys: Key[]): void {
    const times = keys.map(timeOf).filter(Number.isFinite);
    newestTime = times.reduce((latest, time) => Math.max(latest, time), newestTime);
    const end = newestTime - context.timing.overlap;
    const young = keys.findIndex((key) => !(timeOf(key) < end));
    const old = young < 0 ? keys : keys.slice(0, young);
    checkpoint = old.at(-1)?.seq ?? checkpoint;
  }

  return { receive, read, readEarlier, hasEarlier: () => hasEarlier, expect: (id, time) => void arrived.set(id, time) };
}

/** Put the names into groups that one question can hold; those that need care are asked for alone. */
function grouped(names: string[]): string[][] {
  const plain = names.filter((name) => PLAIN.test(name));
  const groups = names.filter((name) => !PLAIN.test(name)).map((name) => [name]);
  while (plain.length) groups.push(plain.splice(0, NAMED));
  return groups;
}

function ofConversations(query: Query, names: string[]): Query {
  return (names.length === 1 ? query.eq("conversation_id", names[0]) : query.in("conversation_id", names)) as Query;
}

function timeOf({ processed_at }: Key): number {
  return Date.parse(processed_at ?? "");
}
