/** Rows of a table, page by page, read again when something has changed. */
import { createPace } from "./events/pace.js";
import { isAway } from "./trouble.js";

const PAGE = 50;
const MOST_AGAIN = 200;
// Rows come in bursts, and each may be the last.
const PAUSE_MS = 400;
// What no change tells of is found by looking: also that nothing can be read.
const IDLE_MS = 15_000;
const AGAIN_MS = 5_000;

/**
 * Return a list. `read({after, offset, limit})` gives the rows that follow one row (null: the first ones); `onChange(list)`
 * hears of every change. The list has {rows, fresh (ids that came in while it was shown), hasMore, isLoading, error}.
 */
export function createList({ read, onChange, signal }) {
  const list = { rows: null, fresh: new Set(), hasMore: false, isLoading: false, error: null };
  let turn = 0;
  let timer = null;
  let isFailing = false;

  async function fill(limit, offset, put, { isOther = false, isWhole = true } = {}) {
    const mine = ++turn;
    list.isLoading = true;
    try {
      const found = await read({ after: offset ? list.rows.at(-1) : null, offset, limit: limit + 1 });
      const hasMore = isWhole ? found.length > limit : list.hasMore;
      isFailing = false;
      if (mine === turn) Object.assign(list, { rows: put(found.slice(0, limit)), hasMore, error: null });
    } catch (error) {
      isFailing = true;
      // What was asked for before is no answer to this.
      if (mine === turn) Object.assign(list, isOther ? { error, rows: null } : { error: isAway(error) ? null : error });
    }
    if (mine !== turn || signal.aborted) return;
    list.isLoading = false;
    onChange(list);
  }

  function known() {
    return new Set((list.rows ?? []).map((row) => row.id));
  }

  /** Read from the beginning: something else is asked for. What is shown stays till its rows are there. */
  function reset() {
    Object.assign(list, { fresh: new Set(), error: null });
    const filling = fill(PAGE, 0, (rows) => rows, { isOther: true });
    onChange(list);
    return filling;
  }

  /** Read what is shown again, soon. */
  function refresh() {
    timer ??= setTimeout(() => {
      timer = null;
      if (signal.aborted) return;
      if (list.isLoading) return refresh();
      again();
    }, PAUSE_MS);
  }

  function again() {
    if (list.rows === null) return fill(PAGE, 0, (rows) => rows, { isOther: true });
    const before = known();
    const limit = Math.min(Math.max(list.rows.length, PAGE), MOST_AGAIN);
    const rest = list.rows.slice(limit);
    const put = (rows) => {
      list.fresh = new Set(rows.filter((row) => !before.has(row.id)).map((row) => row.id));
      return joined(rows, rest);
    };
    return fill(limit, 0, put, { isWhole: !rest.length });
  }

  const more = () => fill(PAGE, list.rows.length, (rows) => joined(list.rows, rows));

  createPace(() => list.isLoading || again(), { signal, idle: () => (isFailing ? AGAIN_MS : IDLE_MS) });
  signal.addEventListener("abort", () => clearTimeout(timer));
  return { list, reset, refresh, more };
}

function joined(rows, others) {
  const known = new Set(rows.map((row) => row.id));
  return [...rows, ...others.filter((row) => !known.has(row.id))];
}
