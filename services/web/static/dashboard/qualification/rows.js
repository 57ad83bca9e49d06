/** Completed objectives across conversations, as the filters of an address name them. */
import { NAMED, valuesOf, variablesOf } from "./variables.js";
import { toCsv } from "./csv.js";
import { allRows, containing, rowsOf, validTime } from "../reads.js";

const COLUMNS = "id,conversation_id,objective_name,event_type,first_name,last_name,email,position,output_variables,received_at,updated_at,version";
const FIXED = ["received_at", "updated_at", "conversation_id", "objective_name", "event_type"];
const NAMES_AT_ONCE = 100;
// What a path of the database's may hold without being taken for something else.
const SORTABLE = /^[\w ]{1,80}$/;

/** Return the read of a list, each row with the name of its conversation; the filters are `query()`'s when it is called. */
export function completionsOf(client, query, { signal }) {
  return async ({ offset, limit }) => {
    const { column, ascending } = orderOf(query().get("sort"));
    const asked = filtered(client.from("qualification_data").select(COLUMNS), query())
      .order(column, { ascending, nullsFirst: false })
      .order("id", { ascending });
    const rows = await rowsOf(asked.range(offset, offset + limit - 1).abortSignal(signal));
    return withNames(client, rows, signal);
  };
}

/** Return every row that the filters name, sorted as the list is. `onProgress(count, total)` hears how far it is. */
export async function allCompletions(client, query, { signal, onProgress }) {
  const total = await countOf(client, query, signal);
  onProgress(0, total);
  const asked = () => filtered(client.from("qualification_data").select(COLUMNS), query);
  const rows = await allRows(asked, { signal, onRows: (count) => onProgress(count, Math.max(count, total)) });
  return sorted(rows, orderOf(query.get("sort")));
}

/** Return rows as a CSV file, a column for each variable that occurs in any of them. */
export function asCsv(rows) {
  const variables = variablesOf(rows);
  // A variable may be called as a column of ours is.
  const names = variables.map((name) => (FIXED.includes(name) ? `output_variables.${name}` : name));
  const lines = rows.map((row) => {
    const values = valuesOf(row);
    return [...FIXED.map((name) => row[name]), ...variables.map((name) => values[name])];
  });
  return toCsv([...FIXED, ...names], lines);
}

/** Return whether rows can be sorted by a variable. */
export const isSortable = (name) => SORTABLE.test(name);

function orderOf(sort) {
  if (sort === "oldest") return { column: "received_at", ascending: true };
  if (sort === "objective_name" || NAMED.includes(sort)) return { column: sort, ascending: true };
  if (sort && isSortable(sort)) return { column: `output_variables->>${sort}`, variable: sort, ascending: true };
  return { column: "received_at", ascending: false };
}

function filtered(rows, filters) {
  const [conversation, objective] = ["conversation", "objective"].map((name) => filters.get(name)?.trim());
  const [since, until] = ["since", "until"].map((name) => validTime(filters.get(name)));
  if (conversation) rows = rows.ilike("conversation_id", containing(conversation));
  if (objective) rows = rows.ilike("objective_name", containing(objective));
  if (since) rows = rows.gte("received_at", since);
  if (until) rows = rows.lt("received_at", until);
  return rows;
}

async function countOf(client, query, signal) {
  const asked = filtered(client.from("qualification_data").select("id", { count: "exact", head: true }), query);
  const { count } = await asked.abortSignal(signal);
  return count ?? 0;
}

function sorted(rows, { column, variable, ascending }) {
  const told = new Map(rows.map((row) => [row, variable ? row.output_variables?.[variable] : row[column]]));
  const isMissing = (value) => value === null || value === undefined;
  return rows.sort((a, b) => {
    const [one, other] = [told.get(a), told.get(b)];
    if (isMissing(one) || isMissing(other)) return isMissing(one) - isMissing(other);
    const order = String(one) < String(other) ? -1 : Number(String(one) > String(other));
    return ascending ? order : -order;
  });
}

async function withNames(client, rows, signal) {
  const ids = [...new Set(rows.map((row) => row.conversation_id).filter(Boolean))];
  const nameOf = new Map();
  while (ids.length) {
    const named = client.from("conversations").select("conversation_id,conversation_name").in("conversation_id", ids.splice(0, NAMES_AT_ONCE));
    for (const row of await rowsOf(named.abortSignal(signal))) nameOf.set(row.conversation_id, row.conversation_name);
  }
  return rows.map((row) => ({ ...row, conversation_name: nameOf.get(row.conversation_id) ?? null }));
}
