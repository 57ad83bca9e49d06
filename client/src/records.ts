/** What is known of a conversation beside its events. Read again when an event says that it has changed. */
import type { Context } from "./follow.ts";
import { oneAtATime } from "./flight.ts";
import { type Query, rowsOf } from "./query.ts";
import type { Conversation, ConversationMessage, FeedbackSession, Qualification, TableName, ToolCall, WebhookEvent } from "./rows.ts";
import type { Change } from "./stream.ts";

export interface RecordHandlers {
  onConversation?(conversation: Conversation): void;
  onMessages?(messages: ConversationMessage[]): void;
  onToolCalls?(toolCalls: ToolCall[]): void;
  onQualification?(qualification: Qualification[]): void;
  onFeedback?(feedback: FeedbackSession | null): void;
}

export type RecordName = "conversation" | "messages" | "toolCalls" | "qualification" | "feedback";

const NEWEST = 500;
const ALL: RecordName[] = ["conversation", "messages", "toolCalls", "qualification", "feedback"];

// Which events say that these rows have changed; any other event changes none of them.
const CHANGES: [RegExp, RecordName][] = [
  [/message|utterance|transcription_ready|^conversation\.ended$/, "messages"],
  [/tool/, "toolCalls"],
  [/objective|qualification/, "qualification"],
  [/feedback|analysis|transcription_ready|^conversation\.ended$|^system\.shutdown$/, "feedback"],
];

/** Return what reads the records that somebody listens to; each is told at first and when it has changed. */
export function createRecords(context: Context, conversationId: string, handlers: RecordHandlers) {
  const shown = new Map<RecordName, string>();
  const wanted = new Set<RecordName>();
  let conversation: Conversation | null = null;

  const readings: Record<RecordName, () => Promise<void>> = {
    conversation: async () => keep((await rowsOf<Conversation>(from("conversations").limit(1)))[0]),
    messages: async () => {
      const rows = await rowsOf<ConversationMessage>(inOrder(from("conversation_messages")).limit(NEWEST));
      show("messages", rows.reverse(), handlers.onMessages);
    },
    toolCalls: async () => {
      const newest = from("tool_calls").order("called_at", { ascending: false, nullsFirst: true }).order("created_at", { ascending: false });
      show("toolCalls", (await rowsOf<ToolCall>(newest.limit(NEWEST))).reverse(), handlers.onToolCalls);
    },
    qualification: async () => {
      const rows = await rowsOf<Qualification>(from("qualification_data").order("created_at"));
      show("qualification", rows, handlers.onQualification);
    },
    feedback: async () => {
      const sessions = conversation ? from("feedback_sessions", conversation.id).order("created_at", { ascending: false }) : null;
      const [row] = sessions ? await rowsOf<FeedbackSession>(sessions.limit(1)) : [];
      show("feedback", row ?? null, handlers.onFeedback);
    },
  };

  function from(table: TableName, id = conversationId): Query {
    return context.client.from(table).select("*").eq("conversation_id", id).abortSignal(context.signal) as Query;
  }

  function show<Rows>(name: RecordName, rows: Rows, handler?: (rows: Rows) => void): void {
    const text = JSON.stringify(rows);
    if (shown.get(name) === text) return;
    shown.set(name, text);
    context.tell(() => handler?.(rows));
  }

  /** Of two versions of a row the higher is the later one. */
  function keep(row: Conversation | undefined): void {
    if (!row || row.version < (conversation?.version ?? 0)) return;
    // Who could not read the row could not read what belongs to it.
    if (!conversation) ask(ALL);
    conversation = row;
    show("conversation", row, handlers.onConversation);
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
  async function take({ eventType, errors, new: row }: Change): Promise<void> {
    const columns = Object.keys(conversation ?? {});
    // A long value that an update has left alone is not told again.
    const isWhole = eventType === "INSERT" || (columns.length > 0 && columns.every((column) => column in row));
    const isTold = isWhole && !errors?.length;
    if (isTold) keep(row as unknown as Conversation);
    if (row.id) await request(isTold ? [] : ["conversation"]);
  }

  return {
    take,
    /** Read all at first and when far back is read; else the row, which may change without an event. */
    read: (isDeep: boolean) => request(isDeep || !shown.size ? ALL : ["conversation"]),
    readAfter: (events: WebhookEvent[]) => request(events.flatMap(changedBy)),
  };
}

function changedBy({ event_type }: WebhookEvent): RecordName[] {
  return CHANGES.filter(([pattern]) => pattern.test(event_type ?? "")).map(([, name]) => name);
}

// Live messages come in any order; those of a transcript have a position.
function inOrder(query: Query): Query {
  return query
    .order("position", { ascending: false, nullsFirst: true })
    .order("seq", { ascending: false, nullsFirst: true })
    .order("turn_idx", { ascending: false, nullsFirst: true })
    .order("timestamp", { ascending: false, nullsFirst: false })
    .order("created_at", { ascending: false }) as Query;
}
