/** A list of events that grows on top: what is known, what is new, what waits while somebody reads. */

const PAGE = 50;
const NEWEST = 100;
const MOST_LIVE = 200;
const MOST_TOLD = 1000;
const NONE = { count: 0, isLeast: false };

/**
 * Return a list that reads by `read(filter, {before, limit, signal})` and calls `onChange()`.
 *
 * `isHeld()` says whether rows may not move now: then new ones wait for `release()`.
 */
export function createList({ read, signal, onChange, isHeld }) {
  const list = { rows: [], waiting: [], news: NONE, fresh: new Set(), next: null, searchedTo: null, isLoading: true, isComplete: false, error: null, torn: null };
  let filter = {};
  let visit = 0;

  async function load(wanted) {
    const mine = ++visit;
    filter = wanted;
    list.isLoading = true;
    onChange();
    await settled(mine, async () => {
      const page = await read(filter, { limit: PAGE, signal }).catch((error) => {
        // The rows of another filter must not stand for those of this one.
        if (mine === visit) Object.assign(list, { rows: [], waiting: [], news: NONE, next: null, searchedTo: null, isComplete: false });
        throw error;
      });
      if (mine === visit) Object.assign(list, page, { waiting: [], news: NONE, fresh: new Set(), torn: null, isComplete: true });
    });
  }

  async function more() {
    const mine = visit;
    list.isLoading = true;
    onChange();
    await settled(mine, async () => {
      const page = await read(filter, { before: list.next, limit: PAGE, signal });
      if (mine === visit) Object.assign(list, page, { rows: united(list.rows, page.rows) });
    });
  }

  async function settled(mine, task) {
    try {
      await task();
      if (mine === visit) list.error = null;
    } catch (error) {
      if (!signal.aborted && mine === visit) list.error = error;
    }
    if (signal.aborted || mine !== visit) return;
    list.isLoading = false;
    onChange();
  }

  /** Read what is newest. Returns how many events were not known; raises what the read raises. */
  async function refresh() {
    if (!list.isComplete) {
      await load(filter);
      return 0;
    }
    const mine = visit;
    const page = await read(filter, { limit: NEWEST, signal });
    if (signal.aborted || mine !== visit) return 0;
    list.error = null;
    const added = take(page);
    onChange();
    return added;
  }

  function take(page) {
    const known = new Map([...list.rows, ...list.waiting].map((row) => [row.id, row]));
    const unknown = page.rows.filter((row) => !known.has(row.id) && !isBelow(row, list));
    const newer = new Map(page.rows.map((row) => [row.id, row]));
    const mayMove = !isHeld();
    list.rows = list.rows.filter((row) => !(mayMove && isGone(row, newer, page))).map((row) => newer.get(row.id) ?? row);
    // What came in between is more than a page: the list begins anew with what is newest.
    const isTorn = page.next !== null && known.size > 0 && unknown.length > 0 && unknown.length === page.rows.length;
    if (isTorn) Object.assign(list, { waiting: page.rows, torn: page });
    else list.waiting = united(unknown, list.waiting);
    list.news = { count: list.news.count + unknown.length, isLeast: list.news.isLeast || isTorn };
    if (mayMove) release();
    else keepNewest();
    return unknown.length;
  }

  // Whoever pauses for an hour is told how many came, and shown the newest of them.
  function keepNewest() {
    if (list.waiting.length <= MOST_LIVE) return;
    list.waiting = list.waiting.slice(0, MOST_LIVE);
    list.torn = { next: list.waiting.at(-1).seq, searchedTo: null };
  }

  function release() {
    list.news = NONE;
    if (!list.waiting.length) return;
    list.fresh = new Set(list.waiting.map(({ id }) => id));
    if (list.torn) Object.assign(list, { rows: list.waiting, next: list.torn.next, searchedTo: list.torn.searchedTo, torn: null });
    else list.rows = united(list.waiting, list.rows);
    list.waiting = [];
    shorten();
  }

  // A stream that runs all day must not fill the page; whoever has read further down keeps that.
  function shorten() {
    if (list.rows.length <= MOST_LIVE || list.isLoading) return;
    list.rows = list.rows.slice(0, MOST_LIVE - NEWEST);
    Object.assign(list, { next: list.rows.at(-1).seq, searchedTo: null });
  }

  return { list, load, more, refresh, release };
}

// What is older than the list's end is found by "Show earlier": it is not new.
const isBelow = ({ seq }, { next }) => next !== null && seq < next;

// What is newer than the page's end but not in it does not match any more: it is in another state now.
const isGone = ({ id, seq }, newer, { next }) => !newer.has(id) && (next === null || seq >= next);

/** Return how many events wait, as said: the service may have taken more than were seen. */
export const newsOf = ({ news: { count, isLeast } }) =>
  count >= MOST_TOLD ? `${MOST_TOLD.toLocaleString("en")}+` : `${count}${isLeast ? "+" : ""}`;

/** Return both, each row once, the newest first. */
function united(one, other) {
  const rows = new Map([...other, ...one].map((row) => [row.id, row]));
  return [...rows.values()].sort((left, right) => right.seq - left.seq);
}
