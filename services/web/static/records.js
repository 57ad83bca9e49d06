/** What else is known of a conversation: its row, messages, qualification, feedback. Re-read when told to. */
import { oneAtATime } from "./flight.js";

const MESSAGES = 500;

// Which events say that these rows have changed; any other event changes none of them.
const CHANGES = [
  [/^conversation\.(message|utterance)$/, ["messages"]],
  [/^conversation\.objective\.completed$/, ["qualification"]],
  [/^application\.transcription_ready$/, ["messages", "feedback"]],
  [/^(conversation\.ended|system\.shutdown)$/, ["feedback"]],
  [/qualification/, ["qualification"]],
  [/feedback|analysis/, ["feedback"]],
];
const ALL = ["conversation", "messages", "qualification", "feedback"];

/**
 * Return the records of a conversation, read until the signal is aborted.
 * `onChange({conversation, messages, …})` gets what is known after each read.
 */
export function createRecords(client, conversationId, { signal, onChange }) {
  const known = { conversation: null, messages: [], qualification: [], feedback: null };
  const wanted = new Set();

  const read = oneAtATime(async () => {
    const names = ALL.filter((name) => wanted.delete(name));
    for (const name of names) await readings[name]().catch(() => {});
    if (!signal.aborted) onChange(known);
  });

  const readings = {
    async conversation() {
      const [row] = await rowsOf(from("conversations").limit(1));
      keep(row);
    },
    async messages() {
      const newest = from("conversation_messages")
        .order("position", { ascending: false, nullsFirst: true })
        .order("seq", { ascending: false, nullsFirst: true })
        .order("turn_idx", { ascending: false, nullsFirst: true })
        .order("timestamp", { ascending: false, nullsFirst: false })
        .order("created_at", { ascending: false });
      known.messages = (await rowsOf(newest.limit(MESSAGES))).reverse();
    },
    async qualification() {
      known.qualification = await rowsOf(from("qualification_data").order("created_at"));
    },
    async feedback() {
      if (!known.conversation) return;
      const sessions = from("feedback_sessions", known.conversation.id);
      known.feedback = (await rowsOf(sessions.order("created_at", { ascending: false }).limit(1)))[0] ?? null;
    },
  };

  const from = (table, id = conversationId) =>
    client.from(table).select("*").eq("conversation_id", id).abortSignal(signal);

  function reload(names = ALL) {
    for (const name of names) wanted.add(name);
    if (wanted.size) read();
  }

  /** Of two versions of a row the higher is the later one. */
  function keep(row) {
    const isLater = row && (row.version ?? 0) >= (known.conversation?.version ?? 0);
    if (isLater) known.conversation = row;
  }

  return {
    reload,
    reloadAfter: (rows) => reload(rows.flatMap((row) => changedBy(row.event_type))),
    take(row) {
      keep(row);
      onChange(known);
    },
  };
}

function changedBy(eventType) {
  return CHANGES.filter(([pattern]) => pattern.test(eventType ?? "")).flatMap(([, names]) => names);
}

async function rowsOf(request) {
  const { data, error } = await request;
  if (error) throw new Error(error.message, { cause: error });
  return data;
}
