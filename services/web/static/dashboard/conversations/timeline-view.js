/** A timeline as a list: each entry in the words of what it is. */
import { webAddress } from "../../address.js";
import { plain, shortened, words } from "../../format.js";
import { speaker, summary } from "../../summary.js";
import { reasonsOf, scoredBy, scoresLine } from "./feedback.js";
import { fieldsOf } from "./timeline.js";
import { badge, duration, guard, html, json, nothing, repeat } from "../ui.js";

const BRIEF = 240;
// From here on what is not on the screen is left out of the layout.
const MANY = 200;

// Made once: a format takes longer to make than to use.
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });

/** Return the list; `open` are the keys of the entries whose details are shown, `onToggle(key, isOpen)` hears of others. */
export function timelineView(entries, { fresh, open, onToggle }) {
  const firsts = firstsOfDays(entries);
  return html`<ol class=${entries.length > MANY ? "timeline is-long" : "timeline"} aria-label="Timeline">
    ${repeat(
      entries,
      ({ key }) => key,
      (entry) => {
        const about = { isFresh: fresh.has(entry.key), isOpen: open.has(entry.key), day: firsts.get(entry.key) };
        // Most stay as they are while one comes in.
        return guard([entry.row, entry.at, ...Object.values(about)], () => entryView(entry, { ...about, onToggle }));
      },
    )}
  </ol>`;
}

function firstsOfDays(entries) {
  const firsts = new Map();
  let current = null;
  let end = -Infinity;
  for (const { key, at } of entries) {
    if (at === null || (at >= current && at < end)) continue;
    const day = new Date(at);
    current = day.setHours(0, 0, 0, 0);
    end = day.setHours(24);
    firsts.set(key, DAY.format(at));
  }
  return firsts;
}

function entryView(entry, { isFresh, isOpen, day, onToggle }) {
  const { title, text = nothing, details = null, label = "Details", href = null, state = null, role = "" } = VIEWS[entry.source](entry.row);
  return html`<li class=${isFresh ? "entry is-new" : "entry"} data-kind=${entry.kind} data-role=${role} data-line=${lineOf(entry)} tabindex="-1">
    ${day ? html`<p class="day">${day}</p>` : nothing} ${stamp(entry)}
    <div class="what">
      <p class="title"><span>${href ? html`<a href=${href}>${title}</a>` : title}</span>${state === null ? nothing : badge(...state)}</p>
      ${text} ${details ? more({ key: entry.key, label, details, isOpen, onToggle }) : nothing}
    </div>
  </li>`;
}

function stamp({ at }) {
  if (at === null) return html`<span class="stamp" title="Nobody told when: it stands between its neighbours.">–</span>`;
  return html`<time class="stamp" datetime=${new Date(at).toISOString()} title=${EXACT.format(at)}>${CLOCK.format(at)}</time>`;
}

// Made when it is wanted: some are long, and most are never opened.
const more = ({ key, label, details, isOpen, onToggle }) => html`<details ?open=${isOpen} @toggle=${({ target }) => onToggle(key, target.open)}>
  <summary>${label}</summary>${isOpen ? details().map(([label, value]) => html`<p class="label">${label}</p>${json(value, { label })}`) : nothing}
</details>`;

const VIEWS = {
  message(row) {
    const notes = [row.sentiment, row.intent].filter(Boolean).map(words).join(" · ");
    const title = html`${speaker(row.role)}${notes ? html` <small>${notes}</small>` : nothing}`;
    return { title, text: html`<p class="words">${row.content ?? ""}</p>`, role: row.role };
  },

  tool(row) {
    return { title: toolTitle(row), text: toolText(row), state: toolState(row), details: () => toolDetails(row) };
  },

  event(row) {
    const said = fieldsOf(row);
    const isObjective = /objective/.test(row.event_type ?? "");
    return {
      title: isObjective ? `Objective reached: ${words(said.objective_name)}` : shortened(summary(row), BRIEF),
      text: isObjective ? variables(said.output_variables) : nothing,
      label: html`<code>${row.event_type ?? "Details"}</code>`,
      details: () => [[row.event_type ?? "Event", row.event_data]],
    };
  },

  qualification: (row) => ({ title: `Objective reached: ${words(row.objective_name)}`, text: variables(row.output_variables) }),

  feedback(row) {
    const reasons = reasonsOf(row.analysis);
    return {
      title: `Scored ${row.score ?? "–"} of 100`,
      text: html`<p>${scoresLine(row.analysis)} <small>${scoredBy(row.analyzer)}</small></p>
        ${reasons.length ? html`<ul class="reasons">${reasons.map((reason) => html`<li>${reason}</li>`)}</ul>` : nothing}`,
    };
  },

  conversation: () => ({ title: "The conversation is known here" }),

  delivery(row) {
    const attempts = row.attempts ? `${row.attempts} attempt${row.attempts === 1 ? "" : "s"}` : "";
    const told = [row.last_status && `HTTP ${row.last_status}`, attempts, row.last_error].filter(Boolean).join(" · ");
    return {
      title: `Delivery: ${row.event_type}`,
      href: `/dashboard/deliveries/${encodeURIComponent(row.id)}`,
      state: [row.state],
      text: told ? html`<p>${told}</p>` : nothing,
    };
  },
};

function toolTitle({ name, arguments: told, result }) {
  const asked = result?.title ?? result?.text ?? told?.video_title ?? told?.title ?? told?.text;
  if (name === "fetch_video") return `Video: ${plain(asked ?? "?")}`;
  if (name === "display_cta") return `Button: ${plain(asked ?? "?")}`;
  return `Tool: ${words(name) || "unnamed"}`;
}

function toolText({ name, arguments: told, result, success }) {
  if (success === false) return html`<p class="problem">${shortened(plain(result?.error ?? result ?? "It failed, and did not say why."), BRIEF)}</p>${exchange(told)}`;
  if (name !== "fetch_video" && name !== "display_cta") return exchange(told, result);
  const address = webAddress(result?.video_url ?? result?.url);
  return address ? html`<p><a href=${address} target="_blank" rel="noopener noreferrer">${shortened(address, 80)}</a></p>` : nothing;
}

function exchange(asked, answered) {
  const lines = [["Asked", asked], ["Answered", answered]].filter(([, value]) => !isEmpty(value));
  return lines.length ? html`<dl class="exchange">${lines.map(([label, value]) => html`<div><dt>${label}</dt><dd>${brief(value)}</dd></div>`)}</dl>` : nothing;
}

function toolState({ success, execution_time_ms: took }) {
  const ms = duration(took);
  if (success === true) return ["succeeded", ms ? `Succeeded in ${ms}` : "Succeeded"];
  if (success === false) return ["failed", ms ? `Failed after ${ms}` : "Failed"];
  return null;
}

function toolDetails({ arguments: told, result, tool_call_id: id }) {
  return [["Arguments", told], ["Result", result], ["Id of the call", id]].filter(([, value]) => value !== null && value !== undefined);
}

function variables(told) {
  const pairs = isObject(told) ? Object.entries(told).filter(([, value]) => !isEmpty(value)) : [];
  return pairs.length
    ? html`<dl class="exchange">${pairs.map(([name, value]) => html`<div><dt>${words(name)}</dt><dd>${plain(value)}</dd></div>`)}</dl>`
    : nothing;
}

// A few simple values are read more easily than their JSON.
function brief(value) {
  const isFlat = isObject(value) && Object.values(value).every((part) => typeof part !== "object" || part === null);
  const text = isFlat ? Object.entries(value).map(([name, part]) => `${words(name)}: ${plain(part)}`).join(" · ") : plain(value);
  return shortened(text, BRIEF);
}

// Feedback cites lines of the transcript by their number.
function lineOf({ source, row }) {
  return source === "message" && Number.isInteger(row.position) ? row.position + 1 : "";
}

function isEmpty(value) {
  return value === null || value === undefined || value === "" || (isObject(value) && !Object.keys(value).length);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
