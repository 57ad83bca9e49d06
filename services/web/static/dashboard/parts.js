/** Tables, badges, and what is shown instead of rows. */
import { icon } from "./icons.js";
import { classMap, html, ifDefined, nothing, repeat } from "./lit.js";

/** Return a state as a small label, coloured by what it means. */
export const badge = (state, text = words(state)) =>
  state === null || state === undefined ? nothing : html`<span class="badge" data-state=${String(state)}>${text}</span>`;

/**
 * Return a table. A column is {label, cell(row), isNumeric?, isWide?, class?}; `key(row)` names a row, its id otherwise.
 *
 * On a narrow screen each row is a card with the columns' labels; `rowClass(row)` may mark one, `class` is the table's.
 */
export function table({ columns, rows, empty, caption, key = (row) => row.id, rowClass = () => "", class: name = "" }) {
  if (!rows.length && empty) return typeof empty === "string" ? emptyState({ title: empty }) : empty;
  return html`<div class="table-frame"><table class=${name}>
    <caption class="unseen">${caption}</caption>
    <thead><tr>${columns.map((column) => html`<th scope="col" class=${classOf(column)}>${column.label}</th>`)}</tr></thead>
    <tbody>${repeat(rows, key, (row) => html`<tr class=${rowClass(row)}>${columns.map((column) => cell(column, row))}</tr>`)}</tbody>
  </table></div>`;
}

const cell = (column, row) =>
  html`<td class=${classOf(column)} data-label=${ifDefined(labelOf(column))}>${column.cell(row)}</td>`;

const labelOf = ({ label }) => (typeof label === "string" && label ? label : undefined);

const classOf = ({ isNumeric, isWide, class: name }) => [isNumeric && "number", isWide && "wide", name].filter(Boolean).join(" ");

/** Return pairs of a label and what is known of it; what is null is left out. */
export const facts = (pairs) => html`<dl class="facts">
  ${pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== nothing)
    .map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}
</dl>`;

/** Return the button below a list that gets the next rows. */
export const pager = ({ hasMore, more, isLoading = false, label = "Show more" }) =>
  hasMore ? html`<p class="pager"><button type="button" ?disabled=${isLoading} @click=${more}>${isLoading ? "Loading…" : label}</button></p>` : nothing;

/** Return what is shown where nothing is. */
export const emptyState = ({ title, text = "", action = nothing }) => html`<div class="empty">
  <p class="empty-title">${title}</p>
  ${text ? html`<p>${text}</p>` : nothing} ${action === nothing ? nothing : html`<p>${action}</p>`}
</div>`;

/** Return what went wrong, with a way to try again. */
export const errorState = (error, retry) => html`<div class="failure" role="alert">
  ${icon("stop")}
  <div><p class="failure-title">${titleOf(error)}</p><p>${error.detail || error.message || ""}</p></div>
  ${retry ? html`<button type="button" @click=${retry}>${icon("replay")}Try again</button>` : nothing}
</div>`;

function titleOf({ status, title }) {
  if (status === 403) return "This is for admins only";
  if (status === 404) return "Not found";
  return title || "Something went wrong";
}

/** Return what is shown while rows are on their way: `rows` lines of about their height. */
export const loading = (rows = 6) => html`<div class="skeleton" role="status">
  <span class="unseen">Loading…</span>${Array.from({ length: rows }, () => html`<span class=${classMap({ line: true })}></span>`)}
</div>`;

function words(name) {
  const text = String(name ?? "").replace(/[_\s]+/g, " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}
