-- How each endpoint that the caller may see has done: {endpoint_id, delivered and failed: the attempts since then, last_delivered_at,
-- last_failed_at: of all that are kept}. Row-level security decides what is seen.
create or replace function public.endpoint_health(since timestamptz) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('endpoint_id', e.id, 'delivered', lately.delivered, 'failed', lately.failed,
        'last_delivered_at', good.attempted_at, 'last_failed_at', bad.attempted_at)), '[]')
    from public.webhook_endpoints e
    cross join lateral (
        select count(*) filter (where a.error is null) as delivered, count(*) filter (where a.error is not null) as failed
        from public.delivery_attempts a where a.endpoint_id = e.id and a.attempted_at >= since
    ) lately
    left join lateral (
        select a.attempted_at from public.delivery_attempts a
        where a.endpoint_id = e.id and a.error is null order by a.attempted_at desc limit 1
    ) good on true
    left join lateral (
        select a.attempted_at from public.delivery_attempts a
        where a.endpoint_id = e.id and a.error is not null order by a.attempted_at desc limit 1
    ) bad on true
$$;
revoke execute on function public.endpoint_health(timestamptz) from public, anon, authenticated;
grant execute on function public.endpoint_health(timestamptz) to authenticated;
