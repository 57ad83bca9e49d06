/** What a subscriber is told of a change: the columns its role may read, cut down when too large. */
import { toJson } from "./values.mjs";

const MAX_RECORD_BYTES = 1024 * 1024;
const MAX_KEPT_BYTES = 64;

/** Add to a change its records as JSON values, all columns; null where there is no such record. */
export function withValues(change, table) {
  return {
    ...change,
    table,
    values: valuesOf(change.record, table),
    oldValues: valuesOf(change.oldRecord, table),
  };
}

/** The `data` of a postgres_changes message for a role; `select` narrows the columns. */
export function dataFor(change, role, select) {
  const { schema, name } = change.table;
  const head = { schema, table: name, commit_timestamp: change.committedAt.toISOString(), type: change.type };
  const refusal = refusalFor(change.table, role);
  if (refusal) return { ...head, columns: [], ...recordsOf(change.type, {}, {}), errors: [refusal] };

  const columns = columnsFor(change.table, role, select);
  const tooLarge = isTooLarge(change);
  const record = pick(change.values, columns, tooLarge);
  const oldRecord = pick(change.oldValues ?? change.values, oldColumns(change, columns), tooLarge);
  return {
    ...head,
    columns: columns.map(({ name, type }) => ({ name, type })),
    ...recordsOf(change.type, record, oldRecord),
    errors: tooLarge ? ["Error 413: Payload Too Large"] : null,
  };
}

function columnsFor(table, role, select) {
  const readable = table.columns.filter((column) => column.readers.includes(role));
  return select ? readable.filter((column) => column.key || select.includes(column.name)) : readable;
}

function valuesOf(record, table) {
  if (!record) return null;
  const known = table.columns.filter((column) => record[column.name] !== undefined);
  return Object.fromEntries(known.map((column) => [column.name, toJson(column.base, record[column.name])]));
}

function refusalFor(table, role) {
  const keys = table.columns.filter((column) => column.key);
  if (!keys.length) return "Error 400: Bad Request, no primary key";
  return keys.every((column) => column.readers.includes(role)) ? null : "Error 401: Unauthorized";
}

function recordsOf(type, record, oldRecord) {
  if (type === "INSERT") return { record };
  return type === "DELETE" ? { old_record: oldRecord } : { record, old_record: oldRecord };
}

// A deleted row cannot be asked about any more, so under row level security only its key is told;
// an update without an old record in the log has changed no key.
function oldColumns(change, columns) {
  const keysOnly = change.type === "DELETE" ? change.table.protected : !change.oldValues;
  return keysOnly ? columns.filter((column) => column.key) : columns;
}

function isTooLarge(change) {
  if (change.size * 6 <= MAX_RECORD_BYTES) return false;
  return Buffer.byteLength(JSON.stringify([change.values, change.oldValues])) > MAX_RECORD_BYTES;
}

function pick(record, columns, tooLarge) {
  const there = columns.filter((column) => record && Object.hasOwn(record, column.name));
  const kept = tooLarge ? there.filter((column) => isShort(record[column.name])) : there;
  return Object.fromEntries(kept.map((column) => [column.name, record[column.name]]));
}

function isShort(value) {
  return Buffer.byteLength(JSON.stringify(value)) <= MAX_KEPT_BYTES;
}
