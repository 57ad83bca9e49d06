-- Merge what an event says about its conversation into the conversation's row.
create or replace function private.apply_conversation(
    p_conversation_id text, p_event_key text, p_change jsonb
) returns void
language plpgsql set search_path = '' as $$
declare
    metadata_key text := p_change ->> 'metadata_key';
    -- What a browser relayed is older than anything that the sender itself told.
    age numeric := private.age_weight((p_change ->> 'at')::timestamptz) - case when p_change ? 'relayed' then 1e11 else 0 end;
    new_metadata jsonb := '{}';
    end_weight numeric;
    part text;
    final_end jsonb;
    started_at timestamptz;
    conversation public.conversations;
begin
    if metadata_key is not null
        and private.wins(p_conversation_id, 'metadata:' || metadata_key, age, p_event_key) then
        new_metadata := jsonb_build_object(metadata_key, p_change -> 'metadata');
    end if;
    if p_change ? 'end' then
        -- The highest status, then the earliest time: an end without a time comes after those with one.
        end_weight := private.status_rank(p_change #>> '{end,status}') * 1e12
            - coalesce(extract(epoch from (p_change #>> '{end,at}')::timestamptz), 1e11);
        perform private.wins(p_conversation_id, 'end', end_weight, p_event_key, p_change -> 'end');
        -- What the best end leaves out, the best of those that tell it says.
        foreach part in array array['at', 'reason'] loop
            if p_change -> 'end' ? part then
                perform private.wins(p_conversation_id, 'end:' || part, end_weight, p_event_key,
                    jsonb_build_object(part, p_change #> array['end', part]));
            end if;
        end loop;
    end if;
    -- Of two values under one name the last stays: that of the best end.
    select jsonb_object_agg(told.key, told.value order by f.kind collate "C" desc) into final_end
    from private.conversation_facts f, jsonb_each(f.value) told
    where f.conversation_id = p_conversation_id and f.kind in ('end', 'end:at', 'end:reason');
    select * into conversation from public.conversations c
    where c.conversation_id = p_conversation_id for update;
    if metadata_key = 'application.perception_analysis' and new_metadata <> '{}' then
        conversation.perception_analysis := null; -- what a browser relayed
    end if;
    started_at := least(conversation.started_at, (p_change ->> 'started_at')::timestamptz);

    -- By way of jsonb each value takes the type that its column has; a table from before this schema
    -- may have others than ours.
    conversation := jsonb_populate_record(conversation, jsonb_strip_nulls(jsonb_build_object(
        'status', case
            when p_change ? 'relayed' then conversation.status::text
            when private.status_rank(final_end ->> 'status') > private.status_rank(conversation.status::text)
                then final_end ->> 'status'
            else coalesce(nullif(conversation.status::text, 'starting'), 'active')
        end,
        'started_at', started_at,
        'ended_at', (final_end ->> 'at')::timestamptz,
        'end_reason', final_end ->> 'reason',
        'duration_seconds', coalesce(
            (final_end ->> 'duration_seconds')::integer,
            private.seconds_between(started_at, (final_end ->> 'at')::timestamptz)
        ),
        'perception_analysis', case when new_metadata <> '{}' then p_change ->> 'perception_analysis' end,
        'recording_url', private.recording(p_conversation_id, p_change, p_event_key),
        'persona_id', private.newest(p_conversation_id, p_change, p_event_key, 'persona_id'),
        'replica_id', private.newest(p_conversation_id, p_change, p_event_key, 'replica_id'),
        'demo_id', private.newest(p_conversation_id, p_change, p_event_key, 'demo_id'),
        'conversation_name', private.newest(p_conversation_id, p_change, p_event_key, 'conversation_name')
    )));

    update public.conversations c set
        status = conversation.status,
        started_at = conversation.started_at,
        ended_at = conversation.ended_at,
        end_reason = conversation.end_reason,
        duration_seconds = conversation.duration_seconds,
        tavus_metadata = coalesce(c.tavus_metadata::jsonb, '{}') || new_metadata,
        perception_analysis = conversation.perception_analysis,
        recording_url = conversation.recording_url,
        persona_id = conversation.persona_id,
        replica_id = conversation.replica_id,
        demo_id = conversation.demo_id,
        conversation_name = conversation.conversation_name
    where c.conversation_id = p_conversation_id;

    update public.feedback_sessions f set duration = c.duration_seconds
    from public.conversations c
    where c.conversation_id = p_conversation_id and f.conversation_id = c.id and f.version is not null
        and f.duration is distinct from c.duration_seconds;
end
$$;
revoke execute on function private.apply_conversation(text, text, jsonb) from public, anon, authenticated;
grant execute on function private.apply_conversation(text, text, jsonb) to service_role;

-- Whole seconds from one time to a later one, else null; also when no integer holds them.
create or replace function private.seconds_between(p_from timestamptz, p_to timestamptz) returns integer
language sql immutable set search_path = '' as $$
    select round(extract(epoch from p_to - p_from))::integer
    where p_to >= p_from and p_to - p_from < interval '20000 days'
$$;
revoke execute on function private.seconds_between(timestamptz, timestamptz) from public, anon, authenticated;
grant execute on function private.seconds_between(timestamptz, timestamptz) to service_role;

-- Write the rows that an event stands for. Receiving, adopting and replaying all come through here;
-- the caller holds the conversation's lock. `p_known` says that the conversation has a row.
create or replace function private.apply_effects(
    p_conversation_id text, p_event_key text, p_event_type text, p_effects jsonb, p_known boolean
) returns void
language plpgsql set search_path = '' as $$
declare
    transcript_won boolean := false;
    conversation public.conversations;
    record jsonb;
    unknown text;
begin
    -- Newer code than this schema: the event fails and is tried again, rather than half applied.
    select string_agg(told.name, ', ') into unknown from jsonb_object_keys(p_effects) as told (name)
    where told.name not in (
        'records', 'messages', 'transcript', 'tool_call', 'completion', 'conversation', 'feedback',
        'projections' -- which the caller writes
    );
    if unknown is not null then
        raise exception 'This schema does not know the effects %: it is older than the code', unknown;
    end if;
    for record in select * from jsonb_array_elements(p_effects -> 'records') loop
        perform private.apply_record(p_event_key, record);
    end loop;
    if p_conversation_id is null then
        return;
    end if;
    if p_effects ? 'messages' then
        perform private.apply_messages(p_conversation_id, p_effects -> 'messages');
    end if;
    if p_effects ? 'transcript' then
        transcript_won := private.apply_transcript(p_conversation_id, p_event_key, p_effects -> 'transcript');
    end if;
    if p_effects ? 'tool_call' then
        perform private.apply_tool_call(p_conversation_id, p_effects -> 'tool_call');
    end if;
    if p_effects ? 'completion' then
        perform private.apply_completion(p_conversation_id, p_event_key, p_event_type, p_effects -> 'completion');
    end if;
    if not p_known then
        return;
    end if;
    if p_effects ? 'conversation' then
        perform private.apply_conversation(p_conversation_id, p_event_key, p_effects -> 'conversation');
    end if;
    if p_effects ? 'feedback' and transcript_won then
        select * into conversation from public.conversations c where c.conversation_id = p_conversation_id;
        perform private.apply_feedback(conversation, p_effects -> 'feedback', p_effects -> 'transcript');
    end if;
end
$$;
revoke execute on function private.apply_effects(text, text, text, jsonb, boolean) from public, anon, authenticated;
grant execute on function private.apply_effects(text, text, text, jsonb, boolean) to service_role;

-- Apply what a handler made of a stored event: its effects, and the rows that browsers see.
create or replace function private.apply_event(p_event private.webhook_inbox, p_handled jsonb, p_known boolean) returns void
language plpgsql set search_path = '' as $$
declare
    projection jsonb;
begin
    if p_handled ? 'effects' then
        perform private.apply_effects(
            p_event.conversation_id, p_event.event_key, p_event.event_type, p_handled -> 'effects', p_known
        );
    end if;
    for projection in select * from jsonb_array_elements(p_handled -> 'projections') loop
        perform private.project(p_event.source, p_event.event_key, p_event.conversation_id,
            projection ->> 'event_type', projection -> 'event_data', p_event.duration_ms);
    end loop;
end
$$;
revoke execute on function private.apply_event(private.webhook_inbox, jsonb, boolean) from public, anon, authenticated;
grant execute on function private.apply_event(private.webhook_inbox, jsonb, boolean) to service_role;

-- Hold off every other transaction that touches this conversation, until this one ends. Without it an
-- event and the row of its conversation, arriving together, would not see each other.
create or replace function private.lock_conversation(p_conversation_id text) returns void
language plpgsql set search_path = '' as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(p_conversation_id, 0));
end
$$;
revoke execute on function private.lock_conversation(text) from public, anon, authenticated;
grant execute on function private.lock_conversation(text) to service_role;

-- A conversation has become known: apply the effects that waited for it. Whoever made the row may have
-- no right to the inbox, so this runs as its owner.
create or replace function private.adopt_events() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    waiting private.webhook_inbox;
begin
    perform private.lock_conversation(new.conversation_id);
    for waiting in
        select * from private.webhook_inbox i
        where i.conversation_id = new.conversation_id and i.state = 'unmatched' order by i.seq
    loop
        begin
            perform private.apply_effects(
                waiting.conversation_id, waiting.event_key, waiting.event_type, waiting.effects, true
            );
            update private.webhook_inbox i set state = 'processed', effects = null, finished_at = now()
            where i.id = waiting.id;
        exception
            when deadlock_detected or serialization_failure or insufficient_resources or system_error or read_only_sql_transaction then
                raise;
            when others then
                -- A new beginning, like a replay: what it took to get here costs none of the retries.
                insert into private.event_attempts (event_id, attempt, error)
                values (waiting.id, waiting.attempts + 1, sqlerrm);
                update private.webhook_inbox i
                set state = 'failed', effects = null, attempts = waiting.attempts + 1, attempts_before = waiting.attempts,
                    last_error = sqlerrm, next_attempt_at = now() + interval '1 second', finished_at = null
                where i.id = waiting.id;
        end;
    end loop;
    return null;
end
$$;
revoke execute on function private.adopt_events() from public, anon, authenticated;

create or replace trigger conversations_adopt_events
after insert or update of conversation_id on public.conversations for each row
when (new.conversation_id is not null) execute function private.adopt_events();
