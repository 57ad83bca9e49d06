-- Lists go by seq, newest first.
create unique index if not exists webhook_inbox_seq_idx on private.webhook_inbox (seq);
-- Dead letters are few, and looked for among many.
create index if not exists webhook_inbox_dead_idx on private.webhook_inbox (seq) where state = 'dead';

-- The events that a filter names, newest first. A filter is a JSON object with any of: id, state, source, event_type,
-- conversation_id, since, until (received_at), error (a part of the last error, in any case).
create or replace function private.events_matching(p_filter jsonb, p_before bigint, p_most integer)
returns setof private.webhook_inbox
-- Planned anew for every filter: a plan for any filter would read the whole inbox for each.
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return query
    select * from private.webhook_inbox i
    where (p_before is null or i.seq < p_before)
        and (not p_filter ? 'id' or i.id = (p_filter ->> 'id')::uuid)
        and (not p_filter ? 'state' or i.state = p_filter ->> 'state')
        and (not p_filter ? 'source' or i.source = p_filter ->> 'source')
        and (not p_filter ? 'event_type' or i.event_type = p_filter ->> 'event_type')
        and (not p_filter ? 'conversation_id' or i.conversation_id = p_filter ->> 'conversation_id')
        and (not p_filter ? 'since' or i.received_at >= (p_filter ->> 'since')::timestamptz)
        and (not p_filter ? 'until' or i.received_at < (p_filter ->> 'until')::timestamptz)
        and (not p_filter ? 'error' or strpos(lower(i.last_error), lower(p_filter ->> 'error')) > 0)
    order by i.seq desc limit p_most;
end
$$;
revoke execute on function private.events_matching(jsonb, bigint, integer) from public, anon, authenticated;
grant execute on function private.events_matching(jsonb, bigint, integer) to service_role;

-- What is told of an event in a list.
create or replace function private.event_summary(p_event private.webhook_inbox) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'id', p_event.id, 'seq', p_event.seq, 'source', p_event.source, 'event_type', p_event.event_type,
        'conversation_id', p_event.conversation_id, 'state', p_event.state, 'attempts', p_event.attempts,
        'last_error', p_event.last_error, 'next_attempt_at', p_event.next_attempt_at,
        'received_at', p_event.received_at, 'finished_at', p_event.finished_at
    )
$$;
revoke execute on function private.event_summary(private.webhook_inbox) from public, anon, authenticated;
grant execute on function private.event_summary(private.webhook_inbox) to service_role;

-- A page of events, newest first: those before a seq, so many at most.
create or replace function public.list_events(filter jsonb, before bigint, most integer) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(private.event_summary(e) order by e.seq desc), '[]')
    from private.events_matching(filter, before, most) e
$$;
revoke execute on function public.list_events(jsonb, bigint, integer) from public, anon, authenticated;
grant execute on function public.list_events(jsonb, bigint, integer) to service_role;

-- One event with its body (base64), its headers and every attempt that failed; null when there is none.
create or replace function public.show_event(event_id uuid) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select private.event_summary(i) || jsonb_build_object(
        'path', i.path, 'headers', i.headers, 'body', translate(encode(i.body, 'base64'), E'\n', ''),
        'failures', (
            select coalesce(jsonb_agg(jsonb_build_object('attempt', a.attempt, 'error', a.error, 'at', a.at) order by a.id), '[]')
            from private.event_attempts a where a.event_id = i.id
        )
    )
    from private.webhook_inbox i where i.id = event_id
$$;
revoke execute on function public.show_event(uuid) from public, anon, authenticated;
grant execute on function public.show_event(uuid) to service_role;

-- Make events due again, with all their retries; they keep their ids. What a worker has in hand is left to it,
-- and what has lost its body to its age cannot be handled any more.
-- Returns how many there were.
create or replace function public.replay_events(filter jsonb) returns integer
language sql security invoker set search_path = '' as $$
    with replayed as (
        update private.webhook_inbox i
        set state = 'received', effects = null, attempts_before = i.attempts, next_attempt_at = now(), finished_at = null
        from private.events_matching(filter, null, null) chosen
        where i.id = chosen.id and i.claim_id is null and i.pruned_at is null
        returning 1
    )
    select count(*)::integer from replayed
$$;
revoke execute on function public.replay_events(jsonb) from public, anon, authenticated;
grant execute on function public.replay_events(jsonb) to service_role;

-- Delete dead events for good, with what is known of their attempts. Returns how many there were.
create or replace function public.purge_events(filter jsonb) returns integer
language sql security invoker set search_path = '' as $$
    with purged as (
        delete from private.webhook_inbox i
        using private.events_matching(filter || '{"state": "dead"}', null, null) chosen
        where i.id = chosen.id and i.state = 'dead'
        returning 1
    )
    select count(*)::integer from purged
$$;
revoke execute on function public.purge_events(jsonb) from public, anon, authenticated;
grant execute on function public.purge_events(jsonb) to service_role;
