/** Row level security, asked of Postgres itself: which of these rows may this person read now? */
import { setTimeout as wait } from "node:timers/promises";
import { fullName, quote } from "./names.mjs";

/** The places in `changes` (all of one table) whose row a person with these claims can select. */
export async function visiblePlaces(sql, table, claims, changes) {
  await allVisible(sql, changes);
  const keys = table.columns.filter((column) => column.key).map((column) => column.name);
  const wanted = changes.map((change) => Object.fromEntries(keys.map((key) => [key, change.record[key]])));
  const [, rows] = await sql.begin((tx) => [
    tx`select set_config('role', ${claims.role}, true), set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`,
    tx.unsafe(question(table, keys), [JSON.stringify(wanted)], { prepare: true }),
  ]);
  return new Set(rows.map((row) => row.place - 1));
}

// The key's text becomes the column's own type again, so that the primary key's index serves.
function question(table, keys) {
  const name = fullName(table);
  const match = keys.map((key) => `found.${quote(key)} = wanted.${quote(key)}`).join(" and ");
  return `
    select place::int
    from jsonb_array_elements($1::text::jsonb) with ordinality as item (key, place)
    where exists (
        select from ${name} as found, jsonb_populate_record(null::${name}, item.key) as wanted
        where ${match}
    )`;
}

// A transaction is in the log a moment before other sessions can see its rows. Its id has 32 bits there:
// enough for a database that lives on one desk.
async function allVisible(sql, changes) {
  const ids = [...new Set(changes.map((change) => String(change.transactionId)))];
  for (let patience = 1000; patience > 0; patience -= 1) {
    const [{ done }] = await sql`
      select bool_and(pg_visible_in_snapshot(id::xid8, pg_current_snapshot())) as done from unnest(${ids}::text[]) as id`;
    if (done) return;
    await wait(2);
  }
}
