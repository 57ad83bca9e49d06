/** The table of an endpoint's deliveries. */
import { EVENT_TYPES, deliveryState, lastAnswer } from "./parts.js";
import { html, table, time } from "../ui.js";

const STATES = [["", "All"], ["waiting", "Waiting"], ["delivered", "Delivered"], ["failed", "Failed"]];

/** The fields of its filter. */
export const DELIVERY_FIELDS = [
  { name: "state", label: "State", type: "select", options: STATES },
  { name: "event_type", label: "Event", type: "select", options: [["", "All"], ...EVENT_TYPES] },
  { name: "webhook_id", label: "webhook-id", placeholder: "msg_…" },
  { name: "since", label: "From", type: "datetime" },
  { name: "until", label: "Until", type: "datetime" },
];

/** Return the table; `resend(row)` sends one again, null where the person may not. */
export const deliveryTable = ({ rows, resend, empty }) =>
  table({
    caption: "Deliveries",
    rows,
    empty,
    columns: [
      { label: "Made", cell: ({ created_at: at }) => time(at) },
      { label: "Event", cell: (row) => html`<a href="/dashboard/deliveries/${row.id}"><code class="type">${row.event_type}</code></a>` },
      { label: "State", cell: deliveryState },
      { label: "Attempts", isNumeric: true, cell: ({ attempts }) => attempts },
      { label: "Last answer", isWide: true, cell: lastAnswer },
      { label: "Next attempt", cell: next },
      { label: "webhook-id", cell: ({ webhook_id: id }) => html`<code class="id" title=${id}>${id}</code>` },
      ...(resend ? [{ label: html`<span class="unseen">Action</span>`, class: "actions", cell: (row) => again(row, resend) }] : []),
    ],
  });

const next = ({ state, next_attempt_at: at }) => (state === "waiting" ? time(at) : html`<span class="hint">–</span>`);

const again = (row, resend) =>
  html`<button type="button" class="quiet" @click=${() => resend(row)}>
    <span>${row.state === "waiting" ? "Send now" : "Resend"}<span class="unseen"> ${row.event_type} ${row.webhook_id}</span></span>
  </button>`;
