/** The filter of a binding: `column=op.value`. */
import { fullName } from "./names.mjs";

const FILTER = /^([^=]+)=(eq|neq|lt|lte|gt|gte|in)\.(.*)$/s;
const MAX_VALUES = 100;

// Canonical JSON scalars: timestamps in UTC and ISO 8601 order as text does.
const COMPARE = {
  eq: (value, wanted) => same(value, wanted),
  neq: (value, wanted) => !same(value, wanted),
  lt: (value, wanted) => value < wanted,
  lte: (value, wanted) => value <= wanted,
  gt: (value, wanted) => value > wanted,
  gte: (value, wanted) => value >= wanted,
  in: (value, wanted) => wanted.some((one) => same(value, one)),
};

/** A binding that cannot be subscribed to; `final` says that trying again would not help. */
export class SubscribeError extends Error {
  constructor(message, { final }) {
    super(message);
    this.final = final;
  }
}

/**
 * Turn a binding's filter into {column, op, value}, the value cast by Postgres to the column's type; null
 * without a filter. Throws SubscribeError for what cannot be parsed, read or cast.
 */
export async function parseFilter(sql, table, filter, role) {
  if (!filter || !table) return null;
  const [, name, op, text] = FILTER.exec(filter) ?? [];
  if (!op) throw wrong(`Error parsing \`filter\` params: ${JSON.stringify([filter])}`);
  const column = table.columns.find((one) => one.name === name);
  if (!column?.readers.includes(role)) throw wrong(`invalid column for filter ${name}`);
  return { column: name, op, value: await cast(sql, table, column, op, text) };
}

/** Does a record (column → JSON value) pass the filter? A null or missing value never does. */
export function passes(filter, record) {
  if (!filter) return true;
  const value = record?.[filter.column];
  return value !== null && value !== undefined && COMPARE[filter.op](comparable(value), filter.value);
}

async function cast(sql, table, column, op, text) {
  const texts = op === "in" ? splitList(text) : [unquoted(text)];
  const type = fullName(table);
  const records = texts.map((value) => ({ [column.name]: value }));
  const query = `
    select to_jsonb(typed) -> $2::text as value
    from jsonb_array_elements($1::text::jsonb) as one, jsonb_populate_record(null::${type}, one) as typed`;
  const rows = await sql.unsafe(query, [JSON.stringify(records), column.name]).catch((error) => {
    throw wrong(`Error parsing \`filter\` params: ${error.message}`);
  });
  return op === "in" ? rows.map((row) => row.value) : rows[0].value;
}

// A value with a comma, a bracket, a quote or a backslash in it comes in double quotes.
function unquoted(text) {
  return /^".*"$/s.test(text) ? text.slice(1, -1).replace(/\\(.)/gs, "$1") : text;
}

function splitList(text) {
  const values = text.replace(/^\(|\)$/g, "").split(",");
  if (values.length > MAX_VALUES)
    throw wrong(`Error parsing \`filter\` params: too many values provided for \`in\` filter`);
  return values.map((value) => value.trim().replace(/^"(.*)"$/s, "$1"));
}

function wrong(message) {
  return new SubscribeError(message, { final: true });
}

// Numbers with more digits than a double holds are raw JSON.
function comparable(value) {
  return JSON.isRawJSON(value) ? Number(JSON.stringify(value)) : value;
}

function same(value, wanted) {
  return value === wanted || JSON.stringify(value) === JSON.stringify(wanted);
}
