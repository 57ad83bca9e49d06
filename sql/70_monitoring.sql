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
