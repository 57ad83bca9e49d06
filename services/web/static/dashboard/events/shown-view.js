/** The page of an event as browsers know it: for those who may not see the inbox. */
import { copyButton, duration, facts, html, json, nothing, time } from "../ui.js";
import { crumb } from "./crumb.js";
import { conversationLink } from "./rows.js";

/** Return the page of a row of processed_webhook_events. */
export const shownView = (place, row) => html`<div class="event-page">
  ${crumb(place)}
  <header class="head"><h1>${row.event_type}</h1></header>
  <div class="columns">
    <section class="card" aria-labelledby="data-title">
      <div class="card-head"><h2 id="data-title">What it says</h2><span class="spacer"></span>${copyButton(() => JSON.stringify(row.event_data, null, 2))}</div>
      ${json(row.event_data, { label: "Data" })}
    </section>
    <section class="card" aria-labelledby="about-title">
      <h2 id="about-title">About</h2>
      ${facts([
        ["Source", row.source],
        ["Conversation", row.conversation_id ? conversationLink(row.conversation_id) : null],
        ["Processed", time(row.processed_at)],
        ["Took", duration(row.processing_duration_ms)],
        ["Id", html`<span class="mono">${row.id}</span>`],
      ])}
      ${place.person.isAdmin && row.conversation_id ? inInbox(row) : nothing}
    </section>
  </div>
</div>`;

function inInbox({ event_type, conversation_id }) {
  const query = new URLSearchParams({ event_type, conversation_id });
  return html`<p class="to-inbox"><a href=${`/dashboard/events?${query}`}>Find what came in the inbox</a></p>`;
}
