/** Where a list of events is read: the inbox for admins, their own stream for others. */

const STREAM_COLUMNS = "id,seq,source,event_type,conversation_id,processed_at,processing_duration_ms";

/** Filters by name; a stream has no states, and knows no bodies. */
export const FILTERS = ["text", "source", "event_type", "state", "conversation_id", "since", "until"];
const OF_STREAM = ["source", "event_type", "conversation_id"];

/** Return {read(filter, {before, limit, signal}), names}: pages {rows, next, searchedTo}, newest first. */
export const createSource = ({ person, api, client }) =>
  person.isAdmin ? { names: FILTERS, read: inbox(api) } : { names: FILTERS.filter(isOfStream), read: stream(client) };

const isOfStream = (name) => OF_STREAM.includes(name) || name === "since" || name === "until";

const inbox = (api) => async (filter, { before, limit, signal }) => {
  const page = await api.get("/api/webhook-events", { ...filter, before, limit }, { signal });
  const rows = page.data.map((row) => ({ ...row, at: row.received_at }));
  return { rows, next: page.next, searchedTo: page.searched_to };
};

const stream = (client) => async (filter, { before, limit, signal }) => {
  let query = client.from("processed_webhook_events").select(STREAM_COLUMNS);
  for (const name of OF_STREAM) if (filter[name]) query = query.eq(name, filter[name]);
  if (filter.since) query = query.gte("processed_at", filter.since);
  if (filter.until) query = query.lt("processed_at", filter.until);
  if (before) query = query.lt("seq", before);
  const { data, error, status } = await query.order("seq", { ascending: false }).limit(limit).abortSignal(signal);
  if (error) throw Object.assign(new Error(error.message), { status, title: "The events cannot be read", name: signal.aborted ? "AbortError" : "Error" });
  const rows = data.map((row) => ({ ...row, at: row.processed_at, state: null }));
  return { rows, next: rows.length === limit ? rows.at(-1).seq : null, searchedTo: null };
};
