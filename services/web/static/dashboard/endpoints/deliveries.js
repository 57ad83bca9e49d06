/** The deliveries that a filter names: pages that were read, kept true by the rows that come live. */

export const FILTERS = ["state", "event_type", "webhook_id", "since", "until"];

/** Return whether a delivery is among those that a filter names, as the API means it. */
export function fits(row, filter) {
  const at = Date.parse(row.created_at);
  return (
    ["state", "event_type", "webhook_id"].every((name) => !filter[name] || row[name] === filter[name]) &&
    (!filter.since || at >= Date.parse(filter.since)) &&
    (!filter.until || at < Date.parse(filter.until))
  );
}

/**
 * Return what is shown: of each delivery its newest version, those that fit, newest first. A live row that is older than
 * what was read belongs to a later page.
 */
export function merged(read, live, filter, hasMore) {
  const oldest = hasMore && read.length ? read.at(-1) : null;
  const known = new Map(read.map((row) => [row.id, row]));
  for (const row of live) {
    const kept = known.get(row.id);
    if (kept ? row.version >= kept.version : !oldest || !isBefore(oldest, row)) known.set(row.id, row);
  }
  return [...known.values()].filter((row) => fits(row, filter)).sort((one, other) => (isBefore(one, other) ? -1 : 1));
}

// Newest first, as the API lists them.
function isBefore(one, other) {
  const [first, second] = [Date.parse(one.created_at), Date.parse(other.created_at)];
  return first === second ? one.id > other.id : first > second;
}

/**
 * Return {start, more, renew}: reads of the pages, and `renew(rows)` for newer versions of what they hold;
 * `onChange({rows, next, error, isLoading})` hears of each.
 */
export function createPages({ api, signal }, path, filterOf, onChange) {
  const pages = { rows: null, next: null, error: null, isLoading: false };
  let turn = 0;

  async function read(before) {
    const mine = ++turn;
    Object.assign(pages, { isLoading: true });
    onChange(pages);
    try {
      const { data, next } = await api.get(path, { ...filterOf(), limit: 50, before }, { signal });
      if (mine !== turn) return;
      Object.assign(pages, { rows: before ? [...pages.rows, ...data] : data, next, error: null });
    } catch (error) {
      if (mine !== turn || signal.aborted) return;
      pages.error = error;
    }
    pages.isLoading = false;
    onChange(pages);
  }

  function start() {
    Object.assign(pages, { rows: null, next: null, error: null });
    return read();
  }

  function renew(rows) {
    const newer = new Map(rows.map((row) => [row.id, row]));
    pages.rows = pages.rows?.map((row) => (newer.get(row.id)?.version > row.version ? newer.get(row.id) : row));
    onChange(pages);
  }

  return { start, more: () => read(pages.next), renew };
}

/** Return the ids of what still waits and is too old for the live rows to tell of it. */
export function unwatched(read, live) {
  const watched = new Set(live.map(({ id }) => id));
  return (read ?? []).filter(({ id, state }) => state === "waiting" && !watched.has(id)).map(({ id }) => id);
}
