/** One topic of one connection: joined, subscribed after a moment, ended by leave, expiry or failure. */
import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { describe, log } from "../log.mjs";
import { SubscribeError, parseFilter } from "./filters.mjs";

const RETRY_MS = 5000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Open a channel; `send` takes a message without topic, `onClose` is called once when it has ended itself. */
export function createChannel({ topic, joinRef, config, claims, send, onClose, services }) {
  const { feed, tables, sql, systemDelay } = services;
  const ended = new AbortController();
  const channel = { topic, config, claims, bindings: bindingsOf(config), accept, close, deliver, fail, open };
  let expiry = null;

  function open(ref) {
    const response = { postgres_changes: channel.bindings.map(({ id, asked }) => ({ ...asked, id })) };
    send({ joinRef, ref, event: "phx_reply", payload: { status: "ok", response } });
    accept(claims);
    if (channel.bindings.length) subscribe();
  }

  // Rows committed before `system ok` are missed, as on the real server.
  async function subscribe() {
    try {
      for (const binding of channel.bindings) await prepare(binding);
      await wait(systemDelay(), null, { signal: ended.signal });
      await feed.whenUp();
      if (ended.signal.aborted) return;
      feed.add(channel);
      system("postgres_changes", "ok", "Subscribed to PostgreSQL");
    } catch (error) {
      if (!ended.signal.aborted) retry(error);
    }
  }

  async function prepare(binding) {
    const table = await tables.published(binding);
    binding.parsedFilter = await parseFilter(sql, table, binding.filter, channel.claims.role);
  }

  function retry(error) {
    if (!(error instanceof SubscribeError)) log("subscription failed", describe(error));
    system("postgres_changes", "error", error.message);
    if (!error.final) setTimeout(() => ended.signal.aborted || subscribe(), RETRY_MS).unref();
  }

  /** Take new claims and watch their end. */
  function accept(newClaims) {
    channel.claims = newClaims;
    clearTimeout(expiry);
    if (!newClaims.exp) return;
    const left = newClaims.exp * 1000 - Date.now();
    expiry = setTimeout(expire, Math.min(Math.max(left, 0), LONGEST_TIMER_MS)).unref();
  }

  function expire() {
    const seconds = Math.max(0, Math.floor(Date.now() / 1000 - channel.claims.exp));
    endWith(`Token has expired ${seconds} seconds ago`);
  }

  /** Tell why, then close. */
  function endWith(message) {
    system("system", "error", message);
    send({ joinRef, ref: joinRef, event: "phx_close", payload: {} });
    close();
    onClose(channel);
  }

  // The stream is gone: a client that joins again catches up after the next `system ok`.
  function fail() {
    send({ joinRef, ref: joinRef, event: "phx_error", payload: {} });
    close();
    onClose(channel);
  }

  function close() {
    clearTimeout(expiry);
    ended.abort();
    feed.remove(channel);
  }

  function deliver(ids, data) {
    if (!ended.signal.aborted) send({ event: "postgres_changes", payload: { ids, data } });
  }

  function system(extension, status, message) {
    const name = topic.replace(/^realtime:/, "");
    send({ joinRef, event: "system", payload: { channel: name, extension, status, message } });
  }

  return Object.assign(channel, { endWith, joinRef });
}

function bindingsOf(config) {
  const asked = Array.isArray(config.postgres_changes) ? config.postgres_changes : [];
  return asked.map((one) => ({ ...one, event: one.event?.toUpperCase() ?? "*", asked: one, id: idOf(one) }));
}

// Clients take 0 for "no id", and expect one id for the same parameters.
function idOf({ event, schema, table, filter }) {
  const hash = createHash("sha256")
    .update(JSON.stringify([event, schema, table, filter]))
    .digest();
  return (hash.readUInt32BE(0) >>> 5) + 1;
}
