/** What is known of a conversation beside its events. Read again when an event says that it has changed. */
import type { Context } from "./follow.ts";
import { oneAtATime, spaced } from "./flight.ts";
import { createPace, type Query, readFirst, rowsOf } from "./query.ts";
import type { Conversation, ConversationMessage, FeedbackSession, Qualification, TableName, ToolCall, WebhookEvent } from "./rows.ts";
import type { Change } from "./stream.ts";

export interface RecordHandlers {
  /** Null once it is gone: deleted, or no longer this person's. */
  onConversation?(conversation: Conversation | null): void;
  onMessages?(messages: ConversationMessage[]): void;
  onToolCalls?(toolCalls: ToolCall[]): void;
  onQualification?(qualification: Qualification[]): void;
  onFeedback?(feedback: FeedbackSession | null): void;
}

export type RecordName = "conversation" | "messages" | "toolCalls" | "qualification" | "feedback";

const NEWEST = 500;
// A talk has an event every moment, of which each would have all its messages read.
const REST_MS = 1_000;
const ALL: RecordName[] = ["conversation", "messages", "toolCalls", "qualification", "feedback"];

// Which events say that these rows have changed; any other event changes none of them.
const CHANGES: [RegExp, RecordName][] = [
  [/message|utterance|transcription_ready|^conversation\.ended$/, "messages"],
  [/tool/, "toolCalls"],
  [/objective|qualification/, "qualification"],
  [/feedback|analysis|transcription_ready|^conversation\.ended$|^system\.shutdown$/, "feedback"],
];

/** Return what reads the records that somebody listens to; each is told at first and when it has changed. */
export function createRecords(
  context: Context,
  conversationId: string,
  handlers: RecordHandlers,
  onKnown: (conversation: Conversation) => void = () => {},
) {
  const pace = createPace();
  const shown = new Map<RecordName, string>();
  const wanted = new Set<RecordName>();
  let conversation: Conversation | null = null;
  // How often Realtime has told of it: an answer to what was asked before may be the older one.
  let told = 0;

  const readings: Record<RecordName, () => Promise<void>> = {
    conversation: readConversation,
    messages: async () => {
      const rows = await first<ConversationMessage>(NEWEST, "conversation_messages", inOrder);
      show("messages", rows.reverse(), handlers.onMessages);
    },
    toolCalls: async () => {
      const rows = await first<ToolCall>(NEWEST, "tool_calls", byCall);
      show("toolCalls", rows.reverse(), handlers.onToolCalls);
    },
    qualification: async () => {
      const rows = await first<Qualification>(Infinity, "qualification_data", byCreation);
      show("qualification", rows, handlers.onQualification);
    },
    feedback: async () => {
      const sessions = conversation ? from("feedback_sessions", conversation.id).order("created_at", { ascending: false }) : null;
      const [row] = sessions ? await rowsOf<FeedbackSession>(sessions.limit(1) as Query, context.signal) : [];
      show("feedback", row ?? null, handlers.onFeedback);
    },
  };

  function from(table: TableName, id = conversationId, options?: { count: "exact" }): Query {
    return context.client.from(table).select("*", options).eq("conversation_id", id) as Query;
  }

  /** Read with their number, so that no second question is needed to know that these are all. */
  function first<Row extends { id: string }>(most: number, table: TableName, order: (query: Query) => Query): Promise<Row[]> {
    return readFirst<Row>(pace, most, () => order(from(table, conversationId, { count: "exact" })), context.signal);
  }

  async function readConversation(): Promise<void> {
    const before = told;
    const [row] = await rowsOf<Conversation>(from("conversations").limit(1) as Query, context.signal);
    if (row?.id === conversation?.id || before === told) return row ? keep(row) : lose();
    // It was told of meanwhile.
    await readConversation();
  }

  function show<Rows>(name: RecordName, rows: Rows, handler?: (rows: Rows) => void): void {
    const text = JSON.stringify(rows);
    if (shown.get(name) === text) return;
    shown.set(name, text);
    context.tell(() => handler?.(rows));
  }

  /** Of two versions of a row the higher is the later one; another id is another row. */
  function keep(row: Conversation): void {
    const isOther = row.id !== conversation?.id;
    if (conversation && !isOther && row.version < conversation.version) return;
    conversation = row;
    show("conversation", row, handlers.onConversation);
    if (!isOther) return;
    // Who could not read the row could not read what belongs to it.
    ask(ALL);
    onKnown(row);
  }

  function lose(): void {
    if (!conversation) return;
    conversation = null;
    show("conversation", null, handlers.onConversation);
    ask(ALL);
  }

  const isHeard: Record<RecordName, unknown> = {
    conversation: handlers.onConversation || handlers.onFeedback,
    messages: handlers.onMessages,
    toolCalls: handlers.onToolCalls,
    qualification: handlers.onQualification,
    feedback: handlers.onFeedback,
  };

  const readWanted = oneAtATime(async () => {
    // What fails stays wanted, for the next read.
    for (const name of ALL) {
      if (!wanted.delete(name)) continue;
      await readings[name]().catch((error) => {
        wanted.add(name);
        throw error;
      });
    }
  });

  function ask(names: RecordName[]): void {
    for (const name of names) if (isHeard[name]) wanted.add(name);
  }

  /** Read these records, one after another; rejects when one cannot be read. */
  async function request(names: RecordName[]): Promise<void> {
    ask(names);
    if (wanted.size) await readWanted();
  }

  /** Take a change of the conversation's row. One that was not told in full is read. */
  async function take({ eventType, errors, new: row, old }: Change): Promise<void> {
    if (eventType === "DELETE") return old?.id === conversation?.id ? request(["conversation"]) : undefined;
    const columns = Object.keys(conversation ?? {});
    // A long value that an update has left alone is not told again.
    const isWhole = eventType === "INSERT" || (columns.length > 0 && columns.every((column) => column in row));
    const isTold = isWhole && !errors?.length;
    if (!row.id) return;
    told += 1;
    if (isTold) keep(row as unknown as Conversation);
    await request(isTold ? [] : ["conversation"]);
  }

  const readSoon = spaced(() => readWanted().catch(context.read), REST_MS, context.signal);

  return {
    take,
    isKnown: () => conversation !== null,
    /** Read the row, if somebody listens to it. */
    look: () => request(["conversation"]),
    /** Read all at first and when far back is read; else the row, which may change without an event. */
    read: (isDeep: boolean) => request(isDeep || !shown.size ? ALL : ["conversation"]),
    /** Read soon what these events have changed. */
    readAfter(events: WebhookEvent[]): void {
      ask(events.flatMap(changedBy));
      if (wanted.size) readSoon();
    },
  };
}

function changedBy({ event_type }: WebhookEvent): RecordName[] {
  return CHANGES.filter(([pattern]) => pattern.test(event_type ?? "")).map(([, name]) => name);
}

function byCall(query: Query): Query {
  return query
    .order("called_at", { ascending: false, nullsFirst: true })
    .order("created_at", { ascending: false })
    .order("id", { ascending: false }) as Query;
}

function byCreation(query: Query): Query {
  return query.order("created_at").order("id") as Query;
}

// Live messages come in any order; those of a transcript have a position.
function inOrder(query: Query): Query {
  return query
    .order("position", { ascending: false, nullsFirst: true })
    .order("seq", { ascending: false, nullsFirst: true })
    .order("turn_idx", { ascending: false, nullsFirst: true })
    .order("timestamp", { ascending: false, nullsFirst: false })
    .order("created_at", { ascending: false })
    .order("id", { ascending: false }) as Query;
}
