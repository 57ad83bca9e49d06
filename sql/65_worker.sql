-- Give due events out under a claim, for as long as its lease lasts. In: the claim's id, how many events at most, the
-- lease in seconds. Out: a JSON array of {id, source, event_type, path, body (base64), headers, tries, received_at}, the
-- longest due first. When a lease ends, its events are due again; claimed anew, they are lost to the claim before.
create or replace function public.claim_events(claim uuid, max_events integer, lease_seconds double precision) returns jsonb
language sql security invoker set search_path = '' as $$
    with due as materialized (
        select i.id from private.webhook_inbox i
        where i.state in ('received', 'failed') and i.next_attempt_at <= now()
        order by i.next_attempt_at limit max_events for update skip locked
    ), claimed as (
        update private.webhook_inbox i
        set claim_id = claim, attempts = i.attempts + 1,
            -- The lease's end is the next attempt's time: should the worker die, somebody else is due then.
            next_attempt_at = now() + make_interval(secs => lease_seconds)
        from due where i.id = due.id
        returning i.*
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', c.id, 'source', c.source, 'event_type', c.event_type, 'path', c.path,
        'body', translate(encode(c.body, 'base64'), E'\n', ''), 'headers', c.headers,
        'tries', c.attempts - c.attempts_before, 'received_at', c.received_at
    ) order by c.seq), '[]') from claimed c
$$;
revoke execute on function public.claim_events(uuid, integer, double precision) from public, anon, authenticated;
grant execute on function public.claim_events(uuid, integer, double precision) to service_role;

-- Make a claim last from now on once more. Returns how many events it still holds.
create or replace function public.extend_claim(claim uuid, lease_seconds double precision) returns integer
language sql security invoker set search_path = '' as $$
    with extended as (
        update private.webhook_inbox i set next_attempt_at = now() + make_interval(secs => lease_seconds)
        where i.claim_id = claim and i.state in ('received', 'failed')
        returning 1
    )
    select count(*)::integer from extended
$$;
revoke execute on function public.extend_claim(uuid, double precision) from public, anon, authenticated;
grant execute on function public.extend_claim(uuid, double precision) to service_role;

-- Write down why an attempt failed; the next is due in so many seconds, and without a number there is none.
create or replace function private.fail_event(p_event private.webhook_inbox, p_error text, p_retry_seconds double precision)
returns jsonb
language plpgsql set search_path = '' as $$
declare
    next_state text := case when p_retry_seconds is null then 'dead' else 'failed' end;
begin
    insert into private.event_attempts (event_id, attempt, error) values (p_event.id, p_event.attempts, p_error);
    update private.webhook_inbox i
    set state = next_state, last_error = p_error, claim_id = null,
        next_attempt_at = now() + make_interval(secs => p_retry_seconds),
        finished_at = case when next_state = 'dead' then now() end
    where i.id = p_event.id;
    return jsonb_build_object('id', p_event.id, 'outcome', next_state);
end
$$;
revoke execute on function private.fail_event(private.webhook_inbox, text, double precision) from public, anon, authenticated;
grant execute on function private.fail_event(private.webhook_inbox, text, double precision) to service_role;

-- The event that a claim still holds, locked; nothing when the claim was lost.
create or replace function private.held_event(p_id uuid, p_claim uuid) returns private.webhook_inbox
language plpgsql set search_path = '' as $$
declare
    held private.webhook_inbox;
begin
    -- The conversation first, then the row: everybody locks in this order.
    perform private.lock_conversation(i.conversation_id)
    from private.webhook_inbox i where i.id = p_id and i.conversation_id is not null;
    select * into held from private.webhook_inbox i
    where i.id = p_id and i.claim_id = p_claim and i.state in ('received', 'failed') for update;
    return held;
end
$$;
revoke execute on function private.held_event(uuid, uuid) from public, anon, authenticated;
grant execute on function private.held_event(uuid, uuid) to service_role;

-- Apply the effects of one claimed event, or write down why there are none.
create or replace function private.finish_event(p_claim uuid, p_item jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    event private.webhook_inbox := private.held_event((p_item ->> 'id')::uuid, p_claim);
    is_known boolean;
    next_state text := p_item ->> 'state';
begin
    if event.id is null then
        return jsonb_build_object('id', p_item ->> 'id', 'outcome', 'lost');
    end if;
    if p_item ? 'error' then
        return private.fail_event(event, p_item ->> 'error', (p_item ->> 'retry_seconds')::double precision);
    end if;
    if private.is_erased(event.conversation_id, event.source, event.event_key, p_item -> 'effects') then
        perform private.erase_event(event.id, false);
        return jsonb_build_object('id', event.id, 'outcome', 'ignored');
    end if;
    is_known := exists (select 1 from public.conversations c where c.conversation_id = event.conversation_id);
    if next_state = 'processed' and event.conversation_id is not null and not is_known then
        next_state := 'unmatched';
    end if;
    perform private.apply_event(event, p_item, is_known);
    update private.webhook_inbox i
    set state = next_state, effects = case when next_state = 'unmatched' then p_item -> 'effects' end,
        claim_id = null, next_attempt_at = null, last_error = null, finished_at = now()
    where i.id = event.id;
    return jsonb_build_object('id', event.id, 'outcome', next_state);
end
$$;
revoke execute on function private.finish_event(uuid, jsonb) from public, anon, authenticated;
grant execute on function private.finish_event(uuid, jsonb) to service_role;

-- Finish a batch of claimed events, each in a block of its own: a poisoned one fails alone. In: the claim's id and a JSON
-- array of {id, state, effects, projections, retry_seconds?} or {id, error, retry_seconds?}; without retry_seconds a
-- failure is the last. Out: an array of {id, outcome: processed | ignored | unmatched | failed | dead | lost}.
create or replace function public.finish_events(claim uuid, batch jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    item jsonb;
    results jsonb := '[]';
begin
    for item in
        select b.value from jsonb_array_elements(batch) b
        left join private.webhook_inbox i on i.id = (b.value ->> 'id')::uuid
        order by i.conversation_id collate "C", i.event_key collate "C"
    loop
        begin
            results := results || private.finish_event(claim, item);
        exception
            when deadlock_detected or serialization_failure or insufficient_resources or system_error or read_only_sql_transaction then
                raise;
            when others then
                results := results || private.finish_event(claim, jsonb_build_object(
                    'id', item -> 'id', 'error', sqlerrm, 'retry_seconds', item -> 'retry_seconds'
                ));
        end;
    end loop;
    return results;
end
$$;
revoke execute on function public.finish_events(uuid, jsonb) from public, anon, authenticated;
grant execute on function public.finish_events(uuid, jsonb) to service_role;
