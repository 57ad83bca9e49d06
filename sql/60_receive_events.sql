-- Tie our row to the sender's conversation. Returns the conversation's id (null while nobody named it);
-- `allowed` is false when the row is another conversation's, or gone.
create or replace function private.bind_conversation(
    p_ref uuid, p_conversation_id text, out conversation_id text, out allowed boolean
)
language plpgsql set search_path = '' as $$
begin
    select true, c.conversation_id into allowed, conversation_id
    from public.conversations c where c.id = p_ref;
    allowed := coalesce(allowed, false);

    if allowed and conversation_id is null and p_conversation_id is not null then
        -- Nobody has named it yet: of two events only one may.
        select c.conversation_id into conversation_id from public.conversations c where c.id = p_ref for update;
    end if;
    if allowed and conversation_id is null and p_conversation_id is not null then
        if exists (select 1 from public.conversations c where c.conversation_id = p_conversation_id) then
            allowed := false;
            return;
        end if;
        update public.conversations c set conversation_id = p_conversation_id where c.id = p_ref;
        conversation_id := p_conversation_id;
    end if;
    allowed := allowed and (p_conversation_id is null or conversation_id = p_conversation_id);
end
$$;
revoke execute on function private.bind_conversation(uuid, text) from public, anon, authenticated;
grant execute on function private.bind_conversation(uuid, text) to service_role;

-- Store one event and apply its effects; see receive_events for what it answers.
create or replace function private.receive_event(p_event jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    conversation text := p_event ->> 'conversation_id';
    bound record;
    is_known boolean;
    state text := p_event ->> 'state';
    event private.webhook_inbox;
begin
    if p_event ? 'rejected' then
        return private.reject(p_event);
    end if;
    if conversation is not null then
        perform private.lock_conversation(conversation);
    end if;
    if private.is_erased(conversation, p_event ->> 'source', p_event ->> 'event_key', p_event -> 'effects') then
        return private.ignore_erased(p_event);
    end if;
    if p_event ? 'conversation_ref' then
        select * into bound from private.bind_conversation((p_event ->> 'conversation_ref')::uuid, conversation);
        if not bound.allowed then
            return jsonb_build_object('outcome', 'forbidden', 'known', false);
        end if;
        conversation := coalesce(conversation, bound.conversation_id);
    end if;
    is_known := exists (select 1 from public.conversations c where c.conversation_id = conversation);
    if state = 'processed' and conversation is not null and not is_known then
        state := 'unmatched';
    end if;

    event := private.store(
        p_event, conversation, state, case when state = 'unmatched' then p_event -> 'effects' end, p_event ->> 'error'
    );
    if event.id is null then
        return jsonb_build_object('outcome', 'duplicate', 'known', is_known);
    end if;

    perform private.apply_event(event, p_event, is_known);
    return jsonb_build_object(
        'outcome', case state when 'failed' then 'failed' when 'received' then 'deferred' else 'new' end, 'known', is_known, 'id', event.id, 'state', state);
end
$$;
revoke execute on function private.receive_event(jsonb) from public, anon, authenticated;
grant execute on function private.receive_event(jsonb) to service_role;

-- Keep an event whose effects could not be applied, for another try.
create or replace function private.store_failed(p_event jsonb, p_error text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    event private.webhook_inbox;
begin
    event := private.store(p_event, p_event ->> 'conversation_id', 'failed', null, p_error);
    return jsonb_build_object('outcome', case when event.id is null then 'duplicate' else 'failed' end,
        'known', false, 'id', event.id, 'state', 'failed', 'error', p_error);
exception
    when deadlock_detected or serialization_failure or insufficient_resources or system_error or read_only_sql_transaction then
        raise;
    when others then
        return jsonb_build_object('outcome', 'unstored', 'known', false, 'error', sqlerrm);
end
$$;
revoke execute on function private.store_failed(jsonb, text) from public, anon, authenticated;
grant execute on function private.store_failed(jsonb, text) to service_role;

-- Store a batch of events and apply their effects, in one transaction. In: a JSON array of events, each
-- {source, event_key, event_type, conversation_id?, conversation_ref?, body (base64), body_sha256, headers,
-- state (processed, ignored, failed, or received when it is the worker's), effects?, projections?, error?, rejected?, path?, received_at, duration_ms}.
-- Out, in the same order: {outcome: new | deferred | duplicate | failed | rejected | forbidden | unstored, known,
-- id, state, error?}.
--
-- One at a time, because a set-based update loses one of two events for the same row; sorted, because
-- batches that lock conversations in the order of arrival deadlock; each in its own block, so that a
-- poisoned event fails alone. Deadlocks, timeouts, a full disk and a database that only reads are no event's fault: they go to
-- the caller, who sends the batch again.
create or replace function public.receive_events(batch jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    item record;
    results jsonb[] := array_fill(null::jsonb, array[jsonb_array_length(batch)]);
begin
    for item in
        select e.value, e.n from jsonb_array_elements(batch) with ordinality as e (value, n)
        order by e.value ->> 'conversation_id' collate "C",
            -- A conversation's lock holds off all others, so its events stay in the order of their arrival.
            case when not e.value ? 'conversation_id' then e.value ->> 'event_key' end collate "C", e.n
    loop
        begin
            results[item.n] := private.receive_event(item.value);
        exception
            when deadlock_detected or serialization_failure or insufficient_resources or system_error or read_only_sql_transaction then
                raise;
            when others then
                results[item.n] := private.store_failed(item.value, sqlerrm);
        end;
    end loop;
    return to_jsonb(results);
end
$$;
revoke execute on function public.receive_events(jsonb) from public, anon, authenticated;
grant execute on function public.receive_events(jsonb) to service_role;
