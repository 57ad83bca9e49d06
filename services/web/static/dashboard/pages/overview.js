/** The overview: how it goes, in figures and charts. */
import { watchEvents } from "/static/convohooks.js";
import { createChart } from "../charts/chart.js";
import { keepFresh } from "../fresh.js";
import { openIncidents } from "../operations/incidents.js";
import { missing } from "../operations/missing.js";
import { CHARTS, SPANS, count, drawn, percent, time } from "../overview/numbers.js";
import { isAway, told } from "../trouble.js";
import { emptyState, errorState, html, loading, nothing, render } from "../ui.js";

const EVERY_MS = 15_000;
const DAY = "day";

export const page = { title: "Overview", open };

function open(place) {
  const charts = CHARTS.filter(({ isAdmin }) => place.person.isAdmin || !isAdmin);
  const state = { statistics: null, operations: null, error: null };
  const drawings = new Map();
  const show = () => draw(place, charts, state, fresh);

  // The person may have turned to another span meanwhile.
  const ask = told(place, (hours) => takeIn(place, hours, (news) => hours === SPANS[spanOf(place)].hours && Object.assign(state, news)));

  async function read() {
    try {
      await ask(SPANS[spanOf(place)].hours);
      state.error = null;
    } catch (error) {
      state.error = error;
    }
    if (place.signal.aborted) return;
    show();
    if (state.statistics) update();
  }

  function update() {
    for (const chart of charts) {
      if (!drawings.has(chart.name)) {
        const root = place.root.querySelector(`[data-chart="${chart.name}"]`);
        drawings.set(chart.name, createChart(root, { ...chart, group: "overview" }));
      }
      drawings.get(chart.name).update(drawn(chart, state.statistics));
    }
  }

  const fresh = keepFresh(place, read, EVERY_MS);
  place.onQuery(() => {
    show();
    fresh.now();
  });
  show();
  follow(place, fresh);
  place.signal.addEventListener("abort", () => drawings.forEach((drawing) => drawing.stop()));
}

/** Read what the page is made of; `take(news)` hears of each part, for one says something without the other. */
async function takeIn({ api, person, signal }, hours, take) {
  const parts = [api.get("/api/webhooks/statistics", { hours }, { signal }).then((statistics) => take({ statistics }))];
  if (person.isAdmin) parts.push(api.get("/api/operations", {}, { signal }).then((operations) => take({ operations })));
  const failed = (await Promise.allSettled(parts)).find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

function follow({ client, signal, showStatus }, fresh) {
  const onEvents = (_rows, { isHistory }) => isHistory || fresh.soon();
  // What cannot be read is told by the statistics' own reads.
  const watch = watchEvents(client, { onEvents, onStatus: showStatus, onError: () => {} }, { pageSize: 1 });
  signal.addEventListener("abort", () => watch.stop());
}

const spanOf = ({ query }) => (query.get("span") in SPANS ? query.get("span") : DAY);

function draw(place, charts, { statistics, operations, error }, fresh) {
  render(
    html`
      <header class="head">
        <h1>Overview</h1>
        <span class="spacer"></span>
        ${spans(place)}
      </header>
      ${error && !(statistics && isAway(error)) ? errorState(error, () => fresh.now()) : nothing}
      ${operations ? html`${openIncidents(operations.incidents)} ${missing(operations.processes)}` : nothing}
      ${statistics ? html`${figures(statistics, operations, spanOf(place))} ${start(statistics)}` : error ? nothing : loading(8)}
      <div class="charts" ?hidden=${!statistics}>${charts.map(({ name }) => html`<section class="card" data-chart=${name}></section>`)}</div>
    `,
    place.root,
  );
}

const spans = (place) => html`<div class="segments" role="group" aria-label="Time">
  ${Object.entries(SPANS).map(
    ([name, { label }]) =>
      html`<button type="button" aria-pressed=${String(name === spanOf(place))} @click=${() => place.setQuery({ span: name === DAY ? null : name })}>
        ${label}
      </button>`,
  )}
</div>`;

/** Return the figures on top, each a link to what it counts. */
function figures({ totals, since, is_admin: isAdmin }, operations, span) {
  const dead = operations?.database?.dead ?? 0;
  const within = `since=${encodeURIComponent(since)}`;
  return html`<ul class="figures" aria-label="The last ${span}">
    ${figure("Received", count(totals.received), `/dashboard/events?${within}`)}
    ${figure("Success rate", percent(totals.success_rate), `/dashboard/events?state=failed&${within}`, totals.success_rate < 0.99 && totals.received > 0)}
    ${figure("Processing, p95", time(totals.p95_ms), isAdmin ? "/dashboard/senders" : `/dashboard/events?${within}`)}
    ${isAdmin ? figure("Dead letters", count(dead), "/dashboard/dead-letters", dead > 0) : nothing}
    ${figure("Delivered", count(totals.deliveries_delivered), "/dashboard/endpoints")}
    ${figure("Deliveries failed", count(totals.deliveries_failed), "/dashboard/endpoints", totals.deliveries_failed > 0)}
  </ul>`;
}

const figure = (label, value, path, isBad = false) =>
  html`<li><a href=${path} class=${isBad ? "is-bad" : ""}><span class="label">${label}</span><strong>${value}</strong></a></li>`;

function start({ totals }) {
  const isQuiet = !totals.received && !totals.deliveries_delivered && !totals.deliveries_failed;
  if (!isQuiet) return nothing;
  return emptyState({
    title: "Nothing has come in this time",
    text: "A longer time may show more. Has nothing come at all yet? The list of events says how to send the first.",
    action: html`<a class="button" href="/dashboard/events">Go to the events</a>`,
  });
}
