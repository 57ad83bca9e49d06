/** Reads of tables with the person's own token: the database decides what they may see. */

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
// What Supabase gives at once, unless its settings say otherwise.
const PAGE = 1000;

/** Return the rows of an answer; raises what `errorState` can show. */
export async function rowsOf(request) {
  const { data, error, status } = await request;
  if (error) throw Object.assign(new Error(error.message), { status, title: "The rows could not be read", detail: error.message });
  return data;
}

/**
 * Return every row of a query in the order of its ids, page by page. `query()` makes the query anew; `onRows(count)` hears
 * how many there are so far.
 */
export async function allRows(query, { signal, onRows = () => {} }) {
  const rows = [];
  // The server may give fewer than were asked for: only an empty page is the last.
  for (let page = null; page === null || page.length; ) {
    const asked = query().order("id").limit(PAGE).abortSignal(signal);
    page = await rowsOf(rows.length ? asked.gt("id", rows.at(-1).id) : asked);
    rows.push(...page);
    onRows(rows.length);
  }
  return rows;
}

export const isUuid = (text) => UUID.test(text ?? "");

/** Return a value as PostgREST's `or` takes it, whatever is in it. */
export function quoted(value) {
  return `"${String(value).replace(/["\\]/g, "\\$&")}"`;
}

/** Return the pattern of `ilike` that finds a text anywhere. */
export function containing(text) {
  return `%${text.replace(/[\\%_]/g, "\\$&")}%`;
}

/** Return a time as filters take it; nothing for what is no time. */
export function validTime(text) {
  const at = new Date(text ?? NaN);
  if (Number.isNaN(at.getTime())) return null;
  const iso = at.toISOString();
  // Years of other lengths are no times to the database.
  return /^\d{4}-/.test(iso) && !iso.startsWith("0000") ? iso : null;
}
