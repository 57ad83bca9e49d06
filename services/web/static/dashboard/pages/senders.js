/** Senders: who calls us, when last, how well; and how to set up those that cannot yet. */
import { keepFresh } from "../fresh.js";
import { count, percent, time as took } from "../overview/numbers.js";
import { setupOf } from "../operations/sender-setup.js";
import { isAway, told } from "../trouble.js";
import { badge, copyButton, errorState, html, loading, nothing, render, table, time } from "../ui.js";

const EVERY_MS = 15_000;
const REFUSALS = [
  ["unauthentic_24h", "not signed right", true],
  ["rejected_24h", "not to be read", true],
  ["throttled_24h", "over the limit", false],
  ["unavailable_24h", "not kept by us", true],
];

export const page = { title: "Senders", open };

function open(place) {
  const state = { senders: null, error: null };

  const ask = told(place, () => place.api.get("/api/webhooks/senders", {}, { signal: place.signal }));

  async function read() {
    try {
      const { data } = await ask();
      Object.assign(state, { senders: data, error: null });
    } catch (error) {
      state.error = error;
    }
    show();
  }

  const show = () => place.signal.aborted || draw(place, state, fresh);
  const fresh = keepFresh(place, read, EVERY_MS);
  show();
}

function draw({ root, config }, { senders, error }, fresh) {
  const base = config.baseUrl;
  render(
    html`
      <header class="head">
        <h1>Senders</h1>
        <p class="hint">Who calls us. The counts are those of the last 24 hours.</p>
      </header>
      <div class="stack">
        ${error && !(senders && isAway(error)) ? errorState(error, () => fresh.now()) : nothing}
        ${senders ? html`${known(senders, base)} ${missing(senders.filter(({ configured }) => !configured), base)}` : error ? nothing : loading()}
      </div>
    `,
    root,
  );
}

const known = (senders, base) =>
  table({
    caption: "Senders",
    rows: senders.filter(({ configured, last_seen_at: seen }) => configured || seen),
    key: ({ source }) => source,
    empty: "No sender is set up",
    columns: [
      { label: "Sender", cell: ({ source }) => html`<a class="sender" href="/dashboard/events?source=${encodeURIComponent(source)}">${source}</a>` },
      { label: "State", cell: state },
      { label: "Last seen", cell: ({ last_seen_at: seen }) => (seen ? time(seen) : html`<span class="hint">never</span>`) },
      { label: "Received", isNumeric: true, cell: received },
      { label: "Success", isNumeric: true, cell: ({ success_rate: rate }) => html`<span class=${rate !== null && rate < 0.99 ? "is-bad" : ""}>${percent(rate)}</span>` },
      { label: "p95", isNumeric: true, cell: ({ p95_ms: ms }) => took(ms) },
      { label: "Refused", cell: refused },
      { label: "Address", isWide: true, cell: ({ paths }) => html`<div class="addresses">${paths.map((path) => address(path, base))}</div>` },
    ],
  });

function state({ configured, failed_24h: failed, unauthentic_24h: forged, received_24h: received }) {
  if (!configured) return badge("disabled", "Not set up");
  if (forged > received) return badge("failed", "Signatures fail");
  if (failed > 0) return badge("retrying", "Some failed");
  return badge("ok", "Set up");
}

const received = ({ received_24h: all, duplicates_24h: again }) =>
  html`<div>${count(all)}${again ? html`<span class="again hint">${count(again)} repeated</span>` : nothing}</div>`;

function refused(sender) {
  const some = REFUSALS.filter(([column]) => sender[column] > 0);
  if (!some.length) return html`<span class="hint">none</span>`;
  return html`<ul class="refusals">${some.map(([column, words, isBad]) => html`<li class=${isBad ? "is-bad" : ""}>${count(sender[column])} ${words}</li>`)}</ul>`;
}

const address = (path, base) =>
  html`<span class="address"><code title=${base + path}>${path}</code>${copyButton(base + path, html`<span class="unseen">Copy the address ${base + path}</span>`)}</span>`;

function missing(senders, base) {
  if (!senders.length) return nothing;
  return html`<section aria-labelledby="missing-title">
    <h2 id="missing-title" class="section-title">Not set up yet</h2>
    <div class="cards">${senders.map((sender) => setup(sender, base))}</div>
  </section>`;
}

function setup({ source, paths }, base) {
  const { doc, settings, what } = setupOf(source);
  return html`<article class="card setup">
    <h3>${source}</h3>
    <p class="hint">${what} Every call is refused until this is done.</p>
    <ol>
      <li>Set ${settings.map((name, index) => html`${index ? " or " : ""}<code>${name}</code>`)} and start the service again.</li>
      <li>Let ${source} call <code>${base}</code> at ${paths.map((path) => address(path, base))}</li>
      <li>The rest is in <code>${doc}</code>.</li>
    </ol>
  </article>`;
}
