"""What the catalog says about our schemas, in lines that two databases can be compared by."""

from __future__ import annotations

import psycopg

# Each query gives one text per object. `ours` are the schemas that sql/ writes to.
SECTIONS = {
    "schemas": """
        select concat_ws(' ', n.nspname, obj_description(n.oid, 'pg_namespace'))
        from pg_namespace n where n.nspname = any(ours())
    """,
    "tables": """
        select concat_ws(' ', c.oid::regclass, c.relkind, c.relrowsecurity, c.relforcerowsecurity,
            c.relreplident, c.reloptions, obj_description(c.oid, 'pg_class'))
        from pg_class c
        where c.relnamespace::regnamespace::text = any(ours()) and c.relkind not in ('i', 't')
    """,
    "columns": """
        select concat_ws(' ', c.oid::regclass,
            -- A column that is gone has left a number behind.
            row_number() over (partition by c.oid order by a.attnum), a.attname,
            format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
            a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid),
            col_description(c.oid, a.attnum))
        from pg_class c join pg_attribute a on a.attrelid = c.oid
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace::regnamespace::text = any(ours()) and c.relkind = 'r'
            and a.attnum > 0 and not a.attisdropped
    """,
    "constraints": """
        select concat_ws(' ', o.conrelid::regclass, o.conname, pg_get_constraintdef(o.oid))
        from pg_constraint o where o.connamespace::regnamespace::text = any(ours())
    """,
    "indexes": "select indexdef from pg_indexes where schemaname = any(ours())",
    "policies": """
        select concat_ws(' ', p.schemaname, p.tablename, p.policyname, p.permissive, p.roles, p.cmd,
            p.qual, p.with_check)
        from pg_policies p where p.schemaname = any(ours())
    """,
    "functions": """
        select concat_ws(' ', pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'))
        from pg_proc p where p.pronamespace::regnamespace::text = any(ours())
    """,
    "triggers": """
        select concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
        from pg_trigger t join pg_class c on c.oid = t.tgrelid
        where not t.tgisinternal and c.relnamespace::regnamespace::text = any(ours() || '{auth}')
    """,
    "publications": """
        select concat_ws(' ', p.pubname, t.schemaname, t.tablename, t.attnames, t.rowfilter,
            p.pubinsert, p.pubupdate, p.pubdelete)
        from pg_publication p left join pg_publication_tables t using (pubname)
    """,
    "grants": """
        select concat_ws(' ', g.object, coalesce(nullif(g.grantee, 0)::regrole::text, 'PUBLIC'),
            g.privilege_type, case when g.is_grantable then 'grantable' end)
        from (
            select 'schema ' || n.nspname as object, acl.*
            from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) acl
            where n.nspname = any(ours())
            union all
            select 'relation ' || c.oid::regclass, acl.*
            from pg_class c, aclexplode(coalesce(c.relacl, acldefault(
                case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner
            ))) acl
            where c.relnamespace::regnamespace::text = any(ours()) and c.relkind not in ('i', 't')
            union all
            select 'column ' || a.attrelid::regclass || '.' || a.attname, acl.*
            from pg_attribute a join pg_class c on c.oid = a.attrelid, aclexplode(a.attacl) acl
            where c.relnamespace::regnamespace::text = any(ours())
            union all
            select 'function ' || p.oid::regprocedure, acl.*
            from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl
            where p.pronamespace::regnamespace::text = any(ours())
            union all
            select concat_ws(' ', 'default', d.defaclnamespace::regnamespace, d.defaclobjtype),
                acl.*
            from pg_default_acl d, aclexplode(d.defaclacl) acl
            where d.defaclnamespace::regnamespace::text = any(ours())
        ) g
    """,
}
OURS = "array['public', 'private']"


def catalog(url: str) -> dict[str, list[str]]:
    """Return the lines of each section, sorted."""
    with psycopg.connect(url, autocommit=True) as db:
        return {name: _lines(db, query) for name, query in SECTIONS.items()}


def _lines(db: psycopg.Connection, query: str) -> list[str]:
    return sorted(row[0] for row in db.execute(query.replace("ours()", OURS)).fetchall())
