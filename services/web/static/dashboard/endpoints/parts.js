/** What the pages of endpoints and deliveries share: states, the secret that is shown once, how an endpoint does. */
import { badge, copyButton, html, nothing, time } from "../ui.js";

/** The types that an endpoint may listen to. */
export const EVENT_TYPES = [
  "message.created",
  "message.processed",
  "conversation.completed",
  "qualification.updated",
  "feedback.created",
  "call.completed",
  "booking.created",
  "endpoint.disabled",
];

const REASONS = {
  owner: "Disabled by its owner",
  gone: "Disabled: it answered 410, gone",
  failing: "Disabled: it has only failed for days",
};

/** Return whether an endpoint is on, and why not. */
export const endpointState = ({ disabled }) => badge(disabled ? "disabled" : "enabled");

/** Return why an endpoint is disabled, or nothing. */
export const whyDisabled = ({ disabled, disabled_reason: reason, disabled_at: at }) =>
  disabled ? html`${REASONS[reason] ?? "Disabled"} ${time(at)}` : nothing;

/** Return a delivery's state: one that has failed before is being retried. */
export const deliveryState = ({ state, attempts }) =>
  state === "waiting" && attempts ? badge("retrying", "Retrying") : state === "waiting" ? badge("pending", "Waiting") : badge(state);

/** Return what came of the last attempt, in a few words. */
export function lastAnswer({ attempts, last_status: status, last_error: error }) {
  if (!attempts) return html`<span class="hint">not tried yet</span>`;
  return error ? html`<span class="said-error">${error}</span>` : html`<code>${status}</code>`;
}

/** Return a time, or that it has never been. */
export const timeOrNever = (iso) => (iso ? time(iso) : html`<span class="hint">never</span>`);

/** Return how many of an endpoint's attempts have arrived lately. */
export function successRate(health) {
  const tried = (health?.delivered ?? 0) + (health?.failed ?? 0);
  if (!tried) return html`<span class="hint">–</span>`;
  const percent = Math.floor((health.delivered / tried) * 1000) / 10;
  return html`<span class=${percent < 95 ? "is-bad" : ""} title="${health.delivered} of ${tried} attempts">${percent} %</span>`;
}

/** Return the card that shows a new secret, the only time that it is shown. */
export const secretCard = ({ secret, text, onDone }) => html`<section class="card secret" aria-labelledby="secret-title" tabindex="-1">
  <h2 id="secret-title">Keep this secret</h2>
  <p>${text} The secret is shown now and never again.</p>
  <p class="secret-value"><code>${secret}</code> ${copyButton(secret, "Copy the secret")}</p>
  <p class="hint">Your receiver checks each webhook's signature with it, by Standard Webhooks.</p>
  <p><button type="button" class="main" @click=${onDone}>I have kept it</button></p>
</section>`;

/** Return which events an endpoint hears, in words. */
export function listensTo({ event_types: types, conversation_id: conversation }) {
  if (conversation) return "Messages of one conversation";
  if (!types) return "All events";
  return types.length > 2 ? `${types.slice(0, 2).join(", ")} and ${types.length - 2} more` : types.join(", ");
}
