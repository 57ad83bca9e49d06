/** Endpoints: where people want to be told, and how each does. */
import { watchRows } from "/static/convohooks.js";
import { endpointForm } from "../endpoints/form.js";
import { endpointState, listensTo, secretCard, successRate, timeOrNever, whyDisabled } from "../endpoints/parts.js";
import { keepFresh } from "../fresh.js";
import { told } from "../trouble.js";
import { emptyState, errorState, html, icon, loading, nothing, pager, render, table } from "../ui.js";

const EVERY_MS = 15_000;
const PATH = "/api/webhook-endpoints";

export const page = { title: "Endpoints", open };

function open(place) {
  const state = { rows: null, health: new Map(), error: null, form: null, made: null };
  const show = () => place.signal.aborted || draw(place, state, actions);
  const actions = actionsOf(place, state, show);

  const fresh = keepFresh(place, () => readHealth(place, state).then(show), EVERY_MS);
  const watch = watchRows(
    place.client,
    "webhook_endpoints",
    {
      onRows(rows) {
        Object.assign(state, { rows, error: null });
        fresh.soon();
        show();
      },
      onStatus: place.showStatus,
      onError(error) {
        if (!state.rows) state.error = error;
        show();
      },
    },
    { orderBy: "created_at", pageSize: 200 },
  );
  place.signal.addEventListener("abort", () => watch.stop());
  Object.assign(state, { retry: () => watch.refresh(), more: () => watch.readEarlier(), hasMore: () => watch.hasEarlier });
  show();
}

async function readHealth(place, state) {
  const ask = told(place, () => place.api.get(`${PATH}/health`, {}, { signal: place.signal }));
  try {
    const { data } = await ask();
    state.health = new Map(data.map((row) => [row.endpoint_id, row]));
  } catch {
    // The shell says so, and this comes again by itself.
  }
}

function actionsOf(place, state, show) {
  const change = (news) => {
    Object.assign(state, news);
    show();
  };
  return {
    begin() {
      change({ form: { problem: null, isBusy: false } });
      place.root.querySelector(".endpoint-form input")?.focus();
    },
    cancel() {
      change({ form: null });
      place.root.querySelector(".new-endpoint")?.focus();
    },
    async save(fields) {
      change({ form: { problem: null, isBusy: true } });
      try {
        change({ made: await place.api.post(PATH, fields), form: null });
        place.root.querySelector(".secret")?.focus();
      } catch (error) {
        change({ form: { problem: error.detail ?? error.message, isBusy: false } });
      }
    },
    done: () => change({ made: null }),
  };
}

function draw(place, state, actions) {
  const { rows, error, form, made } = state;
  render(
    html`
      <header class="head">
        <h1>Endpoints</h1>
        <span class="spacer"></span>
        <button type="button" class="main new-endpoint" ?hidden=${Boolean(form)} @click=${actions.begin}>New endpoint</button>
        <p class="hint">Addresses of yours that are told, by signed webhooks, of what happens here.</p>
      </header>
      <div class="stack">
        ${made ? secretCard({ secret: made.secret, text: `${made.url} is told from now on.`, onDone: actions.done }) : nothing}
        ${form ? endpointForm({ endpoint: null, ...form, onSave: actions.save, onCancel: actions.cancel }) : nothing}
        ${error ? errorState(error, state.retry) : rows ? html`${list(place, state, actions)} ${pager({ hasMore: state.hasMore?.(), more: state.more, label: "Show older ones" })}` : loading()}
      </div>
    `,
    place.root,
  );
}

const list = ({ person }, { rows, health, form }, { begin }) =>
  table({
    caption: "Endpoints",
    rows,
    columns: [
      { label: "URL", isWide: true, cell: address },
      { label: "Hears", cell: (row) => html`<span class="hears">${listensTo(row)}</span>` },
      { label: "State", cell: (row) => html`<div>${endpointState(row)}<span class="why hint">${whyDisabled(row)}</span></div>` },
      { label: "Last success", cell: ({ id }) => timeOrNever(health.get(id)?.last_delivered_at) },
      { label: "Last failure", cell: ({ id }) => timeOrNever(health.get(id)?.last_failed_at) },
      { label: "Success, 24 h", isNumeric: true, cell: ({ id }) => successRate(health.get(id)) },
      ...(person.isAdmin ? [{ label: "Owner", cell: (row) => owner(row, person) }] : []),
    ],
    empty: form ? nothing : noEndpoint(begin),
  });

const address = ({ id, url, description }) =>
  html`<div class="endpoint-url"><a href="/dashboard/endpoints/${id}">${url}</a>${description ? html`<span class="hint">${description}</span>` : nothing}</div>`;

const owner = ({ user_id: id }, person) => (id === person.id ? "you" : html`<code title=${id}>${id.slice(0, 8)}</code>`);

const noEndpoint = (begin) =>
  emptyState({
    title: "No endpoint yet",
    text: "Make one, and your own system hears of messages, calls, bookings and results as they happen.",
    action: html`<button type="button" class="main" @click=${begin}>${icon("send")}Make your first endpoint</button>`,
  });
