/** Follows the publication through a temporary slot and starts again whenever Postgres goes away. */
import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import postgres from "postgres";
import { describe, log } from "../log.mjs";
import { createDecoder } from "./pgoutput.mjs";

const PUBLICATION = "supabase_realtime";
const RETRY_MS = 500;
const WAL_DATA = "w".charCodeAt(0);
const WAL_HEADER = 25;
const KEEPALIVE = "k".charCodeAt(0);
const EPOCH_2000_MS = Date.UTC(2000, 0, 1);

const OPTIONS = {
  max: 1,
  fetch_types: false,
  idle_timeout: null,
  max_lifetime: null,
  connect_timeout: 5,
  onnotice: () => {},
  connection: {
    replication: "database",
    TimeZone: "UTC",
    DateStyle: "ISO",
    IntervalStyle: "postgres",
    bytea_output: "hex",
  },
};

/**
 * Call `onChange` for every committed change that `isHeard`, `onUp` and `onDown` as the stream comes and goes;
 * returns stop().
 */
export function followPublication({ databaseUrl, isHeard, onChange, onUp, onDown }) {
  let stopped = false;
  let session = null;
  let lastError = "";

  async function run() {
    while (!stopped) {
      session = openSession(databaseUrl, isHeard);
      await session.stream(onChange, onUp).then(() => (lastError = ""), report);
      onDown();
      await session.close();
      if (!stopped) await wait(RETRY_MS);
    }
  }

  // One line per outage, not one per attempt.
  function report(error) {
    if (!stopped && error.message !== lastError) log("replication failed", describe(error));
    lastError = error.message;
  }

  run();
  return async () => {
    stopped = true;
    await session?.close();
  };
}

function openSession(databaseUrl, isHeard) {
  const closed = Promise.withResolvers();
  const sql = postgres(databaseUrl, { ...OPTIONS, onclose: () => closed.resolve() });

  async function stream(onChange, onUp) {
    const messages = await start(sql);
    const decode = createDecoder(isHeard);
    messages.on("error", (error) => closed.reject(error));
    messages.on("close", () => closed.resolve());
    messages.on("data", (bytes) => receive(bytes, messages, decode, onChange));
    log("replication started");
    onUp();
    await closed.promise;
  }

  closed.promise.catch(() => {});
  return { stream, close: () => sql.end({ timeout: 0 }).catch(() => {}) };
}

async function start(sql) {
  // A slot of the same name may outlive a killed connection for a moment.
  const slot = `realtime_${randomBytes(6).toString("hex")}`;
  const [{ consistent_point: point }] = await sql.unsafe(
    `CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
  );
  const options = `(proto_version '1', publication_names '${PUBLICATION}')`;
  return sql.unsafe(`START_REPLICATION SLOT ${slot} LOGICAL ${point} ${options}`).writable();
}

function receive(bytes, messages, decode, onChange) {
  if (bytes[0] === KEEPALIVE) return confirm(messages, bytes.subarray(1, 9));
  if (bytes[0] !== WAL_DATA) return;
  const change = decode(bytes.subarray(WAL_HEADER));
  if (change) onChange(change);
}

// https://www.postgresql.org/docs/17/protocol-replication.html, "Standby status update"
function confirm(messages, position) {
  const status = Buffer.alloc(34);
  status.write("r");
  for (const offset of [1, 9, 17]) position.copy(status, offset);
  status.writeBigInt64BE(BigInt(Date.now() - EPOCH_2000_MS) * 1000n, 25);
  messages.write(status);
}
