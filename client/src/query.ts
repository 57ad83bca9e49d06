/** What is asked of PostgREST, and how a value is written into a filter. */
import type { SupabaseClient } from "@supabase/supabase-js";

// Any schema: the rows' types are this package's own.
export type Client = SupabaseClient<any, any, any, any, any>;
export type Query = ReturnType<ReturnType<Client["from"]>["select"]>;
/** Begin a question to a table, for these columns. */
export type Select = (columns: string) => Query;

/** As many rows as are asked for at once: PostgREST cuts off what is more than its `max_rows`, without a word. */
export const MOST = 500;
const LEAST = 10;
// As many ids as fit into an address, and as much as one answer to them should hold.
const IDS = 100;
const FIRST_IDS = 4;
const ANSWER_CHARACTERS = 1_000_000;
const LONGEST_MS = 30_000;
const LATE_MS = 300_000;
const RESERVED = /[,()"\\]|^\s|\s$/;

type Answer = { data: unknown; error: { message: string } | null; count?: number | null };

/** A request that was given up. */
class LateError extends Error {}

/** Return the rows of an answer; throws an Error with PostgREST's words, or when there is none in time. */
export async function rowsOf<Row>(request: Query, signal: AbortSignal): Promise<Row[]> {
  return (await answerOf<Row>(request, signal)).rows;
}

async function answerOf<Row>(request: Query, signal: AbortSignal): Promise<{ rows: Row[]; count: number }> {
  const { data, error, count } = await inTime(request, signal);
  if (error) throw new Error(error.message, { cause: error });
  return { rows: data as Row[], count: count ?? Infinity };
}

// A request from before the machine slept may never be answered, and everything waits for it.
async function inTime(request: Query, signal: AbortSignal): Promise<Answer> {
  const given = new AbortController();
  const giveUp = () => given.abort();
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) giveUp();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new LateError("Supabase does not answer"));
      giveUp();
    }, LONGEST_MS);
  });
  try {
    return await Promise.race([request.abortSignal(given.signal) as PromiseLike<Answer>, late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}

/** How many rows are asked for at once. */
export interface Pace {
  size: number;
  /** When a question was given up last. */
  lateAt: number;
}

export const createPace = (): Pace => ({ size: MOST, lateAt: -Infinity });

/** Ask for so many rows at most: for fewer after a question that was given up, for more again when that is long ago. */
export function readPaced<Row>(pace: Pace, most: number, ask: (size: number) => Query, signal: AbortSignal): Promise<Row[]> {
  return atPace(pace, most, (size) => rowsOf<Row>(ask(size), signal));
}

async function atPace<Given>(pace: Pace, most: number, read: (size: number) => Promise<Given>): Promise<Given> {
  const size = Math.min(pace.size, most);
  try {
    const given = await read(size);
    if (size === pace.size && Math.abs(Date.now() - pace.lateAt) > LATE_MS) pace.size = Math.min(MOST, size * 2);
    return given;
  } catch (error) {
    if (error instanceof LateError) Object.assign(pace, { size: Math.max(LEAST, size >> 1), lateAt: Date.now() });
    throw error;
  }
}

/** Read the first rows of an order, `most` of them; what moved while they were read is in it once. */
export async function readFirst<Row extends { id: string }>(pace: Pace, most: number, ask: () => Query, signal: AbortSignal): Promise<Row[]> {
  const rows = new Map<string, Row>();
  for (let from = 0; from < most; ) {
    const page = (size: number) => ask().range(from, from + size - 1) as Query;
    const { rows: found, count } = await atPace(pace, most - from, (size) => answerOf<Row>(page(size), signal));
    for (const row of found) rows.set(row.id, row);
    from += found.length;
    if (!found.length || from >= count) break;
  }
  return [...rows.values()];
}

/** What reads rows by their ids. */
export interface ById<Row> {
  /** In no order; `take` is given what was found, and which ids were asked for. */
  read(ids: string[], take: (rows: Row[], ids: string[]) => void): Promise<void>;
}

/** Return what reads rows by their ids, as many at once as are likely to come in time. */
export function createById<Row extends { id: string }>(select: Select, signal: AbortSignal): ById<Row> {
  let size = FIRST_IDS;

  async function read(ids: string[], take: (rows: Row[], ids: string[]) => void): Promise<void> {
    for (const left = [...ids]; left.length; ) {
      const some = left.splice(0, size);
      const rows = await rowsOf<Row>(select("*").in("id", some), signal).catch((error) => {
        if (error instanceof LateError) size = Math.max(1, some.length >> 1);
        throw error;
      });
      if (rows.length) size = fitting(rows);
      // Those that an answer leaves out are gone only when it holds none at all.
      const found = new Set(rows.map(({ id }) => id));
      if (rows.length) left.unshift(...some.filter((id) => !found.has(id)));
      take(rows, rows.length ? [...found] : some);
    }
  }

  return { read };
}

function fitting(rows: unknown[]): number {
  const each = JSON.stringify(rows).length / rows.length;
  return Math.min(IDS, Math.max(1, Math.floor(ANSWER_CHARACTERS / each)));
}

/** Return the filter by which Realtime compares a column with a value. */
export function equals(column: string, value: string | number): string {
  const text = String(value);
  return `${column}=eq.${RESERVED.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : text}`;
}
