/** The three things that can be watched: a conversation, events, rows of a table. */
import { createEventLog } from "./events.ts";
import { type Context, type Feed, follow } from "./follow.ts";
import { type Client, equals, type Query } from "./query.ts";
import { createRecords, type RecordHandlers } from "./records.ts";
import type { TableName, Tables, WebhookEvent } from "./rows.ts";
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
  return follow(client, `convohooks:${conversationId}`, handlers, options, (context) => {
    const records = createRecords(context, conversationId, handlers);
    const onEvents: EventHandlers["onEvents"] = (events, about) => {
      if (!about.isHistory) records.readAfter(events).catch(context.read);
      handlers.onEvents?.(events, about);
    };
    const feed = createEventFeed(context, { onEvents }, { ...options, conversationId }, records.take);
    return { ...feed, read: (isDeep) => feed.read(isDeep).then(() => records.read(isDeep)) };
  });
}

/** Follow every event that the person may read, or those of a source, a type, a conversation. */
export function watchEvents(client: Client, handlers: EventHandlers, options: EventOptions = {}): Watch {
  return follow(client, "convohooks:events", handlers, options, (context) => createEventFeed(context, handlers, options));
}

/** Follow the newest rows of a table in which each row has an id, and a version that rises. */
export function watchRows<Table extends TableName>(
  client: Client,
  table: Table,
  handlers: RowHandlers<Tables[Table]>,
  { column, value, orderBy, pageSize = ROW_PAGE, ...options }: RowOptions<Table>,
): Watch {
  const isFiltered = column !== undefined && value !== undefined;
  return follow(client, `convohooks:${table}`, handlers, options, (context) => {
    const select = (columns: string) => {
      const query = context.client.from(table).select(columns).abortSignal(context.signal) as Query;
      return isFiltered ? (query.eq(column as string, value) as Query) : query;
    };
    const onRows = (rows: AnyRow[]) => handlers.onRows?.(rows as Tables[Table][]);
    const set = createRowSet<AnyRow>(context, { select, orderBy, pageSize, onRows });
    const filter = isFiltered ? { filter: equals(column, value) } : {};
    return { ...set, bindings: [{ event: "*", table, ...filter, onChange: set.receive }] };
  });
}

function createEventFeed(
  context: Context,
  { onEvents = () => {} }: EventHandlers,
  options: EventOptions,
  take: (change: Change) => Promise<void> = async () => {},
): Feed {
  const { conversationId, pageSize = EVENT_PAGE } = options;
  const asked = FILTERS.flatMap(([column, name]) => (options[name] === undefined ? [] : [[column, options[name]] as const]));
  const select = (columns: string) => {
    const query = context.client.from(EVENTS).select(columns).abortSignal(context.signal) as Query;
    return asked.reduce((narrowed, [column, value]) => narrowed.eq(column, value) as Query, query);
  };
  const includes = (event: WebhookEvent) => asked.every(([column, value]) => event[column] === value);
  const known = new Set<string>();
  const log = createEventLog(context, { select, includes, pageSize, onEvents });
  const filter = asked[0] ? { filter: equals(...asked[0]) } : {};

  // Events that came before their conversation was known can be read from then on.
  function onConversation(change: Change): Promise<void> {
    const { id, conversation_id: named } = change.new;
    if (id && typeof named === "string" && !known.has(named)) {
      known.add(named);
      log.expect(named);
      context.read();
    }
    return take(change);
  }

  const event = conversationId === undefined ? "INSERT" : "*";
  const only = conversationId === undefined ? {} : { filter: equals("conversation_id", conversationId) };
  return {
    ...log,
    bindings: [
      { event: "INSERT", table: EVENTS, ...filter, onChange: log.receive },
      { event, table: "conversations", ...only, onChange: onConversation },
    ],
  };
}
