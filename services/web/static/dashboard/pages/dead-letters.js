/** Events that failed too often: another try for them, or an end. */
import { hangBell } from "../bell.js";
import { createBulk } from "../events/bulk.js";
import { deadView } from "../events/dead-view.js";
import { createList } from "../events/list.js";
import { createPace } from "../events/pace.js";
import { createSource } from "../events/source.js";
import { confirm, render } from "../ui.js";

const NAMES = ["error", "source", "event_type", "conversation_id", "since", "until", "text"];

export const page = { title: "Dead letters", open };

function open(place) {
  const { root, signal } = place;
  const source = createSource({ ...place, person: { isAdmin: true } });
  const chosen = new Set();
  const read = (filter, options) => source.read({ ...filter, state: "dead" }, options);
  const dead = createList({ read, signal, onChange: draw, isHeld: () => chosen.size > 0 });
  const bulk = createBulk({ api: place.api, signal, onChange: draw });

  function draw() {
    const actions = { more: dead.more, retry: reload, choose, chooseAll, replay, purge, release, dismiss: bulk.dismiss };
    render(deadView({ place, list: dead.list, chosen, job: bulk.job(), actions, filter: filterNow() }), root);
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
    const what = isAll ? "all dead letters that match" : named(chosen.size);
    const text = "Handlers run again, with all retries. What still fails comes back here after its retries.";
    if (!(await confirm({ title: `Replay ${what}?`, text, action: "Replay" }))) return;
    await bulk.replay(isAll ? { filter: filterNow() } : { ids: [...chosen] });
    finish();
  }

  async function purge(isAll) {
    const what = isAll ? "all dead letters that match" : named(chosen.size);
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

  const filterNow = () => Object.fromEntries(NAMES.map((name) => [name, place.query.get(name)]).filter(([, value]) => value));
  const reload = () => dead.load(filterNow());
  place.onQuery(() => {
    chosen.clear();
    reload();
  });
  // Others are told that this is not theirs, once.
  if (place.person.isAdmin) {
    const pace = createPace(() => dead.refresh().catch(() => {}), { signal });
    hangBell(place, () => filterNow().text || pace.soon());
  }
  return reload();
}

const named = (count) => (count === 1 ? "this dead letter" : `these ${count} dead letters`);
