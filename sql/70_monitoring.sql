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
