-- What happens here that customers are told of. Triggers, so that whoever writes a row tells of it in the same transaction.
-- They run as their owner: an app that writes these tables itself has no right to the outbox.

alter table public.conversation_messages
    add column if not exists content_type text,
    add column if not exists type text,
    add column if not exists channel text,
    add column if not exists status text,
    add column if not exists filename text,
    add column if not exists metadata jsonb,
    add column if not exists created_by text,
    add column if not exists updated_by text,
    add column if not exists updated_at timestamptz;
comment on column public.conversation_messages.origin is 'live, transcript, or api: somebody added it.';

-- A message as customers see it. What was said in a call has only a role; whoever adds a message says the rest.
create or replace function private.message_data(p_message public.conversation_messages, p_conversation public.conversations)
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    kind text := coalesce(p_message.type, case p_message.role when 'user' then 'USER_INPUT' when 'assistant' then 'BOT' else 'SYSTEM' end);
    author text := coalesce(p_message.created_by, case kind
        when 'USER_INPUT' then p_conversation.user_id::text
        when 'BOT' then coalesce(p_conversation.replica_id, p_conversation.persona_id, 'assistant')
        else 'system'
    end);
    made_at timestamptz := coalesce(p_message.timestamp, p_message.created_at, now());
begin
    return jsonb_build_object(
        'id', p_message.id, 'content', coalesce(p_message.content, ''), 'content_type', coalesce(p_message.content_type, 'TEXT'),
        'type', kind, 'channel', coalesce(p_message.channel, 'API'), 'status', coalesce(p_message.status, 'RECEIVED'),
        'metadata', coalesce(p_message.metadata, '{}'),
        'created_by', author, 'updated_by', coalesce(p_message.updated_by, author),
        'created_at', private.iso(made_at), 'updated_at', private.iso(coalesce(p_message.updated_at, made_at))
    ) || case when p_message.filename is null then '{}' else jsonb_build_object('filename', p_message.filename) end;
end
$$;
revoke execute on function private.message_data(public.conversation_messages, public.conversations) from public, anon, authenticated;
grant execute on function private.message_data(public.conversation_messages, public.conversations) to service_role;

-- What begins the name of every word that a browser told of an inference.
create or replace function private.inference_key(p_message public.conversation_messages) returns text
language sql immutable set search_path = '' as $$
    select 'relayed:' || coalesce(p_message.role, '') || ':' || p_message.inference_id || ':'
$$;
revoke execute on function private.inference_key(public.conversation_messages) from public, anon, authenticated;
grant execute on function private.inference_key(public.conversation_messages) to service_role;

-- What names a message. What a browser told of an inference is one of those words of it that its sender's may take the place of.
create or replace function private.message_key(p_message public.conversation_messages) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_message.origin = 'api' then 'api:' || p_message.id
        when p_message.origin = 'transcript' then 'line:' || p_message.message_id
        when p_message.relayed and p_message.inference_id is not null
            then 'live:' || private.inference_key(p_message) || p_message.message_id
        else 'live:' || p_message.message_id
    end
$$;
revoke execute on function private.message_key(public.conversation_messages) from public, anon, authenticated;
grant execute on function private.message_key(public.conversation_messages) to service_role;

-- Whether a browser's word of this message was told already: then that is now this message's.
create or replace function private.takes_place_of_relayed(
    p_message public.conversation_messages, p_conversation uuid, p_prefix text, p_key text
) returns boolean
language plpgsql set search_path = '' as $$
begin
    if p_message.origin <> 'live' or p_message.relayed or p_message.inference_id is null
        or exists (select from private.outgoing_events o where o.key = p_key) then
        return false;
    end if;
    update private.outgoing_events o set key = p_key
    where o.id = (
        select told.id from private.outgoing_events told
        where told.conversation_id = p_conversation
            and starts_with(told.key, p_prefix || 'live:' || private.inference_key(p_message))
        order by told.created_at, told.id limit 1
    );
    return found;
end
$$;
revoke execute on function private.takes_place_of_relayed(public.conversation_messages, uuid, text, text) from public, anon, authenticated;
grant execute on function private.takes_place_of_relayed(public.conversation_messages, uuid, text, text) to service_role;

-- Tell of a message, once for each status. Lines of a transcript only where nothing of the talk was told live.
create or replace function private.emit_message(p_message public.conversation_messages, p_conversation public.conversations)
returns void
language plpgsql set search_path = '' as $$
declare
    status text := coalesce(p_message.status, 'RECEIVED');
    event_type text := case status when 'RECEIVED' then 'message.created' else 'message.processed' end;
    prefix text := 'message:' || p_conversation.id || ':';
    key text := prefix || private.message_key(p_message) || ':' || status;
begin
    if p_conversation.user_id is null
        or not exists (select from private.endpoints_for(p_conversation.user_id, event_type, p_conversation.id))
        or (p_message.origin = 'transcript' and exists (
            select from private.outgoing_events o
            where o.conversation_id = p_conversation.id and starts_with(o.key, prefix || 'live:')
        ))
        or private.takes_place_of_relayed(p_message, p_conversation.id, prefix, key)
    then
        return;
    end if;
    perform private.emit(
        key, event_type, p_conversation.user_id, p_conversation.id,
        jsonb_build_object('conversation_id', p_conversation.id,
            'data', private.message_data(p_message, p_conversation), 'timestamp', private.iso(now()))
    );
end
$$;
revoke execute on function private.emit_message(public.conversation_messages, public.conversations) from public, anon, authenticated;
grant execute on function private.emit_message(public.conversation_messages, public.conversations) to service_role;

create or replace function private.tell_message() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    conversation public.conversations;
begin
    select * into conversation from public.conversations c where c.conversation_id = new.conversation_id;
    perform private.emit_message(new, conversation);
    return null;
end
$$;
revoke execute on function private.tell_message() from public, anon, authenticated;
create or replace trigger conversation_messages_tell after insert or update of status on public.conversation_messages
for each row when (new.origin is not null) execute function private.tell_message();

-- What a conversation's objective found out, each time that it is more.
create or replace function private.emit_qualification(p_row public.qualification_data, p_conversation public.conversations)
returns void
language plpgsql set search_path = '' as $$
begin
    perform private.emit_fact(p_row.id || ':' || p_row.version, 'qualification.updated', p_conversation.user_id, p_conversation.id,
        jsonb_build_object('conversation_id', p_conversation.id, 'provider_conversation_id', p_row.conversation_id)
        || jsonb_build_object('objective_name', p_row.objective_name, 'first_name', p_row.first_name,
            'last_name', p_row.last_name, 'email', p_row.email, 'position', p_row.position,
            'output_variables', p_row.output_variables, 'version', p_row.version));
end
$$;
revoke execute on function private.emit_qualification(public.qualification_data, public.conversations) from public, anon, authenticated;
grant execute on function private.emit_qualification(public.qualification_data, public.conversations) to service_role;

create or replace function private.tell_qualification() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    conversation public.conversations;
begin
    if tg_op = 'UPDATE' and old.version is not distinct from new.version then
        return null;
    end if;
    select * into conversation from public.conversations c where c.conversation_id = new.conversation_id;
    perform private.emit_qualification(new, conversation);
    return null;
end
$$;
revoke execute on function private.tell_qualification() from public, anon, authenticated;
create or replace trigger qualification_data_tell after insert or update on public.qualification_data
for each row when (new.version is not null) execute function private.tell_qualification();

create or replace function private.emit_feedback(p_feedback public.feedback_sessions, p_conversation public.conversations)
returns void
language plpgsql set search_path = '' as $$
begin
    perform private.emit_fact(p_feedback.id::text, 'feedback.created', coalesce(p_conversation.user_id, p_feedback.user_id),
        p_conversation.id, jsonb_build_object(
            'id', p_feedback.id, 'conversation_id', p_conversation.id, 'provider_conversation_id', p_conversation.conversation_id,
            'scenario_id', p_feedback.scenario_id, 'score', p_feedback.score, 'analysis', p_feedback.analysis,
            'analyzer', p_feedback.analyzer, 'duration', p_feedback.duration, 'completed_at', private.iso(p_feedback.completed_at)
        ));
end
$$;
revoke execute on function private.emit_feedback(public.feedback_sessions, public.conversations) from public, anon, authenticated;
grant execute on function private.emit_feedback(public.feedback_sessions, public.conversations) to service_role;

-- A conversation has become known, or somebody's: tell what came before it was. Of one that gets its owner late only the last day, lest
-- a table that is filled in afterwards tell of old times. Named to fire after `conversations_adopt_events`.
create or replace function private.tell_what_waited() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    message public.conversation_messages;
    found_out public.qualification_data;
    scored public.feedback_sessions;
    since timestamptz := '-infinity';
begin
    if tg_op = 'UPDATE' and old.conversation_id is not distinct from new.conversation_id then
        if old.user_id is not null then
            return null;
        end if;
        since := now() - interval '1 day';
    end if;
    for message in
        select * from public.conversation_messages m
        where m.conversation_id = new.conversation_id and m.origin is not null and m.created_at >= since
        order by m.position, m.seq, m.turn_idx, m.timestamp nulls first, m.created_at, m.id
    loop
        perform private.emit_message(message, new);
    end loop;
    for found_out in
        select * from public.qualification_data q
        where q.conversation_id = new.conversation_id and q.version is not null and q.received_at >= since
        order by q.received_at, q.id
    loop
        perform private.emit_qualification(found_out, new);
    end loop;
    for scored in
        select * from public.feedback_sessions f
        where f.conversation_id = new.id and f.version is not null and f.created_at >= since
    loop
        perform private.emit_feedback(scored, new);
    end loop;
    return null;
end
$$;
revoke execute on function private.tell_what_waited() from public, anon, authenticated;
create or replace trigger conversations_tell_what_waited after insert or update of conversation_id, user_id on public.conversations
for each row when (new.conversation_id is not null and new.user_id is not null) execute function private.tell_what_waited();

create or replace function private.tell_conversation() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'INSERT' or old.status::text is distinct from 'completed'
        -- It was over before it was somebody's: see tell_what_waited.
        or (old.user_id is null and greatest(new.created_at, new.started_at, new.ended_at) >= now() - interval '1 day')
    then
        perform private.emit_fact(new.id::text, 'conversation.completed', new.user_id, new.id, jsonb_build_object(
            'conversation_id', new.id, 'provider_conversation_id', new.conversation_id, 'status', new.status,
            'end_reason', new.end_reason, 'started_at', private.iso(new.started_at), 'ended_at', private.iso(new.ended_at),
            'duration_seconds', new.duration_seconds, 'scenario_id', new.scenario_id, 'demo_id', new.demo_id,
            'persona_id', new.persona_id, 'replica_id', new.replica_id, 'conversation_name', new.conversation_name
        ));
    end if;
    return null;
end
$$;
revoke execute on function private.tell_conversation() from public, anon, authenticated;
create or replace trigger conversations_tell_completed after insert or update on public.conversations
for each row when (new.status::text = 'completed' and new.user_id is not null) execute function private.tell_conversation();

create or replace function private.tell_feedback() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform private.emit_feedback(new, c) from public.conversations c where c.id = new.conversation_id;
    return null;
end
$$;
revoke execute on function private.tell_feedback() from public, anon, authenticated;
create or replace trigger feedback_sessions_tell after insert on public.feedback_sessions
for each row when (new.version is not null) execute function private.tell_feedback();

create or replace function private.tell_call() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'UPDATE' and old.status is not distinct from new.status and old.phone_id is not distinct from new.phone_id then
        return null;
    end if;
    perform private.emit_fact(new.id::text, 'call.completed', p.user_id, null, jsonb_build_object(
        'id', new.id, 'call_sid', new.call_sid, 'parent_call_sid', new.parent_call_sid, 'phone_id', new.phone_id,
        'direction', new.direction, 'from_number', new.from_number, 'to_number', new.to_number,
        'caller_name', new.caller_name, 'status', new.status, 'answered_by', new.answered_by,
        'started_at', private.iso(new.started_at), 'answered_at', private.iso(new.answered_at),
        'ended_at', private.iso(new.ended_at), 'duration_seconds', new.duration_seconds
    ))
    from public.phone_numbers p where p.id = new.phone_id;
    return null;
end
$$;
revoke execute on function private.tell_call() from public, anon, authenticated;
create or replace trigger calls_tell_completed after insert or update on public.calls
for each row when (new.status = 'completed' and new.phone_id is not null) execute function private.tell_call();

create or replace function private.tell_booking() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'UPDATE' and old.status is not distinct from new.status and old.phone_id is not distinct from new.phone_id then
        return null;
    end if;
    perform private.emit_fact(new.id::text, 'booking.created', p.user_id, null, jsonb_build_object(
        'id', new.id, 'booking_key', new.booking_key, 'phone_id', new.phone_id, 'status', new.status,
        'event_type', new.event_type, 'name', new.name, 'invitee_name', new.invitee_name,
        'invitee_email', new.invitee_email, 'invitee_phone', new.invitee_phone,
        'starts_at', private.iso(new.starts_at), 'ends_at', private.iso(new.ends_at), 'timezone', new.timezone,
        'location', new.location, 'rescheduled_from', new.rescheduled_from
    ))
    from public.phone_numbers p where p.id = new.phone_id;
    return null;
end
$$;
revoke execute on function private.tell_booking() from public, anon, authenticated;
create or replace trigger bookings_tell_created after insert or update on public.bookings
for each row when (new.status = 'active' and new.phone_id is not null) execute function private.tell_booking();

-- Let browsers hear that an added message is there, or has gone on: messages themselves are not published.
create or replace function private.show_message(p_message public.conversation_messages) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.project(
        'convohooks', concat_ws(':', p_message.conversation_id, 'message', p_message.id, extract(epoch from p_message.updated_at)),
        p_message.conversation_id, 'conversation.message.updated',
        jsonb_build_object('id', p_message.id, 'type', p_message.type, 'status', p_message.status), null
    );
end
$$;
revoke execute on function private.show_message(public.conversation_messages) from public, anon, authenticated;
grant execute on function private.show_message(public.conversation_messages) to service_role;

-- Add a message to a conversation of one's own. In: message_id, content, content_type, type, channel, status, created_by, and
-- perhaps filename, metadata. Out: {outcome: new | duplicate (of the same message_id) | unplaced (its sender has not named the
-- conversation yet), row: the message as customers see it}; null when the conversation is not the owner's.
create or replace function public.add_message(owner uuid, conversation uuid, message jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    into_one public.conversations;
    added public.conversation_messages;
    outcome text := 'new';
begin
    select * into into_one from public.conversations c where c.id = conversation and c.user_id = owner;
    if into_one.id is null then
        return null;
    elsif into_one.conversation_id is null then
        return jsonb_build_object('outcome', 'unplaced');
    end if;
    insert into public.conversation_messages (conversation_id, message_id, role, content, content_length, origin, timestamp,
        content_type, type, channel, status, filename, metadata, created_by, updated_by, updated_at)
    select into_one.conversation_id, m.message_id,
        case m.type when 'USER_INPUT' then 'user' when 'BOT' then 'assistant' else 'system' end,
        m.content, length(m.content), 'api', now(), m.content_type, m.type, m.channel, m.status, m.filename,
        coalesce(m.metadata, '{}'), m.created_by, m.created_by, now()
    from jsonb_populate_record(null::public.conversation_messages, message) m
    on conflict (conversation_id, message_id) where origin is not null do nothing
    returning * into added;
    if added.id is null then
        outcome := 'duplicate';
        select * into added from public.conversation_messages m
        where m.conversation_id = into_one.conversation_id and m.message_id = message ->> 'message_id' and m.origin is not null;
    else
        perform private.show_message(added);
    end if;
    return jsonb_build_object('outcome', outcome, 'row', private.message_data(added, into_one));
end
$$;
revoke execute on function public.add_message(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.add_message(uuid, uuid, jsonb) to service_role;

-- Say that an added message has been processed, or that this failed. In: status, updated_by. Out: the message; null when
-- there is none that was added.
create or replace function public.change_message(owner uuid, conversation uuid, message uuid, change jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    of_one public.conversations;
    changed public.conversation_messages;
begin
    select * into of_one from public.conversations c where c.id = conversation and c.user_id = owner;
    update public.conversation_messages m
    set status = change ->> 'status', updated_by = change ->> 'updated_by', updated_at = now()
    where m.id = message and m.conversation_id = of_one.conversation_id and m.origin = 'api'
    returning * into changed;
    if changed.id is null then
        return null;
    end if;
    perform private.show_message(changed);
    return private.message_data(changed, of_one);
end
$$;
revoke execute on function public.change_message(uuid, uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.change_message(uuid, uuid, uuid, jsonb) to service_role;
