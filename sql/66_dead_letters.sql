-- Lists go by seq, newest first.
create unique index if not exists webhook_inbox_seq_idx on private.webhook_inbox (seq);
-- Dead letters are few, and looked for among many.
create index if not exists webhook_inbox_dead_idx on private.webhook_inbox (seq) where state = 'dead';

-- A body as text, to be searched; one that is no UTF-8 with its odd bytes as \ooo, but for NULs: between the letters of UTF-16.
create or replace function private.body_text(p_body bytea) returns text
language plpgsql immutable set search_path = '' as $$
begin
    return convert_from(p_body, 'UTF8');
exception when character_not_in_repertoire or untranslatable_character then
    return replace(encode(p_body, 'escape'), '\000', '');
end
$$;
revoke execute on function private.body_text(bytea) from public, anon, authenticated;
grant execute on function private.body_text(bytea) to service_role;

-- The events that a filter names, newest first. A filter is a JSON object with any of: id, ids, state, source, event_type,
-- conversation_id, since, until (received_at), error (a part of the last error, in any case), text (the same of the body),
-- from_seq (the least seq).
create or replace function private.events_matching(p_filter jsonb, p_before bigint, p_most integer)
returns setof private.webhook_inbox
-- Planned anew for every filter: a plan for any filter would read the whole inbox for each.
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return query
    select * from private.webhook_inbox i
    where (p_before is null or i.seq < p_before)
        and (not p_filter ? 'id' or i.id = (p_filter ->> 'id')::uuid)
        and (not p_filter ? 'ids' or i.id = any (array(select jsonb_array_elements_text(p_filter -> 'ids'))::uuid[]))
        and (not p_filter ? 'from_seq' or i.seq >= (p_filter ->> 'from_seq')::bigint)
        and (not p_filter ? 'state' or i.state = p_filter ->> 'state')
        and (not p_filter ? 'source' or i.source = p_filter ->> 'source')
        and (not p_filter ? 'event_type' or i.event_type = p_filter ->> 'event_type')
        and (not p_filter ? 'conversation_id' or i.conversation_id = p_filter ->> 'conversation_id')
        and (not p_filter ? 'since' or i.received_at >= (p_filter ->> 'since')::timestamptz)
        and (not p_filter ? 'until' or i.received_at < (p_filter ->> 'until')::timestamptz)
        and (not p_filter ? 'error' or strpos(lower(i.last_error), lower(p_filter ->> 'error')) > 0)
        -- Last: only the bodies of events that are named by all else are read.
        and (not p_filter ? 'text' or strpos(lower(private.body_text(i.body)), lower(p_filter ->> 'text')) > 0)
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

-- How far down a search goes: the last of the `most` newest events before a seq that a filter names; null when
-- there are fewer.
create or replace function public.search_end(filter jsonb, before bigint, most integer) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object('seq', e.seq, 'received_at', e.received_at)
    from private.events_matching(filter - 'text', before, most) e
    order by e.seq desc offset most - 1 limit 1
$$;
revoke execute on function public.search_end(jsonb, bigint, integer) from public, anon, authenticated;
grant execute on function public.search_end(jsonb, bigint, integer) to service_role;

-- The row by which browsers know an event, if it has one.
create or replace function private.projection_of(p_event private.webhook_inbox) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', e.id, 'processed_at', e.processed_at, 'event_data', e.event_data)
    from public.processed_webhook_events e
    where e.source is not null and e.event_hash = encode(sha256(convert_to(concat_ws(E'\n',
        regexp_replace(p_event.source, '-relay$', ''), p_event.event_key, p_event.event_type), 'UTF8')), 'hex')
$$;
revoke execute on function private.projection_of(private.webhook_inbox) from public, anon, authenticated;
grant execute on function private.projection_of(private.webhook_inbox) to service_role;

-- The event of a row that browsers see: none of those that were received in the minutes before is missed, but one that
-- waited longer for its conversation, or for a worker, is.
create or replace function private.event_behind(p_row uuid) returns uuid
language sql stable set search_path = '' as $$
    select i.id
    from public.processed_webhook_events e
    join private.webhook_inbox i on i.pruned_at is null
        and i.received_at between e.processed_at - interval '10 minutes' and e.processed_at + interval '1 minute'
        and i.conversation_id is not distinct from e.conversation_id
    where e.id = p_row and e.source is not null and e.event_hash = encode(sha256(convert_to(concat_ws(E'\n',
        regexp_replace(i.source, '-relay$', ''), i.event_key, e.event_type), 'UTF8')), 'hex')
    limit 1
$$;
revoke execute on function private.event_behind(uuid) from public, anon, authenticated;
grant execute on function private.event_behind(uuid) to service_role;

-- One event with its body (base64), its headers and every attempt that failed; null when there is none.
-- It is named by its id, or by that of the row that browsers see.
create or replace function public.show_event(event_id uuid) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select private.event_summary(i) || jsonb_build_object(
        'event_key', i.event_key, 'path', i.path, 'headers', i.headers,
        'body', translate(encode(i.body, 'base64'), E'\n', ''), 'body_size', length(i.body), 'pruned_at', i.pruned_at,
        'duration_ms', i.duration_ms, 'projection', private.projection_of(i),
        'failures', (
            select coalesce(jsonb_agg(jsonb_build_object('attempt', a.attempt, 'error', a.error, 'at', a.at) order by a.id), '[]')
            from private.event_attempts a where a.event_id = i.id
        )
    )
    from private.webhook_inbox i
    where i.id = coalesce((select own.id from private.webhook_inbox own where own.id = event_id), private.event_behind(event_id))
$$;
revoke execute on function public.show_event(uuid) from public, anon, authenticated;
grant execute on function public.show_event(uuid) to service_role;

-- Make events due again, with all their retries; they keep their ids. What a worker has in hand is left to it,
-- and what has lost its body to its age cannot be handled any more. What is not as it was when it was found (somebody else has had
-- it replayed, or it was handled) is none of those that were meant.
-- Returns how many there were.
create or replace function public.replay_events(filter jsonb) returns integer
language sql security invoker set search_path = '' as $$
    with replayed as (
        update private.webhook_inbox i
        set state = 'received', effects = null, attempts_before = i.attempts, next_attempt_at = now(), finished_at = null
        from private.events_matching(filter, null, null) chosen
        where i.id = chosen.id and i.claim_id is null and i.pruned_at is null
            -- Read again, and with the row's lock.
            and (i.state, i.attempts, i.attempts_before, i.next_attempt_at, i.finished_at) is not distinct from
                (chosen.state, chosen.attempts, chosen.attempts_before, chosen.next_attempt_at, chosen.finished_at)
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
