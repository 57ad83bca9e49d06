/** The list of conversations, as the filters of an address name it. */
import { containing, isUuid, quoted, rowsOf, validTime } from "../reads.js";

const COLUMNS = "id,conversation_id,conversation_name,status,user_id,started_at,ended_at,duration_seconds,created_at,version";
export const STATUSES = ["starting", "active", "ended", "completed", "failed"];

/** Return the read of a list that follows a row; the filters are `query()`'s when it is called. */
export function conversationsOf(client, query, { signal }) {
  return async ({ after, limit }) => {
    const filters = query();
    const person = filters.get("person")?.trim();
    // Whose id this is no person can be.
    if (person && !isUuid(person)) return [];
    const page = filtered(client.from("conversations").select(COLUMNS), filters, person)
      .order("created_at", { ascending: false, nullsFirst: false })
      .order("id", { ascending: false })
      .limit(limit);
    const rows = await rowsOf((after ? page.or(following(after)) : page).abortSignal(signal));
    return withScores(client, rows, signal);
  };
}

/** Return where a conversation's page is. */
export function pathOf(id) {
  return `/dashboard/conversations/${encodeURIComponent(id)}`;
}

function filtered(rows, filters, person) {
  const [status, text] = ["status", "text"].map((name) => filters.get(name)?.trim());
  const [since, until] = ["since", "until"].map((name) => validTime(filters.get(name)));
  if (STATUSES.includes(status)) rows = rows.eq("status", status);
  if (text) rows = rows.or(named(text));
  if (person) rows = rows.eq("user_id", person);
  if (since) rows = rows.gte("created_at", since);
  if (until) rows = rows.lt("created_at", until);
  return rows;
}

function named(text) {
  const pattern = quoted(containing(text));
  const found = [`conversation_name.ilike.${pattern}`, `conversation_id.ilike.${pattern}`];
  return [...found, ...(isUuid(text) ? [`id.eq.${text}`] : [])].join(",");
}

// The database sorts rows without a time last; they come from an older table.
function following({ created_at: at, id }) {
  if (!at) return `and(created_at.is.null,id.lt.${id})`;
  return `created_at.lt.${quoted(at)},and(created_at.eq.${quoted(at)},id.lt.${id}),created_at.is.null`;
}

async function withScores(client, rows, signal) {
  if (!rows.length) return rows;
  const scores = client.from("feedback_sessions").select("conversation_id,score");
  const found = await rowsOf(scores.in("conversation_id", rows.map((row) => row.id)).abortSignal(signal));
  const scoreOf = new Map(found.map((row) => [row.conversation_id, row.score]));
  return rows.map((row) => ({ ...row, score: scoreOf.get(row.id) ?? null }));
}
