/** One endpoint: how it is set up, and its deliveries as they go. */
import { watchRows } from "/static/convohooks.js";
import { FILTERS, createPages, merged, unwatched } from "../endpoints/deliveries.js";
import { DELIVERY_FIELDS, deliveryTable } from "../endpoints/delivery-table.js";
import { endpointActions, testControl } from "../endpoints/actions.js";
import { endpointForm } from "../endpoints/form.js";
import { endpointState, listensTo, secretCard, whyDisabled } from "../endpoints/parts.js";
import { filtersOf, ignoredNote } from "../filters.js";
import { keepFresh } from "../fresh.js";
import { isUuid, rowsOf } from "../reads.js";
import { emptyState, errorState, facts, filterForm, html, loading, nothing, pager, render, time, toast } from "../ui.js";

const STATES = ["waiting", "delivered", "failed"];
const PURSUE_MS = 3_000;
const MOST_PURSUED = 100;

export const page = { title: "Endpoint", open };

function open(place) {
  const { id } = place.params;
  const path = `/api/webhook-endpoints/${encodeURIComponent(id)}`;
  const state = { endpoint: null, isOwn: false, pages: { rows: null }, live: [], form: null, rotated: null, error: null };
  const change = (news) => {
    const wasOpen = Boolean(state.form);
    Object.assign(state, news);
    if (place.signal.aborted) return;
    draw(place, state, { ...actions, ...pages, change });
    if (Boolean(state.form) !== wasOpen) place.root.querySelector(wasOpen ? ".edit" : ".endpoint-form input")?.focus();
  };
  const actions = endpointActions(place, path, {
    done({ note, again, resent, ...news }) {
      change(news);
      if (again) pages.renew([again]);
      if (resent) pages.start();
      if (note) toast(note);
      if (news.rotated) place.root.querySelector(".secret")?.focus();
    },
    failed: (error) => (state.form ? change({ form: { problem: error.detail, isBusy: false } }) : toast(error.detail ?? error.message)),
  });
  const pages = createPages(place, `${path}/deliveries`, () => filterOf(place), (read) => change({ pages: read }));

  if (!isUuid(id)) return change({ error: NO_ENDPOINT });
  place.onQuery(() => pages.start());
  change({});
  return begin(place, state, pages, change);
}

const NO_ENDPOINT = { status: 404, detail: "There is no such endpoint of yours." };
const GONE = { status: 404, detail: "This endpoint was deleted, and its deliveries with it." };

async function begin(place, state, pages, change) {
  const { client, params, person, signal } = place;
  try {
    const { user_id: owner, ...endpoint } = await find(place);
    if (signal.aborted) return;
    change({ endpoint, isOwn: owner === person.id, error: null });
  } catch (error) {
    if (!signal.aborted) change({ error, retry: () => begin(place, state, pages, change) });
    return;
  }
  pages.start();
  const onError = () => {};
  const watches = [
    watchRows(client, "webhook_deliveries", { onRows: (live) => change({ live }), onStatus: place.showStatus, onError }, { column: "endpoint_id", value: params.id, orderBy: "created_at", pageSize: 50 }),
    watchRows(client, "webhook_endpoints", { onRows: ([row]) => (row ? renew(state, row, change) : change({ error: GONE })), onError }, { column: "id", value: params.id, orderBy: "created_at" }),
  ];
  signal.addEventListener("abort", () => watches.forEach((watch) => watch.stop()));
  keepFresh(place, () => pursue(place, state, pages), PURSUE_MS);
}

/** Read what still waits and is too old to be watched. */
async function pursue({ client }, { pages: { rows }, live }, { renew }) {
  const ids = unwatched(rows, live).slice(0, MOST_PURSUED);
  // What cannot be read now is asked for again.
  if (ids.length) renew(await rowsOf(client.from("webhook_deliveries").select("*").in("id", ids)).catch(() => []));
}

// An admin reads everybody's by the API, which does not tell whose it is.
async function find({ api, client, params, signal }) {
  const endpoint = await api.get(`/api/webhook-endpoints/${params.id}`, {}, { signal });
  const { data } = await client.from("webhook_endpoints").select("user_id").eq("id", params.id).maybeSingle();
  return { ...endpoint, user_id: data?.user_id };
}

function renew(state, row, change) {
  if (row.version > state.endpoint.version) change({ endpoint: { ...state.endpoint, ...row } });
}

const filters = ({ query }) => filtersOf(query, FILTERS, { state: STATES });
const filterOf = (place) => filters(place).filter;

function draw(place, state, actions) {
  const { endpoint, error, retry } = state;
  const body = error ? html`<h1>Endpoint</h1>${errorState(error, retry)}` : endpoint ? whole(place, state, actions) : html`<h1>Endpoint</h1>${loading()}`;
  render(html`<a class="crumb" href="/dashboard/endpoints">Endpoints</a>${body}`, place.root);
}

const whole = (place, state, actions) => html`
  ${head(state, actions)}
  <div class="stack">
    ${state.rotated ? secretCard({ secret: state.rotated.secret, text: rotatedText(state.rotated), onDone: () => actions.change({ rotated: null }) }) : nothing}
    ${state.form ? endpointForm(formOf(state, actions)) : about(state.endpoint)}
    ${deliveries(place, state, actions)}
  </div>`;

const rotatedText = ({ previous_expires_at: until }) =>
  html`New webhooks are signed with it; the older ones sign beside it until ${new Date(until).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}.`;

const formOf = ({ endpoint, form }, { save, change }) => ({
  endpoint,
  ...form,
  onSave(fields) {
    change({ form: { problem: null, isBusy: true } });
    save(fields);
  },
  onCancel: () => change({ form: null }),
});

const head = ({ endpoint, isOwn, form }, { change, rotate, turn, remove, test }) => html`<header class="head">
    <h1 class="url">${endpoint.url}</h1>
    ${endpointState(endpoint)} ${isOwn ? nothing : html`<p class="hint">Somebody else's: only its owner may change it or resend.</p>`}
  </header>
  <div class="toolbar" role="group" aria-label="What you can do" ?hidden=${!isOwn || Boolean(form)}>
    ${endpoint.disabled ? nothing : testControl(endpoint, test)}
    <span class="spacer"></span>
    <button type="button" class="edit" @click=${() => change({ form: {} })}>Edit</button>
    <button type="button" @click=${rotate}>Rotate the secret</button>
    <button type="button" @click=${() => turn(!endpoint.disabled)}>${endpoint.disabled ? "Enable" : "Disable"}</button>
    <button type="button" class="danger" @click=${() => remove(endpoint.url)}>Delete</button>
  </div>`;

const about = (endpoint) => html`<section class="card" aria-label="About this endpoint">
  ${facts([
    ["Description", endpoint.description],
    ["State", endpoint.disabled ? whyDisabled(endpoint) : null],
    ["Hears", endpoint.event_types?.join(", ") ?? listensTo(endpoint)],
    ["Conversation", endpoint.conversation_id ? html`<a href="/dashboard/conversations/${endpoint.conversation_id}"><code>${endpoint.conversation_id}</code></a>` : null],
    ["Limits", limits(endpoint)],
    ["Retries after", endpoint.retry_schedule ? (endpoint.retry_schedule.length ? `${endpoint.retry_schedule.join(", ")} s` : "never") : null],
    ["Headers", Object.keys(endpoint.headers).length ? Object.keys(endpoint.headers).join(", ") : null],
    ["Made", time(endpoint.created_at)],
  ])}
</section>`;

function limits({ rate_per_minute: rate, concurrency, ordered }) {
  const said = [rate && `${rate} attempts a minute`, concurrency && `${concurrency} at once`, ordered && "one after the other"];
  return said.filter(Boolean).join(", ");
}

function deliveries(place, { pages, live, isOwn }, actions) {
  const filter = filterOf(place);
  const rows = pages.rows && merged(pages.rows, live, filter, Boolean(pages.next));
  return html`<section aria-labelledby="deliveries-title">
    <header class="head section-head">
      <h2 id="deliveries-title">Deliveries</h2>
      <span class="spacer"></span>
      ${isOwn ? html`<button type="button" @click=${actions.resendFailed}>Resend what has failed</button>` : nothing}
    </header>
    ${filterForm(place, DELIVERY_FIELDS)} ${ignoredNote(filters(place).ignored)}
    ${pages.error ? errorState(pages.error, actions.start) : nothing}
    ${rows ? deliveryTable({ rows, resend: isOwn ? actions.resend : null, empty: noDelivery(filter) }) : pages.error ? nothing : loading()}
    ${pager({ hasMore: Boolean(pages.next), more: actions.more, isLoading: pages.isLoading, label: "Show older ones" })}
  </section>`;
}

const noDelivery = (filter) =>
  Object.keys(filter).length
    ? emptyState({ title: "No delivery fits", text: "Clear a filter to see more." })
    : emptyState({ title: "Nothing was sent yet", text: "Send a test event, or wait for something to happen." });
