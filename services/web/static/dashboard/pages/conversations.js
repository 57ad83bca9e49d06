/** Conversations, the newest first, as they come and change. */
import { watchRows } from "/static/convohooks.js";
import { duration as lasting, words } from "../../format.js";
import { STATUSES, conversationsOf, pathOf } from "../conversations/rows.js";
import { filtersOf, ignoredNote } from "../filters.js";
import { createList } from "../list.js";
import { told } from "../trouble.js";
import { badge, emptyState, errorState, filterForm, html, loading, nothing, pager, render, table, time } from "../ui.js";

// What has just changed is among these, whatever the order of the list.
const FRESHEST = 10;

const MISSING = html`<span class="missing">–</span>`;

export const page = { title: "Conversations", open };

function open(place) {
  const { client, person, signal } = place;
  const read = conversationsOf(client, () => place.query, { signal });
  const { list, reset, refresh, more } = createList({ read: told(place, read), onChange: show, signal });

  function show() {
    render(view(), place.root);
  }

  const view = () => html`
    <header class="head"><h1>Conversations</h1></header>
    ${filterForm(place, fields(person))} ${ignoredNote(filtersOf(place.query, ["status", "since", "until"], { status: STATUSES }).ignored)}
    ${list.error ? errorState(list.error, reset) : nothing}
    ${list.rows === null ? (list.error ? nothing : loading()) : html`<div class="listed" aria-busy=${String(list.isLoading)}>${rowsView(list.rows)}</div>`}
    ${pager({ hasMore: list.hasMore, more, isLoading: list.isLoading })}
  `;

  const rowsView = (rows) =>
    table({
      caption: "Conversations",
      columns: columns(person),
      rows,
      empty: nothingFound(place),
      rowClass: (row) => (list.fresh.has(row.id) ? "is-new" : ""),
    });

  place.onQuery(reset);
  reset();
  follow(place, refresh);
}

// What changes is read again by the filters' own query, so that the watch need not know them.
function follow({ client, signal, showStatus }, refresh) {
  const watch = watchRows(
    client,
    "conversations",
    { onRows: refresh, onStatus: showStatus, onError: () => {} },
    { orderBy: "updated_at", pageSize: FRESHEST },
  );
  signal.addEventListener("abort", () => watch.stop());
}

function fields({ isAdmin }) {
  return [
    { name: "text", label: "Name or id", type: "search" },
    { name: "status", label: "Status", type: "select", options: [["", "Any"], ...STATUSES.map((status) => [status, words(status)])] },
    ...(isAdmin ? [{ name: "person", label: "Person's id", type: "search" }] : []),
    { name: "since", label: "From", type: "datetime" },
    { name: "until", label: "Until", type: "datetime" },
  ];
}

const columns = ({ isAdmin }) => [
  { label: "Conversation", isWide: true, cell: nameCell },
  { label: "Status", cell: (row) => badge(row.status) },
  { label: "Started", cell: (row) => time(row.started_at ?? row.created_at) },
  { label: "Lasted", isNumeric: true, cell: (row) => lasting(row.duration_seconds) || MISSING },
  { label: "Score", isNumeric: true, cell: (row) => row.score ?? MISSING },
  ...(isAdmin ? [{ label: "Person", cell: (row) => personCell(row) }] : []),
];

const nameCell = (row) => html`<div class="named">
  <a href=${pathOf(row.conversation_id ?? row.id)}>${row.conversation_name || "Conversation"}</a>
  <code>${row.conversation_id ?? "not named by its sender yet"}</code>
</div>`;

const personCell = ({ user_id: id }) =>
  id ? html`<a class="mono" href="/dashboard/conversations?person=${id}" title=${id}>…${id.slice(-8)}</a>` : MISSING;

function nothingFound({ query, person }) {
  if (fields(person).some(({ name }) => query.has(name))) {
    return emptyState({ title: "No conversation fits these filters", text: "Widen the time or clear a filter." });
  }
  return emptyState({
    title: "No conversations yet",
    text: "Each shows up here by itself, as soon as your app creates it.",
    action: html`<a class="button" href="/dashboard/events">Go to the events</a>`,
  });
}
