/** The rows of `processed_webhook_events` that a watch is of: each once, none left out. */
import { oneAtATime } from "./flight.ts";
import type { Context } from "./follow.ts";
import { IDS, readByIds, rowsOf, type Select } from "./query.ts";
import type { WebhookEvent } from "./rows.ts";
import type { Change } from "./stream.ts";

export interface EventLog {
  receive(change: Change): Promise<void>;
  read(isDeep: boolean): Promise<void>;
  readEarlier(): Promise<void>;
  hasEarlier(): boolean;
  /** Let the next read find the events of a conversation that has become known. */
  expect(conversationId: string): void;
}

export interface EventLogOptions {
  select: Select;
  /** Whether the watch is of this row. */
  includes(event: WebhookEvent): boolean;
  pageSize: number;
  onEvents(events: WebhookEvent[], about: { isHistory: boolean }): void;
}

type Key = Pick<WebhookEvent, "id" | "seq" | "processed_at">;

const KEY = "id,seq,processed_at";
/** As many rows as PostgREST gives by default. */
const KEYS = 1000;

/** Return the log. Realtime only makes it faster: what it drops, the reads find. */
export function createEventLog(context: Context, { select, includes, pageSize, onEvents }: EventLogOptions): EventLog {
  const seen = new Set<string>();
  // Told of, but not yet read.
  const unread = new Set<string>();
  const arrived = new Set<string>();
  // Up to this seq nothing is missing but what a transaction longer than the overlap still holds back.
  let checkpoint: number | null = null;
  // The pages begin here. Only reads of pages move it: a row that came late may have a smaller seq.
  let oldest = Infinity;
  let newestTime = -Infinity;
  let sweptTime = -Infinity;
  let hasEarlier = false;

  function accept(rows: WebhookEvent[], about: { isHistory: boolean }): void {
    const fresh = rows.filter((row) => !seen.has(row.id) && includes(row)).sort((a, b) => a.seq - b.seq);
    for (const { id } of fresh) seen.add(id);
    if (fresh.length) context.tell(() => onEvents(fresh, about));
  }

  /** Take a row that Realtime tells of. One that was too large for it is read by its id. */
  async function receive({ new: row, errors }: Change): Promise<void> {
    if (!row.id) return;
    if (!errors?.length && "event_data" in row) return accept([row as unknown as WebhookEvent], { isHistory: false });
    unread.add(row.id as string);
    await readUnread();
  }

  /** Read the newest page at first, later all that is missing since. */
  async function read(isDeep: boolean): Promise<void> {
    await readUnread();
    if (checkpoint === null) await readNewest();
    else await readSince(checkpoint, isDeep);
    await readArrived();
  }

  async function readNewest(): Promise<void> {
    const page = await readPage(select("*"));
    // Where nothing was, all that is found later has come since.
    checkpoint = page[0] ? page[0].seq - 1 : 0;
    settle(page);
    sweptTime = newestTime;
    accept(page, { isHistory: true });
  }

  async function readSince(seq: number, isDeep: boolean): Promise<void> {
    const since = await readKeys((after) => select(KEY).gt("seq", after ?? seq));
    const late = isDeep ? await readLate(seq) : [];
    await readMissing([...late, ...since]);
    settle(since);
    if (isDeep) sweptTime = newestTime;
  }

  /** Find rows that were committed long after their neighbours: their time is that of their transaction's start. */
  function readLate(upTo: number): Promise<Key[]> {
    const from = new Date(Math.max(0, sweptTime - context.timing.depth)).toISOString();
    return readKeys((after) => keysAfter(after).lte("seq", upTo).gte("processed_at", from));
  }

  const keysAfter = (after: number | null) => (after === null ? select(KEY).gte("seq", oldest) : select(KEY).gt("seq", after));

  /** Read what was not to be read before: the events that came before their conversation was known. */
  async function readArrived(): Promise<void> {
    for (const id of arrived) {
      await readMissing(await readKeys((after) => keysAfter(after).eq("conversation_id", id)));
      arrived.delete(id);
    }
  }

  async function readMissing(keys: Key[]): Promise<void> {
    for (const { id } of keys) if (!seen.has(id)) unread.add(id);
    await readUnread();
  }

  async function readUnread(): Promise<void> {
    const ids = [...unread];
    for (let place = 0; place < ids.length; place += IDS) {
      const some = ids.slice(place, place + IDS);
      accept(await readByIds<WebhookEvent>(select, some.filter((id) => !seen.has(id))), { isHistory: false });
      for (const id of some) unread.delete(id);
    }
  }

  /** Hand over the page before the oldest event. */
  const readEarlier = oneAtATime(async () => {
    if (hasEarlier) accept(await readPage(select("*").lt("seq", oldest)), { isHistory: true });
  });

  async function readPage(query: ReturnType<Select>): Promise<WebhookEvent[]> {
    const rows = await rowsOf<WebhookEvent>(query.order("seq", { ascending: false }).limit(pageSize + 1));
    const page = rows.slice(0, pageSize).reverse();
    hasEarlier = rows.length > pageSize;
    oldest = (hasEarlier && page[0]?.seq) || 0;
    return page;
  }

  /** Move the checkpoint over what is older than the overlap: what began before it is committed by now. */
  function settle(keys: Key[]): void {
    const times = keys.map(timeOf).filter(Number.isFinite);
    newestTime = Math.max(newestTime, ...times);
    const end = newestTime - context.timing.overlap;
    const young = keys.findIndex((key) => !(timeOf(key) < end));
    const old = young < 0 ? keys : keys.slice(0, young);
    checkpoint = old.at(-1)?.seq ?? checkpoint;
  }

  return { receive, read, readEarlier, hasEarlier: () => hasEarlier, expect: (id) => void arrived.add(id) };
}

async function readKeys(query: (after: number | null) => ReturnType<Select>): Promise<Key[]> {
  const keys: Key[] = [];
  for (let page: Key[] | null = null; !page || page.length === KEYS; ) {
    page = await rowsOf<Key>(query(keys.at(-1)?.seq ?? null).order("seq").limit(KEYS));
    keys.push(...page);
  }
  return keys;
}

function timeOf({ processed_at }: Key): number {
  return Date.parse(processed_at ?? "");
}
