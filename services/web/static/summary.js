/** What an event says, in one line that a person can read. */
import { plain, shortened, words } from "./format.js";

const SUMMARIES = {
  "system.replica_joined": () => "The agent joined",
  "system.pal_joined": () => "The agent joined",
  "system.shutdown": (said) => withDetail("The call was shut down", words(said.shutdown_reason)),
  "conversation.updated": (said) => withDetail("The conversation changed", words(said.status)),
  "conversation.ended": (said) => withDetail("The conversation ended", words(said.end_reason)),
  "conversation.message": (said) => line(said),
  "conversation.utterance": (said) => line(said),
  "conversation.tool_called": (said) => withDetail("The agent calls", toolCall(said)),
  "conversation.tool_call": (said) => withDetail("The agent calls", toolCall(said)),
  "conversation.perception_tool_call": (said) => withDetail("Noticed", toolCall(said)),
  "conversation.tool_result": (said) => withDetail("A tool answered", plain(said.result ?? said.status)),
  "conversation.objective.completed": (said) => withDetail(`Objective reached: ${words(said.objective_name)}`, pairs(said.output_variables)),
  "conversation.guardrail.triggered": (said) => withDetail("A guardrail held", words(said.guardrail_name ?? said.guardrail)),
  "canvas.interaction": (said) => withDetail("The visitor answered", plain(said.answer)),
  "application.transcription_ready": (said) => withDetail("The transcript is ready", counted(said.transcript_length, "line")),
  "application.recording_ready": () => "The recording is ready",
  "application.recording_copy_failed": () => "The recording could not be copied",
  "application.perception_analysis": (said) => withDetail("What was seen", plain(said.analysis)),
  "application.perception_unavailable": () => "Nothing was seen",
  "application.post_call_action_executed": (said) => withDetail(`After the call: ${words(said.tool_name)}`, words(said.status)),
  tool_call_result: (said) => outcome(said),
};

const SHOWN = { fetch_video: "Video", display_cta: "Button" };

const KINDS = [
  [/tool|canvas/, "tool"],
  [/message|utterance/, "speech"],
  [/objective|qualification|transcription|recording|perception|feedback|post_call/, "insight"],
];

/** Return the line of an event; types that are not in the table speak for themselves. */
export function summary({ event_type: type, event_data: data }) {
  const summarize = Object.hasOwn(SUMMARIES, type) ? SUMMARIES[type] : () => words(type?.replaceAll(".", " "));
  return shortened(summarize(fields(data)) || words(type));
}

/** Return what sort of event it is: speech, tool, insight, failure or system. */
export function kindOf({ event_type: type, event_data: data }) {
  if (type === "tool_call_result" && data?.success === false) return "failure";
  return KINDS.find(([pattern]) => pattern.test(type ?? ""))?.[1] ?? "system";
}

/** Return who said something. */
export function speaker(role) {
  return role === "user" ? "Visitor" : "Agent";
}

/** Return why a tool failed. */
export function failure(said) {
  return `${words(said.tool_name) || "A tool"} failed: ${plain(said.error) || "no reason was given"}`;
}

// Senders put their fields at the top or below `properties` or `data`.
function fields(data) {
  return [data, data?.data, data?.properties].filter(isObject).reduce((all, part) => ({ ...all, ...part }), {});
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withDetail(text, detail) {
  return detail ? `${text}: ${detail}` : text;
}

function line(said) {
  const message = isObject(said.message) ? said.message : said;
  return withDetail(speaker(message.role), plain(message.content ?? message.speech ?? message.text));
}

function toolCall(said) {
  const call = isObject(said.tool_call) ? (said.tool_call.function ?? said.tool_call) : said;
  return call.name ? withDetail(words(call.name), given(call.arguments)) : "";
}

// Arguments come as an object or as its JSON.
function given(told) {
  const found = typeof told === "string" ? parsed(told) : told;
  return isObject(found) ? Object.values(found).map(plain).join(", ") : plain(told);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function pairs(variables) {
  const entries = isObject(variables) ? Object.entries(variables) : [];
  return entries.map(([name, value]) => `${words(name)} ${plain(value)}`).join(", ");
}

function counted(number, noun) {
  return Number.isInteger(number) ? `${number} ${noun}${number === 1 ? "" : "s"}` : "";
}

function outcome(said) {
  if (said.success === false) return failure(said);
  const { title, text } = isObject(said.result) ? said.result : {};
  return withDetail(SHOWN[said.tool_name] ?? words(said.tool_name), plain(title ?? text ?? said.result));
}
