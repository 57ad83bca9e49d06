/** One delivery: each attempt, what was answered, and when the next one is. */
import { watchRows } from "/static/convohooks.js";
import { endpointActions } from "../endpoints/actions.js";
import { deliveryState } from "../endpoints/parts.js";
import { isUuid } from "../reads.js";
import { badge, copyButton, duration, emptyState, errorState, facts, html, loading, nothing, render, time, toast } from "../ui.js";

export const page = { title: "Delivery", open };

const NO_DELIVERY = { status: 404, detail: "There is no such delivery to an endpoint of yours." };

function open(place) {
  const { client, params, signal, showStatus } = place;
  const state = { delivery: null, endpoint: null, isOwn: false, error: null, wanted: 0, isReading: false };
  const change = (news) => {
    Object.assign(state, news);
    if (!signal.aborted) draw(place, state, change);
  };
  change({});
  if (!isUuid(params.id)) return change({ error: NO_DELIVERY });

  const onRows = ([row]) => {
    if (!row) return change({ error: state.delivery ? state.error : NO_DELIVERY });
    state.wanted = Math.max(state.wanted, row.version);
    read(place, state, row, change);
  };
  const onError = (error) => state.delivery || change({ error, retry: () => watch.refresh() });
  const watch = watchRows(client, "webhook_deliveries", { onRows, onStatus: showStatus, onError }, { column: "id", value: params.id, orderBy: "created_at" });
  signal.addEventListener("abort", () => watch.stop());
}

// An attempt is written down together with its delivery's next version.
async function read({ api, client, person, signal }, state, row, change) {
  if (state.isReading || state.delivery?.version >= state.wanted) return;
  state.isReading = true;
  const path = `/api/webhook-endpoints/${row.endpoint_id}`;
  try {
    const [delivery, endpoint] = await Promise.all([
      api.get(`${path}/deliveries/${row.id}`, {}, { signal }),
      state.endpoint ?? api.get(path, {}, { signal }),
    ]);
    change({ delivery, endpoint, isOwn: row.user_id === person.id, error: null });
  } catch (error) {
    if (!signal.aborted) change({ error, retry: () => read({ api, client, person, signal }, state, row, change) });
    return;
  } finally {
    state.isReading = false;
  }
  read({ api, client, person, signal }, state, row, change);
}

function draw(place, { delivery, endpoint, isOwn, error, retry }, change) {
  const back = endpoint ? html`<a class="crumb" href="/dashboard/endpoints/${endpoint.id}">${endpoint.url}</a>` : html`<a class="crumb" href="/dashboard/endpoints">Endpoints</a>`;
  const body = error ? html`<h1>Delivery</h1>${errorState(error, retry)}` : delivery ? whole(place, delivery, endpoint, isOwn, change) : html`<h1>Delivery</h1>${loading()}`;
  render(html`${back}${body}`, place.root);
}

function whole(place, delivery, endpoint, isOwn) {
  const { resend } = endpointActions(place, `/api/webhook-endpoints/${endpoint.id}`, { failed: (error) => toast(error.detail ?? error.message) });
  return html`
    <header class="head">
      <h1><code>${delivery.event_type}</code></h1>
      ${deliveryState(delivery)}
      <span class="spacer"></span>
      ${isOwn ? html`<button type="button" class="main" @click=${() => resend(delivery)}>${delivery.state === "waiting" ? "Send now" : "Resend"}</button>` : nothing}
    </header>
    <div class="columns">
      <section aria-labelledby="attempts-title">
        <h2 id="attempts-title" class="section-title">Attempts</h2>
        ${attempts(delivery)}
      </section>
      <section class="card" aria-label="About this delivery">
        ${facts([
          ["webhook-id", html`<code>${delivery.webhook_id}</code> ${copyButton(delivery.webhook_id)}`],
          ["Endpoint", html`<a href="/dashboard/endpoints/${endpoint.id}">${endpoint.url}</a>`],
          ["Conversation", delivery.conversation_id ? html`<a href="/dashboard/conversations/${delivery.conversation_id}"><code>${delivery.conversation_id}</code></a>` : null],
          ["Made", time(delivery.created_at)],
          ["Next attempt", delivery.state === "waiting" ? nextAttempt(delivery, endpoint) : null],
          ["Ended", time(delivery.finished_at)],
        ])}
      </section>
    </div>`;
}

const nextAttempt = ({ next_attempt_at: at }, { disabled }) => (disabled ? "when the endpoint is enabled again" : at ? time(at) : nothing);

function attempts({ attempt_log: log }) {
  if (!log.length) return emptyState({ title: "Not tried yet", text: "The first attempt goes out as soon as a worker has a hand free." });
  return html`<ol class="tries">${log.toReversed().map(attempt)}</ol>`;
}

const attempt = ({ attempt: number, status, error, response, duration_ms: ms, attempted_at: at }) => html`<li class="card try">
  <header>
    <h3>Attempt ${number}</h3>
    ${badge(error ? "failed" : "delivered", status ? String(status) : "No answer")}
    <span class="hint">${duration(ms)}</span>
    <span class="spacer"></span>
    <span class="hint">${time(at)}</span>
  </header>
  ${error ? html`<p class="said-error">${error}</p>` : nothing}
  ${response ? html`<pre tabindex="0" role="region" aria-label="The answer to attempt ${number}">${response}</pre>` : html`<p class="hint">${status ? "The answer was empty." : nothing}</p>`}
</li>`;
