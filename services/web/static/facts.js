/** What is known of the conversation: its name and state, what was said, what it was worth. */
import { webAddress } from "./address.js";
import { byId, element } from "./dom.js";
import { clock, dateAndTime, duration, plain, words } from "./format.js";
import { speaker } from "./summary.js";

const NAMED = ["first_name", "last_name", "email", "position"];
const SCORES = { communicationScore: "Communication", empathyScore: "Empathy", problemSolvingScore: "Problem solving" };
const REMARKS = { strengths: "Strengths", areasForImprovement: "To improve", keyInsights: "Insights" };

export const NO_FACTS = { conversation: null, messages: [], qualification: [], feedback: null };

/** Show the rows of a conversation, in place of what was there. */
export function showFacts({ conversation, messages, qualification, feedback }) {
  showConversation(conversation);
  showMessages(messages);
  fill("qualification", qualification.map(objective));
  fill("feedback", feedback ? [score(feedback), ...remarks(feedback.analysis ?? {})] : []);
}

function showConversation(row) {
  byId("conversation-name").textContent = row?.conversation_name || "Conversation";
  const state = byId("conversation-state");
  state.textContent = words(row?.status);
  state.dataset.state = row?.status ?? "";
  state.hidden = !row?.status;
  fill("conversation-facts", row ? conversationFacts(row) : []);
}

function conversationFacts(row) {
  const recording = webAddress(row.recording_url);
  const link = recording && element("a", { href: recording, target: "_blank", rel: "noopener noreferrer" }, "Open");
  return terms({
    Started: dateAndTime(row.started_at),
    Lasted: duration(row.duration_seconds),
    "End reason": words(row.end_reason),
    Recording: link,
    Seen: row.perception_analysis,
  });
}

function showMessages(messages) {
  const list = byId("messages");
  const wasAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  fill("messages", messages.map(message));
  if (wasAtEnd) list.scrollTop = list.scrollHeight;
}

function message({ role, content, timestamp }) {
  const from = element("span", { class: "from" }, `${speaker(role)} ${clock(timestamp)}`.trim());
  return element("li", { "data-role": role }, from, element("p", {}, content ?? ""));
}

function objective(row) {
  const others = Object.entries(row.output_variables ?? {}).filter(([name]) => !NAMED.includes(name));
  const pairs = [...NAMED.map((name) => [name, row[name]]), ...others];
  const facts = Object.fromEntries(pairs.map(([name, value]) => [words(name), isEmpty(value) ? null : plain(value)]));
  return element("article", {}, element("h3", {}, words(row.objective_name)), element("dl", {}, ...terms(facts)));
}

// No and nought are answers.
function isEmpty(value) {
  return value === null || value === undefined || value === "";
}

function score({ score: total, analysis }) {
  const bars = Object.entries(SCORES).filter(([name]) => Number.isFinite(analysis?.[name]));
  return element(
    "div",
    { class: "score" },
    element("p", { class: "total" }, element("strong", {}, plain(total ?? "–")), " of 100"),
    ...bars.map(([name, label]) => bar(label, analysis[name])),
  );
}

function bar(label, value) {
  return element("label", {}, element("span", {}, label), element("meter", { min: 0, max: 100, value }), element("b", {}, String(value)));
}

function remarks(analysis) {
  const lists = Object.entries(REMARKS).filter(([name]) => Array.isArray(analysis[name]) && analysis[name].length);
  return lists.map(([name, label]) =>
    element("div", {}, element("h3", {}, label), element("ul", {}, ...analysis[name].map((text) => element("li", {}, plain(text))))),
  );
}

function terms(facts) {
  const told = Object.entries(facts).filter(([, value]) => value);
  return told.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

/** Fill a list and hide the card around it while there is nothing in it. */
function fill(id, children) {
  const list = byId(id);
  list.replaceChildren(...children);
  (list.closest(".card.optional") ?? list).hidden = children.length === 0;
}
