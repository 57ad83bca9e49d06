/** What happened in a conversation, from all the tables that know of it, in one order of time. */
import { moment, paceOf } from "./pace.js";

/** The sorts of what happens, each with its name for people. */
export const KINDS = {
  said: "Messages",
  tool: "Tool calls",
  shown: "On screen",
  objective: "Objectives",
  feedback: "Feedback",
  seen: "Perception",
  status: "Status",
  delivery: "Deliveries",
  other: "Other",
};

const SPEECH = /^conversation\.(message|utterance)/;
const TOOLS = new Set([
  "conversation.tool_called",
  "conversation.tool_call",
  "conversation.perception_tool_call",
  "conversation.tool_result",
  "tool_call_result",
]);
const ON_SCREEN = new Set(["fetch_video", "display_cta"]);

const KIND_OF_EVENT = [
  [SPEECH, "said"],
  [/objective|qualification/, "objective"],
  [/^feedback\.|post_call/, "feedback"],
  [/perception/, "seen"],
  [/canvas/, "shown"],
  [/^system\.|^conversation\.(updated|ended)|transcription|recording/, "status"],
];

export const NO_RECORDS = { conversation: null, messages: [], toolCalls: [], qualification: [], feedback: null, events: [], deliveries: [] };

/**
 * Return the entries of a timeline, the earliest first: {key, kind, at, order, source, row}. `source` names the table that
 * the row is from; `at` is null where nobody told a time.
 */
export function timeline(records) {
  const entries = [
    ...created(records.conversation),
    ...records.events.filter((event) => isNews(event, records)).map(eventEntry),
    ...spoken(records),
    ...records.toolCalls.map(toolEntry),
    ...forgotten(records),
    ...scored(records.feedback),
    ...records.deliveries.map((row) => entry("delivery", "delivery", row, moment(row.created_at))),
  ];
  return entries.sort((a, b) => a.order - b.order);
}

/** Return how many entries there are of each kind. */
export function counts(entries) {
  const found = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0]));
  for (const { kind } of entries) found[kind] += 1;
  return found;
}

/** Return when an event happened: its sender's word on it, else when it was written here. */
function eventTime(event) {
  const { timestamp, ended_at: endedAt, updated_at: updatedAt } = fieldsOf(event);
  return moment(timestamp) ?? moment(endedAt) ?? moment(updatedAt) ?? moment(event.processed_at);
}

/** Return the fields of an event, which senders put at the top or below `properties` or `data`. */
export function fieldsOf(event) {
  const data = event.event_data;
  return Object.assign({}, ...[data, data?.data, data?.properties].filter(isObject));
}

function entry(kind, source, row, at, order = at ?? 0) {
  return { key: `${source}:${row.id}`, kind, source, row, at, order };
}

function created(conversation) {
  return conversation?.created_at ? [entry("status", "conversation", conversation, moment(conversation.created_at))] : [];
}

function spoken({ messages, events, conversation }) {
  const pace = paceOf(messages, events.filter((event) => SPEECH.test(event.event_type ?? "")).map(heard), {
    from: moment(conversation?.started_at) ?? moment(messages[0]?.created_at),
    until: moment(conversation?.ended_at),
  });
  return messages.map((row, index) => entry("said", "message", row, pace[index].at, pace[index].order));
}

function heard(event) {
  const said = fieldsOf(event);
  const message = isObject(said.message) ? said.message : said;
  const role = message.role === "user" ? "user" : "assistant";
  return { role, content: (message.content ?? message.speech ?? message.text)?.trim?.(), at: eventTime(event) };
}

function toolEntry(row) {
  const kind = ON_SCREEN.has(row.name) ? "shown" : "tool";
  return entry(kind, "tool", row, moment(row.called_at) ?? moment(row.finished_at) ?? moment(row.created_at));
}

function eventEntry(event) {
  const type = event.event_type ?? "";
  const kind = TOOLS.has(type) ? "tool" : (KIND_OF_EVENT.find(([pattern]) => pattern.test(type))?.[1] ?? "other");
  return entry(kind, "event", event, eventTime(event));
}

// What an event says of a message or a tool, their own rows say better.
function isNews(event, { messages, toolCalls }) {
  const type = event.event_type ?? "";
  if (SPEECH.test(type)) return messages.length === 0;
  if (!TOOLS.has(type)) return true;
  const said = fieldsOf(event);
  const id = said.tool_call_id ?? said.tool_call?.id ?? null;
  const name = said.tool_name ?? said.name ?? said.tool_call?.function?.name;
  return !toolCalls.some((row) => (id === null ? row.name === name : row.tool_call_id === id));
}

// Events are kept for a while only; what an objective found stays.
function forgotten({ qualification, events }) {
  const told = new Set(events.map((event) => fieldsOf(event).objective_name));
  const rows = qualification.filter((row) => !told.has(row.objective_name));
  return rows.map((row) => entry("objective", "qualification", row, moment(row.received_at)));
}

function scored(feedback) {
  return feedback ? [entry("feedback", "feedback", feedback, moment(feedback.completed_at) ?? moment(feedback.created_at))] : [];
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
