-- What came in during the last 24 hours, for /health.
create or replace function public.webhook_totals() returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object(
        'total_events', count(*),
        'successful_events', count(*) filter (where i.state in ('processed', 'ignored', 'unmatched')),
        'failed_events', count(*) filter (where i.state in ('failed', 'dead')),
        'tool_calls', (
            select count(*) from public.tool_calls t where t.created_at > now() - interval '24 hours'
        )
    )
    from private.webhook_inbox i where i.received_at > now() - interval '24 hours' and i.pruned_at is null
$$;
revoke execute on function public.webhook_totals() from public, anon, authenticated;
grant execute on function public.webhook_totals() to service_role;

create table if not exists private.readiness (
    id boolean primary key default true check (id),
    checked_at timestamptz not null
);
alter table private.readiness enable row level security;
grant select, insert, update on private.readiness to service_role;

-- Write one row, for /ready: a database that only reads would answer every select.
create or replace function public.check_readiness() returns timestamptz
language sql security invoker set search_path = '' as $$
    insert into private.readiness as r (checked_at) values (now())
    on conflict (id) do update set checked_at = excluded.checked_at
    returning r.checked_at
$$;
revoke execute on function public.check_readiness() from public, anon, authenticated;
grant execute on function public.check_readiness() to service_role;

-- What waits in the inbox, for /metrics and `convohooks doctor`; of each state 100,000 are counted at most.
-- `oldest_due_seconds` is how long the longest due event has waited for a worker, null when none is due.
create or replace function public.inbox_backlog() returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object(
        'received', (select count(*) from (
            select 1 from private.webhook_inbox i where i.state = 'received' limit 100000
        ) counted),
        'failed', (select count(*) from (
            select 1 from private.webhook_inbox i where i.state = 'failed' limit 100000
        ) counted),
        'unmatched', (select count(*) from (
            select 1 from private.webhook_inbox i where i.state = 'unmatched' limit 100000
        ) counted),
        'dead', (select count(*) from (
            select 1 from private.webhook_inbox i where i.state = 'dead' limit 100000
        ) counted),
        'oldest_due_seconds', (
            select extract(epoch from now() - min(i.next_attempt_at)) from private.webhook_inbox i
            where i.state in ('received', 'failed') and i.next_attempt_at <= now()
        )
    )
$$;
revoke execute on function public.inbox_backlog() from public, anon, authenticated;
grant execute on function public.inbox_backlog() to service_role;

-- What this database is, for `convohooks doctor`. The version is the comment on this very function, the last
-- thing that the migration writes.
create or replace function public.describe_schema() returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object(
        'version', obj_description(to_regprocedure('public.describe_schema()'), 'pg_proc'),
        'published', (
            select coalesce(jsonb_agg(t.tablename order by t.tablename), '[]') from pg_publication_tables t
            where t.pubname = 'supabase_realtime' and t.schemaname = 'public'
        ),
        'now', now()
    )
$$;
revoke execute on function public.describe_schema() from public, anon, authenticated;
grant execute on function public.describe_schema() to service_role;

-- Who may do what here, and how long: for `convohooks doctor --target hosted`. Of functions it tells those that
-- reach the schema private and that browsers may call.
create or replace function public.describe_access() returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object(
        'tables', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'role', roles.name, 'table', n.nspname || '.' || c.relname, 'privilege', p.privilege
            ) order by roles.name, n.nspname, c.relname, p.privilege), '[]')
            from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            cross join unnest(array['anon', 'authenticated', 'service_role']) roles (name)
            cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p (privilege)
            where n.nspname in ('public', 'private') and c.relkind in ('r', 'p')
                and pg_catalog.has_table_privilege(roles.name::name, c.oid, p.privilege)
        ),
        'open_tables', (
            select coalesce(jsonb_agg(n.nspname || '.' || c.relname order by n.nspname, c.relname), '[]')
            from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where n.nspname in ('public', 'private') and c.relkind in ('r', 'p') and not c.relrowsecurity
        ),
        'functions', (
            select coalesce(jsonb_agg(distinct roles.name || ' ' || n.nspname || '.' || f.proname), '[]')
            from pg_catalog.pg_proc f
            join pg_catalog.pg_namespace n on n.oid = f.pronamespace
            cross join unnest(array['anon', 'authenticated']) roles (name)
            where n.nspname in ('public', 'private') and (n.nspname = 'private' or f.prosrc like '%private.%')
                and f.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
                and pg_catalog.has_function_privilege(roles.name::name, f.oid, 'EXECUTE')
        ),
        'timeouts', (
            select coalesce(jsonb_object_agg(r.rolname, split_part(s.setting, '=', 2)), '{}')
            from pg_catalog.pg_roles r cross join unnest(r.rolconfig) s (setting)
            where r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
                and s.setting like 'statement_timeout=%'
        ),
        'extensions', (
            select jsonb_object_agg(e.extname, n.nspname)
            from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
        ),
        'server', current_setting('server_version'),
        'reads_only', pg_catalog.pg_is_in_recovery()
    )
$$;
revoke execute on function public.describe_access() from public, anon, authenticated;
grant execute on function public.describe_access() to service_role;

-- As many rows as are asked for, 2,000 at most: how many arrive says what the API cuts off.
create or replace function public.probe_rows(wanted integer) returns setof integer
language sql stable security invoker set search_path = '' as $$
    select g from pg_catalog.generate_series(1, least(wanted, 2000)) g
$$;
revoke execute on function public.probe_rows(integer) from public, anon, authenticated;
grant execute on function public.probe_rows(integer) to service_role;
