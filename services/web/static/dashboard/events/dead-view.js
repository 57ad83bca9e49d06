/** The page of dead letters. */
import { emptyState, errorState, filterForm, html, icon, loading, nothing, pager, table } from "../ui.js";
import { ignoredNote } from "../filters.js";
import { sentence } from "./bulk.js";
import { namedCount, saidCount } from "./dead-count.js";
import { newsOf } from "./list.js";
import { DEAD } from "./rows.js";

const FIELDS = [
  { name: "error", label: "Error", type: "search" },
  { name: "source", label: "Source", type: "search" },
  { name: "event_type", label: "Event", type: "search" },
  { name: "conversation_id", label: "Conversation", type: "search" },
  { name: "since", label: "From", type: "datetime" },
  { name: "until", label: "To", type: "datetime" },
];

/** Return the page. */
export function deadView(known) {
  const { place, list, actions, ignored } = known;
  return html`<header class="head">
      <h1>Dead letters</h1>
      <p class="hint">Events that were kept but failed at every try. Mend the cause, then replay them.</p>
    </header>
    ${filterForm(place, FIELDS, { label: "Filter dead letters" })} ${ignoredNote(ignored)} ${progress(known)} ${list.rows.length ? selection(known) : nothing}
    ${list.error ? errorState(list.error, actions.retry) : nothing} ${rows(known)}
    ${pager({ hasMore: list.next !== null, more: actions.more, isLoading: list.isLoading, label: "Show earlier dead letters" })}`;
}

function selection({ list, chosen, total, job, actions, filter }) {
  const isBusy = Boolean(job?.isRunning);
  const isFiltered = Object.keys(filter).length > 0;
  const all = `${isFiltered ? "all that match" : "all"}${total ? ` (${saidCount(total)})` : ""}`;
  return html`<div class="selection" role="group" aria-label="Selected dead letters">
    ${total ? html`<span class="hint total">${namedCount(total)}${isFiltered ? (total.count === 1 ? " matches" : " match") : ""}</span>` : nothing}
    ${chosen.size ? html`<span class="hint">${chosen.size} selected</span>` : nothing}
    ${chosen.size
      ? html`<button type="button" class="main" ?disabled=${isBusy} @click=${() => actions.replay(false)}>${icon("replay")}Replay selected</button>
          <button type="button" class="danger" ?disabled=${isBusy} @click=${() => actions.purge(false)}>${icon("trash")}Delete selected</button>`
      : html`<button type="button" ?disabled=${isBusy} @click=${() => actions.replay(true)}>${icon("replay")}Replay ${all}</button>
          <button type="button" class="danger" ?disabled=${isBusy} @click=${() => actions.purge(true)}>${icon("trash")}Delete ${all}</button>`}
    ${list.waiting.length ? html`<button type="button" class="quiet" @click=${actions.release}>${newsOf(list)} new</button>` : nothing}
  </div>`;
}

function rows({ list, chosen, actions, filter }) {
  if (!list.isComplete) return list.error ? nothing : loading(8);
  const isFiltered = Object.keys(filter).length > 0;
  return table({
    caption: "Dead letters, newest first",
    class: "event-table",
    columns: [picker(list, chosen, actions), ...DEAD],
    rows: list.rows,
    rowClass: ({ id }) => (list.fresh.has(id) ? "is-new" : ""),
    empty: isFiltered
      ? emptyState({ title: "No dead letter matches" })
      : emptyState({ title: "No dead letters", text: "Every event that came in has been handled, or is still being tried." }),
  });
}

function picker({ rows: shown }, chosen, { choose, chooseAll }) {
  const isAll = shown.length > 0 && shown.every(({ id }) => chosen.has(id));
  const all = html`<input type="checkbox" aria-label="Select all shown" .checked=${isAll} .indeterminate=${!isAll && chosen.size > 0}
    @change=${({ target }) => chooseAll(target.checked)}>`;
  const cell = (row) => html`<input type="checkbox" aria-label=${`Select ${row.event_type}, ${row.received_at}`} .checked=${chosen.has(row.id)}
    @change=${({ target }) => choose(row.id, target.checked)}>`;
  return { label: all, class: "col-pick", cell };
}

function progress({ job, actions }) {
  if (!job) return nothing;
  const { total, done, isRunning, error, outcomes } = job;
  return html`<section class="card progress" aria-label="Progress">
    <div class="card-head"><h2>${sentence(job)}${isRunning && total ? ` of ${total}` : ""}</h2><span class="spacer"></span>
      ${isRunning ? nothing : html`<button type="button" class="quiet" @click=${actions.dismiss}>Dismiss</button>`}</div>
    ${isRunning ? bar(total, done) : nothing} ${error ? errorState(error) : nothing} ${!isRunning && outcomes ? results(outcomes) : nothing}
  </section>`;
}

const bar = (total, done) =>
  total ? html`<progress aria-label="Progress" max=${total} value=${done}></progress>` : html`<progress aria-label="Progress"></progress>`;

function results({ open, processed = 0, failed = 0, dead = 0, ignored = 0, unmatched = 0 }) {
  const told = [
    [processed + ignored, "worked"],
    [unmatched, "wait for their conversation"],
    [failed, "failed again, and will be retried"],
    [dead, "failed for good"],
    [open, "still to be tried"],
  ];
  const sentences = told.filter(([count]) => count).map(([count, what]) => `${count} ${what}`);
  return html`<p class="hint" role="status">${sentences.join(" · ") || nothing}</p>`;
}
