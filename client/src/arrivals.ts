/** The conversations that a person may read from now on: their events from before come with them. */
import type { Context } from "./follow.ts";
import { createPace, MOST, type Query, readPaced, rowsOf } from "./query.ts";
import type { Conversation } from "./rows.ts";

type Seen = Pick<Conversation, "id" | "conversation_id" | "user_id" | "updated_at">;

const COLUMNS = "id,conversation_id,user_id,updated_at";

/** Return what tells of each conversation once when it has arrived, and again when it has become another person's. */
export function createArrivals(context: Context, onArrival: (conversationId: string, time: number) => void) {
  const { client, signal, timing } = context;
  const pace = createPace();
  // By the name, whose it was.
  const known = new Map<string, string | null>();
  let newest: number | null = null;

  /** Take a row as it was read or told of, as far as it was; tells whether it has arrived. */
  function take({ conversation_id: named, user_id: owner, updated_at: updated }: Partial<Seen>): boolean {
    if (typeof named !== "string" || (known.has(named) && (owner === undefined || known.get(named) === owner))) return false;
    remember({ conversation_id: named, user_id: owner });
    // What has a part of its row too long to be told is as old as it can be.
    onArrival(named, updated ? Date.parse(updated) : Infinity);
    return true;
  }

  function remember({ conversation_id: named, user_id: owner }: Partial<Seen>): void {
    if (named) known.set(named, owner ?? null);
  }

  /** Find those of which Realtime has not told; the first time, only remember where to begin. */
  async function look(): Promise<void> {
    const rows = newest === null ? await readNewest() : await readSince(newest - timing.depth);
    if (newest !== null) rows.forEach(take);
    newest = rows.reduce((latest, row) => Math.max(latest, timeOf(row)), newest ?? 0);
  }

  function readNewest(): Promise<Seen[]> {
    return rowsOf<Seen>(from().order("updated_at", { ascending: false, nullsFirst: false }).limit(1) as Query, signal);
  }

  async function readSince(time: number): Promise<Seen[]> {
    const rows: Seen[] = [];
    const since = () => from().gte("updated_at", new Date(Math.max(0, time)).toISOString()).order("id");
    for (let page: Seen[] | null = null; !page || page.length; ) {
      const last = rows.at(-1)?.id;
      page = await readPaced<Seen>(pace, MOST, (size) => (last ? since().gt("id", last) : since()).limit(size) as Query, signal);
      rows.push(...page);
    }
    return rows;
  }

  const from = () => client.from("conversations").select(COLUMNS);
  return { take, remember, look, isBegun: () => newest !== null };
}

function timeOf({ updated_at }: Seen): number {
  return Date.parse(updated_at ?? "") || 0;
}
