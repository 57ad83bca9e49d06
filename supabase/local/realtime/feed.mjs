/** From the publication to the channels: who hears of which change, in commit order. */
import { describe, log } from "../log.mjs";
import { passes } from "./filters.mjs";
import { dataFor, withValues } from "./payload.mjs";
import { followPublication } from "./replication.mjs";
import { isWildcard } from "./tables.mjs";
import { visiblePlaces } from "./visibility.mjs";

const BATCH = 200;

/**
 * Follow the publication for the channels that were added. A channel has `claims`, `bindings` (each with
 * `id`, `event`, `schema`, `table`, `parsedFilter`), `deliver(ids, data)` and `fail()`.
 */
export function createFeed({ databaseUrl, sql, tables }) {
  const channels = new Set();
  let queue = [];
  let draining = false;
  let up = Promise.withResolvers();
  let isUp = false;

  function isHeard(change) {
    return audienceOf(change).length > 0;
  }

  function audienceOf(change) {
    return [...channels].filter((channel) => channel.bindings.some((binding) => names(binding, change)));
  }

  function onChange(change) {
    queue.push({ ...change, audience: audienceOf(change) });
    if (!draining) drain();
  }

  async function drain() {
    draining = true;
    while (queue.length) {
      const batch = queue.splice(0, BATCH);
      await deliverBatch(batch).catch((error) => log("changes lost", describe(error)));
    }
    draining = false;
  }

  async function deliverBatch(batch) {
    const changes = (await Promise.all(batch.map(describeChange))).filter(Boolean);
    const hearings = changes.flatMap(hear);
    const visible = await judge(hearings);
    hearings.filter((hearing) => visible.has(hearing)).forEach(tell);
  }

  async function describeChange(change) {
    try {
      const table = await tables.find(change.relation.schema, change.relation.table);
      return table && withValues(change, table);
    } catch (error) {
      log("change lost", { table: change.relation.table, ...describe(error) });
    }
  }

  // One question serves all channels with the same claims.
  async function judge(hearings) {
    const visible = new Set(hearings.filter((hearing) => !needsJudgement(hearing)));
    const groups = Map.groupBy(hearings.filter(needsJudgement), questionOf);
    await Promise.all([...groups.values()].map((group) => judgeGroup(group, visible)));
    return visible;
  }

  async function judgeGroup(group, visible) {
    const [{ change, claims }] = group;
    const changes = [...new Set(group.map((hearing) => hearing.change))];
    try {
      const places = await visiblePlaces(sql, change.table, claims, changes);
      const seen = new Set(changes.filter((_, place) => places.has(place)));
      group.filter((hearing) => seen.has(hearing.change)).forEach((hearing) => visible.add(hearing));
    } catch (error) {
      log("row level security could not be asked", { table: change.table.name, ...describe(error) });
    }
  }

  function goUp() {
    isUp = true;
    up.resolve();
  }

  function goDown() {
    if (!isUp) return;
    isUp = false;
    up = Promise.withResolvers();
    queue = [];
    for (const channel of [...channels]) channel.fail();
  }

  const stop = followPublication({ databaseUrl, isHeard, onChange, onUp: goUp, onDown: goDown });
  return {
    whenUp: () => up.promise,
    add: (channel) => channels.add(channel),
    remove: (channel) => channels.delete(channel),
    stop,
  };
}

function hear(change) {
  return change.audience.flatMap((channel) => {
    const bindings = channel.bindings.filter(
      (binding) => names(binding, change) && filterPasses(binding, change),
    );
    return bindings.length ? [{ change, channel, claims: channel.claims, bindings }] : [];
  });
}

function names({ event, schema, table }, { type, relation }) {
  const isSchema = isWildcard(schema) || schema === relation.schema;
  const isTable = isWildcard(table) || table === relation.table;
  return isSchema && isTable && (event === "*" || event === type);
}

function filterPasses(binding, change) {
  return passes(binding.parsedFilter, change.type === "DELETE" ? change.oldValues : change.values);
}

function questionOf({ change, claims }) {
  return JSON.stringify([change.table.schema, change.table.name, claims]);
}

function needsJudgement({ change, claims }) {
  const isRefused = !change.table.columns.some(
    (column) => column.key && column.readers.includes(claims.role),
  );
  return change.table.protected && change.type !== "DELETE" && claims.role !== "service_role" && !isRefused;
}

function tell({ change, channel, claims, bindings }) {
  const ids = bindings.map((binding) => binding.id);
  channel.deliver(ids, dataFor(change, claims.role, bindings[0].select));
}
