/** The three things that can be watched: a conversation, events, rows of a table. */
import { createArrivals } from "./arrivals.ts";
import { createEventLog } from "./events.ts";
import { type Context, type Feed, follow } from "./follow.ts";
import { type Client, equals, type Query } from "./query.ts";
import { createRecords, type RecordHandlers } from "./records.ts";
import type { Conversation, TableName, Tables, WebhookEvent } from "./rows.ts";
import { type AnyRow, createRowSet } from "./rowset.ts";
import type { Change } from "./stream.ts";
import type { Watch, WatchHandlers, WatchOptions } from "./watch.ts";

export interface EventHandlers extends WatchHandlers {
  /** Given every event once: `isHistory` are those that were there before the watch, and earlier pages. */
  onEvents?(events: WebhookEvent[], about: { isHistory: boolean }): void;
}

export interface ConversationHandlers extends EventHandlers, RecordHandlers {}

export interface RowHandlers<Row> extends WatchHandlers {
  /** Given all rows of the pages that were asked for, the newest first, whenever one has changed. */
  onRows?(rows: Row[]): void;
}

export interface EventOptions extends WatchOptions {
  source?: string;
  eventType?: string;
  conversationId?: string;
}

export interface RowOptions<Table extends TableName> extends WatchOptions {
  /** Only rows with this value in this column. */
  column?: keyof Tables[Table] & string;
  value?: string | number;
  /** The column by which the newest row is the first. */
  orderBy: keyof Tables[Table] & string;
}

const EVENTS = "processed_webhook_events";
const EVENT_PAGE = 200;
const ROW_PAGE = 50;
// Realtime compares one column; the first of these tells the fewest needless rows.
const FILTERS = [
  ["conversation_id", "conversationId"],
  ["event_type", "eventType"],
  ["source", "source"],
] as const;

/** Follow one conversation, by the id that its sender calls it by: its events, its row and what belongs to it. */
export function watchConversation(
  client: Client,
  conversationId: string,
  handlers: ConversationHandlers,
  options: WatchOptions = {},
): Watch {
  demand(conversationId, "conversationId");
  return follow(client, `convohooks:${conversationId}`, handlers, options, (context) => {
    let isRead = false;
    const records = createRecords(context, conversationId, handlers, (row) => feed.expect(row, isRead));
    const onEvents: OnEvents = (events, about, isLater) => {
      if (isLater) records.readAfter(events);
      return handlers.onEvents?.(events, about);
    };
    const feed = createEventFeed(context, onEvents, { ...options, conversationId }, records.take);

    async function read(isDeep: boolean): Promise<void> {
      // What came before it was known is history: that has to be known first.
      if (isRead && !records.isKnown()) await records.look();
      await feed.read(isDeep);
      await records.read(isDeep);
      isRead = true;
    }

    return { ...feed, read };
  });
}

/** Follow every event that the person may read, or those of a source, a type, a conversation. */
export function watchEvents(client: Client, handlers: EventHandlers, options: EventOptions = {}): Watch {
  for (const [, name] of FILTERS) if (name in options) demand(options[name], name);
  const { conversationId } = options;
  return follow(client, "convohooks:events", handlers, options, (context) =>
    createEventFeed(context, (events, about) => handlers.onEvents?.(events, about), { ...options, conversationId }),
  );
}

/** Follow the newest rows of a table in which each row has an id, and a version that rises. */
export function watchRows<Table extends TableName>(
  client: Client,
  table: Table,
  handlers: RowHandlers<Tables[Table]>,
  options: RowOptions<Table>,
): Watch {
  const { column, value, orderBy, pageSize = ROW_PAGE } = options;
  const isFiltered = "column" in options || "value" in options;
  if (isFiltered) demand(column, "column");
  if (isFiltered) demand(value, "value");
  return follow(client, `convohooks:${table}`, handlers, options, (context) => {
    const select = (columns: string) => {
      const query = context.client.from(table).select(columns) as Query;
      return isFiltered ? (query.eq(column as string, value) as Query) : query;
    };
    const onRows = (rows: AnyRow[]) => handlers.onRows?.(rows as Tables[Table][]);
    const set = createRowSet<AnyRow>(context, { select, orderBy, pageSize, onRows });
    const filter = isFiltered ? { filter: equals(column as string, value as string) } : {};
    return { ...set, bindings: [{ event: "*", table, ...filter, onChange: set.receive }] };
  });
}

type OnEvents = (events: WebhookEvent[], about: { isHistory: boolean }, isLater: boolean) => unknown;

interface EventFeed extends Feed {
  /** A conversation has become known; unless that is news, nothing came before. */
  expect(conversation: Conversation, isNews: boolean): void;
}

function createEventFeed(
  context: Context,
  onEvents: OnEvents,
  options: EventOptions,
  take: (change: Change) => Promise<void> = async () => {},
): EventFeed {
  const { conversationId, pageSize = EVENT_PAGE } = options;
  const asked = FILTERS.flatMap(([column, name]) => (options[name] === undefined ? [] : [[column, options[name]] as const]));
  const select = (columns: string) => {
    const query = context.client.from(EVENTS).select(columns) as Query;
    return asked.reduce((narrowed, [column, value]) => narrowed.eq(column, value) as Query, query);
  };
  const includes = (event: WebhookEvent) => asked.every(([column, value]) => event[column] === value);
  const log = createEventLog(context, { select, includes, pageSize, onEvents });
  const filter = asked[0] ? { filter: equals(...asked[0]) } : {};
  // Events that came before their conversation was known can be read from then on.
  const arrivals = createArrivals(context, log.expect);

  function onConversation(change: Change): Promise<void> {
    if (change.new?.id && arrivals.take(change.new)) context.read();
    return take(change);
  }

  async function read(isDeep: boolean): Promise<void> {
    // The checkpoint of one conversation does not move while nothing of it can be seen.
    if (conversationId === undefined && (isDeep || !arrivals.isBegun())) await arrivals.look();
    await log.read(isDeep);
  }

  const only = conversationId === undefined ? {} : { filter: equals("conversation_id", conversationId) };
  return {
    ...log,
    read,
    expect: (conversation, isNews) => void (isNews ? arrivals.take(conversation) : arrivals.remember(conversation)),
    bindings: [
      { event: "INSERT", table: EVENTS, ...filter, onChange: log.receive },
      { event: "*", table: "conversations", ...only, onChange: onConversation },
    ],
  };
}

/** What is not there yet must not mean all rows. */
function demand(value: unknown, name: string): void {
  if (value === undefined || value === null || value === "") throw new TypeError(`${name} is ${value === "" ? "empty" : value}`);
}
