/** The newest rows of a table: each by its id in its highest version. */
import type { Context } from "./follow.ts";
import { oneAtATime } from "./flight.ts";
import { createById, createPace, type Query, readFirst, type Select } from "./query.ts";
import type { Change } from "./stream.ts";

export interface AnyRow {
  id: string;
  version?: number | null;
}

export interface RowSet {
  receive(change: Change): Promise<void>;
  read(): Promise<void>;
  readEarlier(): Promise<void>;
  hasEarlier(): boolean;
}

export interface RowSetOptions<Row> {
  select: Select;
  /** The column by which the newest row is the first. */
  orderBy: string;
  pageSize: number;
  /** Given all rows, the newest first, whenever one has changed. */
  onRows(rows: Row[]): void;
}

/** Return the set; `read` makes it what the table holds, whatever Realtime has told of it. */
export function createRowSet<Row extends AnyRow>(context: Context, options: RowSetOptions<Row>): RowSet {
  const { select, orderBy, onRows } = options;
  const byId = createById<Row>(select, context.signal);
  const pace = createPace();
  const rows = new Map<string, Row>();
  // What was told since the last read began is newer than its answer.
  let told = new Set<string>();
  let size = options.pageSize;
  let hasEarlier = false;
  let isRead = false;

  const order = byNewest(orderBy);
  const sorted = () => [...rows.values()].sort(order);

  function tell(): void {
    const all = sorted();
    for (const { id } of all.splice(size)) hasEarlier = rows.delete(id);
    isRead = true;
    context.tell(() => onRows(all));
  }

  /** Keep a row unless a later version of it is known; tells whether that has changed anything. */
  function keep(row: Row): boolean {
    const known = rows.get(row.id);
    if (known && isVersioned(known) && versionOf(row) <= versionOf(known)) return false;
    if (known && JSON.stringify(known) === JSON.stringify(row)) return false;
    rows.set(row.id, row);
    return true;
  }

  /** Take a change. A row that Realtime has cut down, or not told in full, is read by its id. */
  async function receive(change: Change): Promise<void> {
    const id = (change.new?.id ?? change.old?.id) as string | undefined;
    if (!id) return;
    told.add(id);
    if (change.eventType === "DELETE") return void (rows.delete(id) && tell());
    const [row] = isWhole(change) ? [change.new as unknown as Row] : await readByIds([id]);
    if (row && !isBelow(row) && keep(row) && isRead) tell();
  }

  function isWhole({ eventType, errors, new: row }: Change): boolean {
    if (errors?.length) return false;
    // A long value that an update has left alone is not told again.
    const [known] = rows.values();
    return eventType === "INSERT" || (!!known && Object.keys(known).every((column) => column in row));
  }

  /** Whether a row belongs to a page that nobody has asked for. */
  function isBelow(row: Row): boolean {
    const last = hasEarlier && !rows.has(row.id) ? sorted().at(-1) : null;
    return !!last && order(last, row) < 0;
  }

  const read = oneAtATime(async () => {
    told = new Set();
    const { listed, isWhole } = await readList();
    const changed = listed.filter(isNews);
    const fresh = isWhole ? listed : await readByIds(changed.map(({ id }) => id));
    const isChanged = [forget(listed), ...fresh.filter(isStill).map(keep)].some(Boolean);
    if (isChanged || !isRead) tell();
  });

  /** List the newest rows; once rows are here, their versions tell which of them have changed. */
  async function readList(): Promise<{ listed: Row[]; isWhole: boolean }> {
    const isWhole = !rows.size || ![...rows.values()].every(isVersioned);
    const columns = isWhole ? "*" : [...new Set(["id", "version", orderBy])].join();
    const newest = () =>
      select(columns).order(orderBy, { ascending: false, nullsFirst: false }).order("id", { ascending: false }) as Query;
    const listed = await readFirst<Row>(pace, size + 1, newest, context.signal);
    hasEarlier = listed.length > size;
    return { listed: listed.slice(0, size), isWhole };
  }

  async function readByIds(ids: string[]): Promise<Row[]> {
    const found: Row[] = [];
    await byId.read(ids, (some) => found.push(...some));
    return found;
  }

  function isNews(row: Row): boolean {
    const known = rows.get(row.id);
    return !known || versionOf(row) > versionOf(known);
  }

  /** Whether a row that was read has not been deleted meanwhile. */
  function isStill({ id }: Row): boolean {
    return rows.has(id) || !told.has(id);
  }

  function forget(listed: Row[]): boolean {
    const there = new Set(listed.map(({ id }) => id));
    const gone = [...rows.keys()].filter((id) => !there.has(id) && !told.has(id));
    return gone.map((id) => rows.delete(id)).some(Boolean);
  }

  async function readEarlier(): Promise<void> {
    if (hasEarlier) size += options.pageSize;
    await read();
  }

  return { receive, read, readEarlier, hasEarlier: () => hasEarlier };
}

function byNewest(column: string): (a: AnyRow, b: AnyRow) => number {
  return (a, b) => compare(valueOf(b, column), valueOf(a, column)) || compare(b.id, a.id);
}

function valueOf(row: AnyRow, column: string): string | number | null {
  return ((row as unknown as Record<string, string | number | null>)[column] ?? null);
}

// Nothing comes before everything, so that it is the last of the newest first.
function compare(a: string | number | null, b: string | number | null): number {
  if (a === b) return 0;
  if (a === null || b === null) return a === null ? -1 : 1;
  return a < b ? -1 : 1;
}

function versionOf({ version }: AnyRow): number {
  return version ?? 0;
}

function isVersioned({ version }: AnyRow): boolean {
  return typeof version === "number";
}
