/** Work on many dead letters, part by part: how far it is, and what became of them. */

const AT_ONCE = 50;
const PAGE = 200;
const FOLLOWED = 500;
const LOOK_MS = 1_500;
const FOLLOW_MS = 120_000;
const PATH = "/api/webhook-events";

/** Return {job, replay, purge, sentence, dismiss}; what is meant is {ids} or {filter}. `onChange()` hears of every step. */
export function createBulk({ api, signal, onChange }) {
  let job = null;

  async function run(kind, total, task) {
    job = { kind, total, done: 0, isRunning: true, error: null, outcomes: null };
    onChange();
    try {
      await task(job);
    } catch (error) {
      if (!signal.aborted) job.error = error;
    }
    job.isRunning = false;
    if (!signal.aborted) onChange();
  }

  const step = (mine, count) => {
    mine.done += count;
    onChange();
  };

  async function replay(meant) {
    const replayed = [];
    await run("replay", meant.ids?.length ?? null, async (mine) => {
      for await (const ids of parts(meant)) {
        const answer = await api.post(`${PATH}/replay`, { state: "dead", ids }, { signal });
        replayed.push(...ids);
        step(mine, answer.replayed);
      }
    });
    follow(job, replayed.slice(0, FOLLOWED));
  }

  async function purge(meant) {
    await run("purge", meant.ids?.length ?? null, async (mine) => {
      if (meant.filter) return step(mine, (await api.delete(PATH, meant.filter, { signal })).purged);
      for (const ids of chunks(meant.ids, AT_ONCE)) step(mine, (await api.delete(PATH, { ids: ids.join() }, { signal })).purged);
    });
  }

  // All that match are gone through from the newest down: what is replayed is not dead any more, and not found twice.
  async function* parts({ ids, filter }) {
    if (ids) return yield* chunks(ids, AT_ONCE);
    for (let before = null; ; ) {
      const page = await api.get(PATH, { ...filter, state: "dead", before, limit: PAGE }, { signal });
      yield* chunks(page.data.map(({ id }) => id), AT_ONCE);
      if (page.next === null) return;
      before = page.next;
    }
  }

  /** See what the worker makes of them, until all are settled or it takes too long. */
  async function follow(mine, ids) {
    const open = new Set(ids);
    mine.outcomes = { open: open.size };
    const end = performance.now() + FOLLOW_MS;
    while (open.size && mine === job && !signal.aborted && performance.now() < end) {
      await pause(LOOK_MS);
      try {
        for (const some of chunks([...open], AT_ONCE)) {
          const { data } = await api.get(PATH, { ids: some.join(), limit: AT_ONCE }, { signal });
          settle(mine.outcomes, open, data);
        }
      } catch {
        // The next look may go well.
      }
      if (!signal.aborted) onChange();
    }
  }

  return {
    job: () => job,
    replay,
    purge,
    sentence: () => sentence(job),
    dismiss() {
      job = null;
      onChange();
    },
  };
}

function settle(outcomes, open, events) {
  for (const { id, state } of events) {
    if (state === "received") continue;
    open.delete(id);
    outcomes[state] = (outcomes[state] ?? 0) + 1;
  }
  outcomes.open = open.size;
}

/** Return what a job has done so far. */
export function sentence({ kind, done, isRunning }) {
  const what = done === 1 ? "1 dead letter" : `${done} dead letters`;
  if (kind === "purge") return isRunning ? `${what} deleted so far` : `${what} deleted`;
  return isRunning ? `${what} due again so far` : `${what} due again`;
}

function* chunks(items, size) {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
