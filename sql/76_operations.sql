-- How it stands at this moment, for /api/operations and /metrics: {database: inbox_backlog(), deliveries: {waiting,
-- oldest_due_seconds, disabled_endpoints}, processes: [{kind, host, started_at, reported_at, silent_seconds, alive, facts}], realtime:
-- realtime_load()}. Waiting deliveries are counted up to 100,000. A process that has not ended as it should is told of for a day,
-- unless a younger one has taken its place.
create or replace function public.operations() returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object(
        'database', public.inbox_backlog(),
        'deliveries', jsonb_build_object(
            'waiting', (select count(*) from (select 1 from private.delivery_queue limit 100000) counted),
            'oldest_due_seconds', (
                select extract(epoch from now() - min(q.next_attempt_at)) from private.delivery_queue q where q.next_attempt_at <= now()
            ),
            'disabled_endpoints', (select count(*) from public.webhook_endpoints e where e.disabled)
        ),
        'processes', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'kind', p.kind, 'host', p.host, 'started_at', p.started_at, 'reported_at', p.reported_at,
                'silent_seconds', extract(epoch from now() - p.reported_at),
                'alive', p.reported_at > now() - interval '30 seconds', 'facts', p.facts
            ) order by p.kind, p.host, p.started_at), '[]')
            from private.process_reports p
            where p.reported_at > now() - interval '30 seconds' or (
                p.reported_at > now() - interval '1 day' and not exists (
                    select from private.process_reports y
                    where y.kind = p.kind and y.host = p.host and y.started_at > p.started_at
                )
            )
        ),
        'realtime', private.realtime_load()
    )
$$;
revoke execute on function public.operations() from public, anon, authenticated;
grant execute on function public.operations() to service_role;
