/** What the objectives of all conversations found out, as a table and as a file. */
import { watchRows } from "/static/convohooks.js";
import { plain, shortened, words } from "../../format.js";
import { createExport } from "../qualification/export.js";
import { completionsOf, isSortable } from "../qualification/rows.js";
import { NAMED, valuesOf, variablesOf } from "../qualification/variables.js";
import { pathOf } from "../conversations/rows.js";
import { filtersOf, ignoredNote } from "../filters.js";
import { createList } from "../list.js";
import { told } from "../trouble.js";
import { emptyState, errorState, filterForm, html, icon, loading, pager, nothing, render, table, time } from "../ui.js";

const FILTERS = ["conversation", "objective", "since", "until"];
const LONGEST = 160;
// What has just changed is among these, whatever the order of the list.
const FRESHEST = 10;

export const page = { title: "Qualification", open };

function open(place) {
  const { client, signal } = place;
  const read = completionsOf(client, () => place.query, { signal });
  const { list, reset, refresh, more } = createList({ read: told(place, read), onChange: show, signal });
  const file = createExport(place, show);

  function show() {
    if (!signal.aborted) render(view(list.rows), place.root);
  }

  const view = (rows) => html`
    <header class="head">
      <h1>Qualification</h1>
      <span class="spacer"></span>
      <button type="button" ?disabled=${file.isRunning() || !rows?.length} @click=${file.start}>${icon("download")}Export CSV</button>
    </header>
    ${filterForm(place, fields(variablesOf(rows ?? []), place.query.get("sort")))} ${ignoredNote(filtersOf(place.query, ["since", "until"]).ignored)} ${file.view()}
    ${list.error ? errorState(list.error, reset) : nothing}
    ${rows === null ? (list.error ? nothing : loading()) : html`<div class="listed" aria-busy=${String(list.isLoading)}>${rowsView(rows)}</div>`}
    ${pager({ hasMore: list.hasMore, more, isLoading: list.isLoading })}
  `;

  const rowsView = (rows) =>
    table({
      caption: "Completed objectives",
      columns: [...COLUMNS, ...variablesOf(rows).map(variableColumn)],
      rows,
      empty: nothingFound(place.query),
      rowClass: (row) => (list.fresh.has(row.id) ? "is-new" : ""),
    });

  place.onQuery(reset);
  reset();
  follow(place, refresh);
}

function follow({ client, signal, showStatus }, refresh) {
  const handlers = { onRows: refresh, onStatus: showStatus, onError: () => {} };
  const watch = watchRows(client, "qualification_data", handlers, { orderBy: "updated_at", pageSize: FRESHEST });
  signal.addEventListener("abort", () => watch.stop());
}

function fields(variables, sort) {
  // The one that is chosen stays, also while no row that is shown has it.
  const others = new Set([...variables, sort].filter((name) => name && name !== "oldest" && name !== "objective_name"));
  const sortable = [...others].filter((name) => NAMED.includes(name) || isSortable(name));
  return [
    { name: "conversation", label: "Conversation's id", type: "search" },
    { name: "objective", label: "Objective", type: "search" },
    { name: "since", label: "From", type: "datetime" },
    { name: "until", label: "Until", type: "datetime" },
    {
      name: "sort",
      label: "Sort",
      type: "select",
      options: [
        ["", "Newest first"],
        ["oldest", "Oldest first"],
        ["objective_name", "By objective"],
        ...sortable.map((name) => [name, `By ${words(name).toLowerCase()}`]),
      ],
    },
  ];
}

const COLUMNS = [
  { label: "Received", cell: (row) => time(row.received_at) },
  { label: "Objective", cell: (row) => html`<span class="value">${words(row.objective_name)}</span>` },
  { label: "Conversation", cell: conversationCell },
];

const variableColumn = (name) => ({ label: words(name), cell: (row) => valueCell(valuesOf(row)[name]) });

function valueCell(value) {
  if (value === undefined) return html`<span class="missing">–</span>`;
  const text = plain(value);
  return html`<span class="value" title=${text.length > LONGEST ? text : nothing}>${shortened(text, LONGEST)}</span>`;
}

function conversationCell({ conversation_id: id, conversation_name: name }) {
  return html`<div class="named"><a href=${pathOf(id)}>${name || "Conversation"}</a><code>${id}</code></div>`;
}

function nothingFound(query) {
  if (FILTERS.some((name) => query.has(name))) {
    return emptyState({ title: "Nothing fits these filters", text: "Widen the time or clear a filter." });
  }
  return emptyState({
    title: "Nothing found out yet",
    text: "When an objective of a conversation is reached, what it found out shows up here: a row for it, a column for each variable.",
    action: html`<a class="button" href="/dashboard/conversations">Go to the conversations</a>`,
  });
}
