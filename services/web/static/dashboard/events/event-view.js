/** The page of an event of the inbox. */
import { badge, copyButton, errorState, facts, html, icon, json, nothing, time, duration } from "../ui.js";
import { parseExactly } from "../json.js";
import { crumb } from "./crumb.js";
import { effectsView } from "./effects-view.js";
import { conversationLink, lastLine } from "./rows.js";

/** Return the page. */
export function eventView(place, one) {
  const { event, error } = one.state;
  return html`<div class="event-page">
    ${crumb(place)}
    <header class="head">
      <h1>${event.event_type}</h1>
      ${badge(event.state)}
      <span class="spacer"></span>
      ${replayButton(one)}
    </header>
    ${error ? errorState(error, one.load) : nothing} ${replayNote(one.state.replay)}
    <div class="columns">
      <div class="stack">${came(place, event)} ${effectsView(event)}</div>
      <div class="stack">${about(event)} ${attempts(event)}</div>
    </div>
  </div>`;
}

/** Return what stands for an event that is not there, or not for this person. */
export const missingView = () => html`<div class="empty">
  <h1>There is no such event</h1>
  <p>It may have been removed for its age, or it is about a conversation that is not yours.</p>
  <p><a class="button" href="/dashboard/events">All events</a></p>
</div>`;

function replayButton({ state: { event, replay }, replay: start }) {
  if (event.pruned_at) return nothing;
  const isRunning = Boolean(replay?.isRunning);
  return html`<button type="button" class="main" ?disabled=${isRunning} @click=${start}>${icon("replay")}${isRunning ? "Replaying…" : "Replay"}</button>`;
}

const NOTES = {
  processed: ["good", "Replayed: the event is processed."],
  ignored: ["good", "Replayed: no handler knows this type, so the event is kept and ignored."],
  unmatched: ["warn", "Replayed: its conversation is not known yet. It is applied as soon as it is."],
  failed: ["bad", "Replayed, and it failed again. The latest attempt says why; it is tried again by itself."],
  dead: ["bad", "Replayed, and it failed again for good."],
};

function replayNote(replay) {
  if (!replay) return nothing;
  if (replay.error) return errorState(replay.error);
  if (replay.isSlow && replay.isRunning) return note("warn", "Still waiting for a worker to take it. Is one running?");
  if (replay.isRunning) return note("", "Due again. A worker takes it within a second or so.");
  return note(...(NOTES[replay.outcome] ?? ["", `The event is ${replay.outcome}.`]));
}

const note = (kind, text) => html`<p class=${`note-line ${kind}`} role="status">${text}</p>`;

function about(event) {
  return html`<section class="card" aria-labelledby="about-title">
    <h2 id="about-title">About</h2>
    ${facts([
      ["State", badge(event.state)],
      ["Source", event.source],
      ["Conversation", event.conversation_id ? conversationLink(event.conversation_id) : null],
      ["Received", time(event.received_at)],
      ["Finished", time(event.finished_at)],
      ["Took", duration(event.duration_ms)],
      ["Attempts", String(event.attempts)],
      ["Next attempt", event.state === "received" || event.state === "failed" ? time(event.next_attempt_at) : null],
      ["Id", html`<span class="mono">${event.id}</span>`],
      ["Key", html`<span class="mono">${event.event_key}</span>`],
    ])}
  </section>`;
}

function attempts({ failures }) {
  if (!failures.length) return nothing;
  return html`<section class="card" aria-labelledby="attempts-title">
    <h2 id="attempts-title">Failed attempts</h2>
    <ol class="attempts">${[...failures].reverse().map(attempt)}</ol>
  </section>`;
}

const attempt = ({ attempt: number, at, error }) => html`<li>
  <p class="by"><span>Attempt ${number}</span>${time(at)}</p>
  <p class="trouble">${lastLine(error)}</p>
  ${error.trim().includes("\n") ? html`<details><summary>Traceback</summary><pre tabindex="0">${error}</pre></details>` : nothing}
</li>`;

function came({ query, setQuery }, event) {
  const isRaw = query.get("view") === "raw";
  const show = (view) => () => setQuery({ view }, { replace: true });
  return html`<section class="card" aria-labelledby="came-title">
    <div class="card-head">
      <h2 id="came-title">What came</h2>
      <span class="hint">${size(event.body_size)}</span>
      <span class="spacer"></span>
      <div class="switch" role="group" aria-label="Body as">
        <button type="button" aria-pressed=${String(!isRaw)} @click=${show(null)}>Pretty</button>
        <button type="button" aria-pressed=${String(isRaw)} @click=${show("raw")}>Raw</button>
      </div>
      ${copyButton(() => event.body, "Copy body")}
    </div>
    <div class="headers">${facts([["Path", event.path ? html`<span class="mono">${event.path}</span>` : null], ...headers(event)])}</div>
    ${body(event, isRaw)}
  </section>`;
}

const headers = (event) => Object.entries(event.headers).map(([name, value]) => [name, html`<span class="mono">${value}</span>`]);

function body({ body: text, body_encoding: encoding, pruned_at: pruned, headers: told }, isRaw) {
  if (pruned) return html`<p class="hint">The body was removed for its age, ${time(pruned)}.</p>`;
  if (encoding === "base64") return html`<p class="hint">This is no text; here it is as base64.</p><pre tabindex="0" aria-label="Body" role="region">${text}</pre>`;
  if (isRaw) return html`<pre tabindex="0" aria-label="Raw body" role="region">${text}</pre>`;
  return parsed(text, told["content-type"] ?? "");
}

function parsed(text, type) {
  if (type.includes("x-www-form-urlencoded")) return json(Object.fromEntries(new URLSearchParams(text)), { label: "Body" });
  try {
    return json(parseExactly(text), { label: "Body" });
  } catch {
    return html`<pre tabindex="0" aria-label="Body" role="region">${text}</pre>`;
  }
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1024 ** 2).toFixed(1)} MB`;
}
