-- What the counts and rows say over time: for charts, for the list of senders, for the logs.

-- What went wrong is looked for by its time, and attempts to deliver are counted by theirs.
create index if not exists event_attempts_at_idx on private.event_attempts (at);
create index if not exists rejected_events_received_at_idx on private.rejected_events (received_at);
create index if not exists delivery_attempts_attempted_at_idx
on public.delivery_attempts (attempted_at) include (status, duration_ms);

-- The counts of all processes since a time, by source and step (one step for all without a length). Planned anew for every
-- time: a plan for any time would read the whole table for an hour of it.
create or replace function private.count_minutes(p_since timestamptz, p_step_seconds integer default null)
returns table (
    source text, n integer, received bigint, duplicates bigint, failed bigint, deferred bigint, spooled bigint, rejected bigint,
    unauthentic bigint, throttled bigint, unavailable bigint, retried bigint, seconds double precision, buckets bigint[]
)
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return query
    select m.source, coalesce(floor(extract(epoch from m.minute - p_since) / p_step_seconds)::integer, 0) as step,
        sum(m.received), sum(m.duplicates), sum(m.failed), sum(m.deferred), sum(m.spooled), sum(m.rejected),
        sum(m.unauthentic), sum(m.throttled), sum(m.unavailable), sum(m.retried), sum(m.seconds),
        -- Written out: to unnest them takes seconds for a week of minutes.
        array[
            sum(m.buckets[1]), sum(m.buckets[2]), sum(m.buckets[3]), sum(m.buckets[4]), sum(m.buckets[5]),
            sum(m.buckets[6]), sum(m.buckets[7]), sum(m.buckets[8]), sum(m.buckets[9]), sum(m.buckets[10]),
            sum(m.buckets[11]), sum(m.buckets[12]), sum(m.buckets[13])
        ]
    from private.webhook_minutes m where m.minute >= p_since
    group by m.source, step;
end
$$;
revoke execute on function private.count_minutes(timestamptz, integer) from public, anon, authenticated;
grant execute on function private.count_minutes(timestamptz, integer) to service_role;

-- What happened in each step since a time: {calls: [{source, n (which step), received, failed, retried, buckets}], deliveries: [{n,
-- bucket, delivered, failed}]}. A bucket counts what took longer than so many of the bounds, in seconds.
create or replace function public.webhook_statistics(since timestamptz, step_seconds integer, bounds double precision[])
returns jsonb
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return jsonb_build_object(
        'calls', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'source', c.source, 'n', c.n, 'received', c.received + c.rejected + c.unavailable,
                'failed', c.failed + c.rejected + c.unavailable, 'retried', c.retried, 'buckets', c.buckets
            )), '[]')
            from private.count_minutes(since, step_seconds) c
        ),
        'deliveries', (
            select coalesce(jsonb_agg(to_jsonb(sent)), '[]') from (
                select floor(extract(epoch from a.attempted_at - since) / step_seconds)::integer as n,
                    width_bucket(a.duration_ms / 1000, bounds) as bucket,
                    count(*) filter (where a.status between 200 and 299) as delivered,
                    count(*) filter (where a.status between 200 and 299 is not true) as failed
                from public.delivery_attempts a where a.attempted_at >= since
                group by 1, 2
            ) sent
        )
    );
end
$$;
revoke execute on function public.webhook_statistics(timestamptz, integer, double precision[]) from public, anon, authenticated;
grant execute on function public.webhook_statistics(timestamptz, integer, double precision[]) to service_role;

-- The same of what is the caller's: {calls: [{source, n, bucket, received}], deliveries}. Of their events they see what came, not
-- how often it failed. Row-level security decides; the conditions only name the same rows sooner. Who is signed in may call it by
-- themselves: steps of a minute or more, 200 of them at most, and no more bounds than the service has; 22023 for anything else.
create or replace function public.my_webhook_statistics(since timestamptz, step_seconds integer, bounds double precision[])
returns jsonb
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    if (step_seconds between 60 and 86400 and since >= now() - 200 * make_interval(secs => step_seconds)
        and array_ndims(bounds) = 1 and cardinality(bounds) <= 32) is not true then
        raise exception using errcode = '22023', message = 'Steps of 60 to 86400 seconds, 200 at most, and 1 to 32 bounds are wanted.';
    end if;
    return jsonb_build_object(
        'calls', (
            select coalesce(jsonb_agg(to_jsonb(come)), '[]') from (
                select coalesce(e.source, 'other') as source,
                    floor(extract(epoch from e.processed_at - since) / step_seconds)::integer as n,
                    width_bucket(e.processing_duration_ms / 1000, bounds) as bucket, count(*) as received
                from public.conversations c
                join public.processed_webhook_events e on e.conversation_id = c.conversation_id
                where c.user_id = (select auth.uid()) and e.processed_at >= since
                    -- What the database itself tells browsers is nobody's call.
                    and e.source is distinct from 'convohooks'
                group by 1, 2, 3
            ) come
        ),
        'deliveries', (
            select coalesce(jsonb_agg(to_jsonb(sent)), '[]') from (
                select floor(extract(epoch from a.attempted_at - since) / step_seconds)::integer as n,
                    width_bucket(a.duration_ms / 1000, bounds) as bucket,
                    count(*) filter (where a.status between 200 and 299) as delivered,
                    count(*) filter (where a.status between 200 and 299 is not true) as failed
                from public.delivery_attempts a
                where a.user_id = (select auth.uid()) and a.attempted_at >= since
                group by 1, 2
            ) sent
        )
    );
end
$$;
revoke execute on function public.my_webhook_statistics(timestamptz, integer, double precision[]) from public, anon, authenticated;
grant execute on function public.my_webhook_statistics(timestamptz, integer, double precision[]) to authenticated;

-- How each sender has done since a time: [{source, last_seen_at, and the counts}].
create or replace function public.webhook_senders(sources text[], since timestamptz) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('source', s.source, 'last_seen_at', (
        select m.last_at from private.webhook_minutes m
        where m.source = s.source and m.last_at is not null order by m.minute desc, m.last_at desc limit 1
    )) || coalesce(to_jsonb(c), '{}')), '[]')
    from unnest(sources) s (source)
    left join private.count_minutes(since) c on c.source = s.source
$$;
revoke execute on function public.webhook_senders(text[], timestamptz) from public, anon, authenticated;
grant execute on function public.webhook_senders(text[], timestamptz) to service_role;

-- The kind of an error: its last line, without ids, numbers and what is quoted, so that the same fault counts as one. Quoted names of
-- what belongs to the database stay: they are nobody's words.
create or replace function private.error_kind(p_error text) returns text
language plpgsql immutable set search_path = '' as $$
declare
    line text := regexp_replace(btrim(right(p_error, 4000), E' \t\r\n'), '^.*\n', '');
begin
    -- A name stands between two signs of its own until all else that is quoted is gone.
    line := regexp_replace(
        translate(line, E'\x01\x02', ''),
        '\m(constraint|relation|column|table|index|function|type|trigger|policy|schema) "([A-Za-z_][A-Za-z0-9_]{0,62})"',
        E'\\1 \x01\\2\x02', 'g'
    );
    line := regexp_replace(line, '"[^"]*"', '"…"', 'g');
    line := regexp_replace(line, '(?<![[:alnum:]])''[^'']*''(?![[:alnum:]])', '''…''', 'g');
    line := regexp_replace(line, E'(?<![\x01[:alnum:]_-])[[:alnum:]_-]*[0-9][[:alnum:]_-]*', '#', 'g');
    line := regexp_replace(line, '#([.:,/]#)+', '#', 'g');
    return left(translate(line, E'\x01\x02', '""'), 300);
end
$$;
revoke execute on function private.error_kind(text) from public, anon, authenticated;
grant execute on function private.error_kind(text) to service_role;

-- What the logs of a sender, or of all without one, add up to since a time: {counts: [as private.count_minutes has them, a row for
-- each source], errors: [{error, times, last_at}]}; of the newest 5,000 failed attempts and unreadable calls the ten commonest kinds.
create or replace function public.summarize_logs(wanted_source text, since timestamptz) returns jsonb
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return jsonb_build_object(
        'counts', (
            select coalesce(jsonb_agg(to_jsonb(c)), '[]') from private.count_minutes(since) c
            where wanted_source is null or c.source = wanted_source
        ),
        'errors', (
            select coalesce(jsonb_agg(to_jsonb(kind) order by kind.times desc, kind.last_at desc), '[]') from (
                select private.error_kind(f.error) as error, sum(f.times) as times, max(f.at) as last_at from (
                    (
                        select a.error, 1 as times, a.at from private.event_attempts a
                        join private.webhook_inbox i on i.id = a.event_id
                        where a.at >= since and (wanted_source is null or i.source = wanted_source)
                        order by a.at desc limit 5000
                    )
                    union all
                    (
                        select r.reason, r.times, r.received_at from private.rejected_events r
                        where r.received_at >= since and (wanted_source is null or r.source = wanted_source)
                        order by r.received_at desc limit 5000
                    )
                ) f
                group by 1 order by times desc, last_at desc limit 10
            ) kind
        )
    );
end
$$;
revoke execute on function public.summarize_logs(text, timestamptz) from public, anon, authenticated;
grant execute on function public.summarize_logs(text, timestamptz) to service_role;

-- The events of a sender, or of all without one, that came since a time and have their bodies still; newest first, those before a seq.
create or replace function public.list_logs(
    wanted_source text, wanted_state text, since timestamptz, before bigint, most integer
) returns jsonb
-- Planned anew for every question, as private.events_matching is; of a few hours by their time, of many by seq.
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return (
        select coalesce(jsonb_agg(private.event_summary(page.event) order by (page.event).seq desc), '[]') from (
            select i as event from private.webhook_inbox i
            where i.received_at >= since and i.pruned_at is null
                and (before is null or i.seq < before)
                and (wanted_source is null or i.source = wanted_source)
                and (wanted_state is null or i.state = wanted_state)
            order by i.seq desc limit most
        ) page
    );
end
$$;
revoke execute on function public.list_logs(text, text, timestamptz, bigint, integer) from public, anon, authenticated;
grant execute on function public.list_logs(text, text, timestamptz, bigint, integer) to service_role;
