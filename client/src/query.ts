/** What is asked of PostgREST, and how a value is written into a filter. */
import type { SupabaseClient } from "@supabase/supabase-js";

// Any schema: the rows' types are this package's own.
export type Client = SupabaseClient<any, any, any, any, any>;
export type Query = ReturnType<ReturnType<Client["from"]>["select"]>;
/** Begin a question to a table, for these columns. */
export type Select = (columns: string) => Query;

/** As many ids as fit into an address. */
export const IDS = 100;
const LONGEST_MS = 30_000;
const RESERVED = /[,()"\\]|^\s|\s$/;

type Answer = { data: unknown; error: { message: string } | null };

/** Return the rows of an answer; throws an Error with PostgREST's words, or when there is none in time. */
export async function rowsOf<Row>(request: PromiseLike<Answer>): Promise<Row[]> {
  const { data, error } = await inTime(request);
  if (error) throw new Error(error.message, { cause: error });
  return data as Row[];
}

// A request from before the machine slept may never be answered, and everything waits for it.
function inTime(request: PromiseLike<Answer>): Promise<Answer> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("Supabase does not answer")), LONGEST_MS);
  });
  return Promise.race([request, late]).finally(() => clearTimeout(timer));
}

/** Read rows by their ids, in no order; those that are gone are left out. */
export async function readByIds<Row>(select: Select, ids: string[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (let place = 0; place < ids.length; place += IDS) {
    rows.push(...(await rowsOf<Row>(select("*").in("id", ids.slice(place, place + IDS)))));
  }
  return rows;
}

/** Return the filter by which Realtime compares a column with a value. */
export function equals(column: string, value: string | number): string {
  const text = String(value);
  return `${column}=eq.${RESERVED.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : text}`;
}
