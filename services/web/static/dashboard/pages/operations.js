/** Operations: what runs, what waits, how loaded Realtime is, what has gone wrong. */
import { keepFresh } from "../fresh.js";
import { openIncidents } from "../operations/incidents.js";
import { missing } from "../operations/missing.js";
import { meter, queue } from "../operations/parts.js";
import { isAway, told } from "../trouble.js";
import { badge, emptyState, errorState, facts, html, loading, nothing, render, table, time } from "../ui.js";

const EVERY_MS = 5_000;
const SLOW_SECONDS = 60;

export const page = { title: "Operations", open };

function open(place) {
  const state = { operations: null, error: null };

  const ask = told(place, () => place.api.get("/api/operations", {}, { signal: place.signal }));

  async function read() {
    try {
      const operations = await ask();
      Object.assign(state, { operations, error: null });
    } catch (error) {
      state.error = error;
    }
    show();
  }

  const show = () => place.signal.aborted || draw(place, state, fresh);
  const fresh = keepFresh(place, read, EVERY_MS);
  show();
}

function draw({ root }, { operations, error }, fresh) {
  render(
    html`
      <header class="head"><h1>Operations</h1></header>
      ${error && !(operations && isAway(error)) ? errorState(error, () => fresh.now()) : nothing}
      ${operations ? whole(operations) : error ? nothing : loading(8)}
    `,
    root,
  );
}

const whole = ({ database, deliveries, processes, realtime, incidents }) => html`
  ${openIncidents(incidents)} ${missing(processes)}
  <div class="stack operations">
    <section aria-labelledby="queues-title">
      <h2 id="queues-title" class="section-title">Queues</h2>
      <ul class="figures queues">
        ${queue("To be processed", database.received, "/dashboard/events?state=received")}
        ${queue("Failed, to be tried again", database.failed, "/dashboard/events?state=failed", database.failed > 0)}
        ${queue("Of unknown conversations", database.unmatched, "/dashboard/events?state=unmatched")}
        ${queue("Dead letters", database.dead, "/dashboard/dead-letters", database.dead > 0)}
        ${queue("Oldest event due for", database.oldest_due_seconds, null, database.oldest_due_seconds > SLOW_SECONDS, "seconds")}
        ${queue("Deliveries waiting", deliveries.waiting, "/dashboard/endpoints")}
        ${queue("Oldest delivery due for", deliveries.oldest_due_seconds, null, deliveries.oldest_due_seconds > SLOW_SECONDS, "seconds")}
        ${queue("Endpoints disabled", deliveries.disabled_endpoints, "/dashboard/endpoints", deliveries.disabled_endpoints > 0)}
      </ul>
    </section>
    <section aria-labelledby="processes-title">
      <h2 id="processes-title" class="section-title">Processes</h2>
      ${running(processes)}
    </section>
    ${realtime ? load(realtime) : nothing}
    <section aria-labelledby="incidents-title">
      <h2 id="incidents-title" class="section-title">Incidents</h2>
      ${history(incidents ?? [])}
    </section>
  </div>`;

const KINDS = { web: "The web service", worker: "A worker" };
const running = (processes) =>
  table({
    caption: "Processes",
    rows: processes,
    key: ({ kind, host, started_at: at }) => `${kind} ${host} ${at}`,
    rowClass: ({ alive }) => (alive ? "" : "is-gone"),
    empty: emptyState({ title: "No process has told of itself", text: "Each does so every ten seconds. Is this service newer than its database?" }),
    columns: [
      { label: "Process", cell: ({ kind }) => KINDS[kind] ?? kind },
      { label: "Host", cell: ({ host }) => html`<code>${host}</code>` },
      { label: "State", cell: ({ alive }) => badge(alive ? "ok" : "failed", alive ? "Running" : "Silent") },
      { label: "Running since", cell: ({ started_at: at }) => time(at) },
      { label: "Told last", cell: ({ reported_at: at }) => time(at, { inSeconds: true }) },
      { label: "Supabase", cell: ({ facts: { breaker } }) => breakerOf(breaker) },
      { label: "Spool", cell: ({ facts }) => spool(facts) },
    ],
  });

const BREAKER = { closed: "Reached", "half-open": "Trying again", open: "Cut off" };

// A breaker that is open lets nothing through: its own word would say the opposite to most.
const breakerOf = (state) => (state ? badge(state, BREAKER[state] ?? state) : html`<span class="hint">–</span>`);

function spool({ spooled, unsendable, spool_bytes: bytes }) {
  if (spooled === null || spooled === undefined) return html`<span class="hint">none</span>`;
  if (!spooled && !unsendable) return "empty";
  const size = bytes ? `, ${(bytes / 1024 / 1024).toFixed(1)} MB` : "";
  return html`<span class="is-bad">${spooled} wait${unsendable ? `, ${unsendable} cannot be sent` : ""}${size}</span>`;
}

const NEAR = 0.7;

function load({ changes_per_second: now, peak_per_second: peak, limit, share, since }) {
  const isKnown = share !== null && share !== undefined;
  const [state, words] = !isKnown ? ["unknown", "Not measured"] : share >= NEAR ? ["retrying", "Near its limit"] : ["ok", "Within its limit"];
  return html`<section class="card realtime" aria-labelledby="realtime-title">
    <header class="card-head"><h2 id="realtime-title">Realtime</h2>${badge(state, words)}</header>
    ${isKnown ? meter(share, `${Math.round(share * 100)} % of what Realtime carries`) : html`<p class="hint">A worker measures it, and none has lately.</p>`}
    ${facts([
      ["Changes now", perSecond(now)],
      ["Highest", html`${perSecond(peak)}${since ? html` <span class="hint">since ${time(since)}</span>` : nothing}`],
      ["Limit", perSecond(limit)],
    ])}
    ${share >= NEAR ? ADVICE : nothing}
  </section>`;
}

const ADVICE = html`<div class="advice">
  <p>Screens fall behind before long. What helps, the simplest first:</p>
  <ol>
    <li>Publish only the types that a screen needs: the setting <code>REALTIME_EVENTS</code>.</li>
    <li>If your project's compute carries more, say so: <code>REALTIME_CHANGES_PER_SECOND</code>.</li>
    <li>Move to broadcast from the database: <code>docs/broadcast.md</code> says how, step by step.</li>
  </ol>
</div>`;

const perSecond = (value) => (value === null || value === undefined ? "–" : `${Number(value).toFixed(value < 10 ? 1 : 0)} a second`);

const history = (incidents) =>
  table({
    caption: "Incidents",
    rows: incidents,
    key: ({ id, name, began_at: at }) => id ?? `${name} ${at}`,
    empty: html`<p class="hint">None so far.</p>`,
    columns: [
      { label: "State", cell: ({ ended_at: at }) => badge(at ? "ok" : "failed", at ? "Over" : "Going on") },
      { label: "What", isWide: true, cell: ({ title, detail }) => html`<div><strong class="incident-title">${title}</strong><span class="hint">${detail}</span></div>` },
      { label: "Began", cell: ({ began_at: at }) => time(at) },
      { label: "Ended", cell: ({ ended_at: at }) => (at ? time(at) : html`<span class="hint">–</span>`) },
    ],
  });
