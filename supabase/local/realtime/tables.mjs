/** What Realtime must know of a table: columns, key, row level security, who may read what. */
import { SubscribeError } from "./filters.mjs";

const FRESH_MS = 3000;

/** A catalog of the published tables, re-read after a moment so that new grants and columns are seen. */
export function createTables(sql) {
  const held = new Map();

  /** The table of that name, or null if it does not exist. */
  async function find(schema, name) {
    const key = JSON.stringify([schema, name]);
    const entry = held.get(key);
    if (entry && Date.now() - entry.readAt < FRESH_MS) return entry.table;
    return refresh(key, schema, name);
  }

  function refresh(key, schema, name) {
    const table = read(sql, schema, name);
    held.set(key, { table, readAt: Date.now() });
    table.catch(() => held.delete(key));
    return table;
  }

  /** The table a binding asks for; null for a whole schema. Throws SubscribeError if it is not published. */
  async function published(binding) {
    if (isWildcard(binding.table) || isWildcard(binding.schema)) return null;
    const key = JSON.stringify([binding.schema, binding.table]);
    const table = await refresh(key, binding.schema, binding.table);
    if (!table?.published) throw new SubscribeError(notEnabled(binding), { final: false });
    return table;
  }

  return { find, published };
}

/** Does a schema or table name of a binding stand for all? */
export function isWildcard(name) {
  return name === undefined || name === null || name === "" || name === "*";
}

function notEnabled({ event, schema, table, filter }) {
  const parameters = `event: ${event}, schema: ${schema}, table: ${table}, filters: [${filter ?? ""}], select: []`;
  const advice = "Please check Realtime is enabled for the given connect parameters";
  return `Unable to subscribe to changes with given parameters. ${advice}: [${parameters}]`;
}

async function read(sql, schema, name) {
  const [table] = await sql`
    select
        class.relrowsecurity as protected,
        exists (
            select from pg_publication_tables
            where pubname = 'supabase_realtime' and schemaname = ${schema} and tablename = ${name}
        ) as published,
        (
            select json_agg(json_build_object(
                'name', attname,
                'type', type.typname,
                'base', coalesce(base.typname, type.typname),
                'key', coalesce(attnum = any (key.indkey), false),
                'readers', array(
                    select role from unnest(array['anon', 'authenticated', 'service_role']) as role
                    where has_column_privilege(role, class.oid, attnum, 'select')
                )
            ) order by attnum)
            from pg_attribute
                join pg_type as type on type.oid = atttypid
                left join pg_type as base on base.oid = type.typbasetype
                left join pg_index as key on key.indrelid = class.oid and key.indisprimary
            where attrelid = class.oid and attnum > 0 and not attisdropped
        ) as columns
    from pg_class as class
    where class.relnamespace = to_regnamespace(quote_ident(${schema})) and class.relname = ${name}`;
  return table ? { schema, name, ...table } : null;
}
