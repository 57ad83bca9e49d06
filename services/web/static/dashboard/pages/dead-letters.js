/** Events that failed too often: another try for them, or an end. */
import { hangBell } from "../bell.js";
import { createBulk } from "../events/bulk.js";
import { countDead, namedCount } from "../events/dead-count.js";
import { deadView } from "../events/dead-view.js";
import { createList } from "../events/list.js";
import { createPace } from "../events/pace.js";
import { createSource } from "../events/source.js";
import { filtersOf } from "../filters.js";
import { told } from "../trouble.js";
import { confirm, render } from "../ui.js";

const IDLE_MS = 10_000;
const AGAIN_MS = 5_000;
const NAMES = ["error", "source", "event_type", "conversation_id", "since", "until", "text"];

export const page = { title: "Dead letters", open };

function open(place) {
  const { root, signal } = place;
  const source = createSource(place);
  const chosen = new Set();
  const state = { total: null, isFailing: false };
  const read = told(place, (filter, options) => source.read({ ...filter, state: "dead" }, options));
  const dead = createList({ read, signal, onChange: draw, isHeld: () => chosen.size > 0 });
  const bulk = createBulk({ api: place.api, signal, onChange: draw });

  function draw() {
    const actions = { more: dead.more, retry: reload, choose, chooseAll, replay, purge, release, dismiss: bulk.dismiss };
    render(deadView({ place, list: dead.list, chosen, total: state.total, job: bulk.job(), actions, ...filters() }), root);
  }

  /** Count anew; what cannot be counted now is not said. */
  async function recount() {
    const filter = filterNow();
    const total = await countDead(place, filter, dead.list).catch(() => null);
    if (signal.aborted || JSON.stringify(filter) !== JSON.stringify(filterNow())) return null;
    state.total = total;
    draw();
    return total;
  }

  async function namedAll() {
    const total = await recount();
    const of = Object.keys(filterNow()).length ? " that match" : "";
    return total ? `${total.count === 1 && !total.isLeast ? "the" : "all"} ${namedCount(total)}${of}` : `all dead letters${of}`;
  }

  function choose(id, isChosen) {
    if (isChosen) chosen.add(id);
    else chosen.delete(id);
    draw();
  }

  function chooseAll(isChosen) {
    chosen.clear();
    if (isChosen) dead.list.rows.forEach(({ id }) => chosen.add(id));
    draw();
  }

  async function replay(isAll) {
    const what = isAll ? await namedAll() : named(chosen.size);
    const text = "Handlers run again, with all retries. What still fails comes back here after its retries.";
    if (!(await confirm({ title: `Replay ${what}?`, text, action: "Replay" }))) return;
    await bulk.replay(isAll ? { filter: filterNow() } : { ids: [...chosen] });
    finish();
  }

  async function purge(isAll) {
    const what = isAll ? await namedAll() : named(chosen.size);
    const text = "Bodies and errors are deleted for good. This cannot be undone, and senders do not send again what was acknowledged.";
    if (!(await confirm({ title: `Delete ${what}?`, text, action: "Delete for good", isDangerous: true }))) return;
    await bulk.purge(isAll ? { filter: filterNow() } : { ids: [...chosen] });
    finish();
  }

  function finish() {
    if (signal.aborted) return;
    place.announce(bulk.sentence());
    chosen.clear();
    reload();
  }

  function release() {
    dead.release();
    draw();
  }

  async function look() {
    try {
      const added = await dead.refresh();
      state.isFailing = Boolean(dead.list.error);
      if (added || !state.total) recount();
    } catch {
      // The shell says that it failed, and of when the rows are.
      state.isFailing = true;
    }
  }

  async function reload() {
    state.total = null;
    await dead.load(filterNow());
    if (!dead.list.error) await recount();
  }

  const filters = () => filtersOf(place.query, NAMES);
  const filterNow = () => filters().filter;
  place.onQuery(() => {
    chosen.clear();
    reload();
  });
  const pace = createPace(look, { signal, idle: () => (state.isFailing ? AGAIN_MS : IDLE_MS) });
  hangBell(place, () => filterNow().text || pace.soon());
  return reload();
}

const named = (count) => (count === 1 ? "this dead letter" : `these ${count} dead letters`);
