-- What we asked the sender for: each conversation that was begun here, from before the sender is asked until nothing of it
-- can be left at the sender without us knowing. Row first: the process may die between any two steps.
create table if not exists private.conversation_calls (
    ref uuid primary key,
    user_id uuid not null,
    request_key text,
    request_hash text,
    state text not null default 'begun' check (state in ('begun', 'placed', 'lost', 'failed')),
    looks integer not null default 0,
    begun_at timestamptz not null default now(),
    next_look_at timestamptz
);
comment on column private.conversation_calls.ref is 'The row of public.conversations; callbacks carry it.';
comment on column private.conversation_calls.request_key is 'The Idempotency-Key; free again once the call has failed.';
comment on column private.conversation_calls.state is
'begun: a request is at work; placed: answered, with a join URL; lost: not answered, and may run at the sender; failed: not answered, and does not.';
comment on column private.conversation_calls.next_look_at is 'When to look for it at the sender, to end it there; null never.';

create unique index if not exists conversation_calls_request_key
on private.conversation_calls (user_id, request_key) where request_key is not null;
create index if not exists conversation_calls_next_look_at_idx
on private.conversation_calls (next_look_at) where next_look_at is not null;

alter table private.conversation_calls enable row level security;
grant select, insert, update, delete on private.conversation_calls to service_role;

-- By way of jsonb each value takes the type that its column has.
create or replace function private.insert_conversation(p_conversation jsonb) returns void
language sql set search_path = '' as $$
    insert into public.conversations (id, user_id, scenario_id, demo_id, persona_id, replica_id, conversation_name, status, created_at, updated_at)
    select c.id, c.user_id, c.scenario_id, c.demo_id, c.persona_id, c.replica_id, c.conversation_name, c.status, now(), now()
    from jsonb_populate_record(null::public.conversations, p_conversation) c
$$;
revoke execute on function private.insert_conversation(jsonb) from public, anon, authenticated;
grant execute on function private.insert_conversation(jsonb) to service_role;

-- Make the row of a conversation that the sender is going to be asked for. In: the row's values; a key under which the
-- person may ask again for the same, and a hash of what they ask for; the seconds after which the request must have
-- ended. Out: {outcome: begun | placed | busy | other, id, row?}: all but `begun` are what became of the key before.
create or replace function public.begin_conversation(
    conversation jsonb, request_key text, request_hash text, patience_seconds double precision
) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    new_ref uuid := gen_random_uuid();
    owner uuid := (conversation ->> 'user_id')::uuid;
    wanted jsonb := conversation || jsonb_build_object('id', new_ref);
begin
    insert into private.conversation_calls as call (ref, user_id, request_key, request_hash, next_look_at)
    values (new_ref, owner, begin_conversation.request_key, begin_conversation.request_hash,
        now() + make_interval(secs => patience_seconds))
    on conflict do nothing;
    if not found then
        return coalesce((
            select jsonb_build_object('id', call.ref, 'row', to_jsonb(c), 'outcome', case
                when call.request_hash is distinct from begin_conversation.request_hash then 'other'
                when call.state = 'placed' and c.id is not null then 'placed'
                else 'busy'
            end)
            from private.conversation_calls call left join public.conversations c on c.id = call.ref
            where call.user_id = owner and call.request_key = begin_conversation.request_key
        ), '{"outcome": "busy"}');
    end if;
    begin
        insert into public.profiles (id) values (owner) on conflict do nothing;
    exception when not_null_violation then
        null; -- An app's own table, which wants to know more; the next insert tells whether one is needed.
    end;
    begin
        perform private.insert_conversation(wanted || '{"status": "starting"}');
    exception when invalid_text_representation or check_violation or string_data_right_truncation then
        -- A table from before this schema may know the four states of then only.
        perform private.insert_conversation(wanted || '{"status": "active"}');
    end;
    return jsonb_build_object('outcome', 'begun', 'id', new_ref);
end
$$;
revoke execute on function public.begin_conversation(jsonb, text, text, double precision) from public, anon, authenticated;
grant execute on function public.begin_conversation(jsonb, text, text, double precision) to service_role;

-- The sender has made the conversation: tie it to its row. Out: {outcome: placed, row}, and the request may be answered;
-- {outcome: late} when it was given up meanwhile, {outcome: taken} when another row is that conversation's.
create or replace function public.place_conversation(ref uuid, conversation_id text, conversation_url text) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    call private.conversation_calls;
    bound record;
    placed public.conversations;
begin
    -- The conversation first, then rows: everybody locks in this order.
    perform private.lock_conversation(place_conversation.conversation_id);
    select * into call from private.conversation_calls a where a.ref = place_conversation.ref for update;
    if call.state is null or call.state not in ('begun', 'placed') then
        return '{"outcome": "late"}';
    end if;
    select * into bound from private.bind_conversation(place_conversation.ref, place_conversation.conversation_id);
    if not bound.allowed then
        return jsonb_build_object('outcome', case when exists (
            select from public.conversations c where c.conversation_id = place_conversation.conversation_id
        ) then 'taken' else 'late' end);
    end if;
    update public.conversations c
    set conversation_url = place_conversation.conversation_url,
        status = case when c.status::text = 'starting' then 'active' else c.status end
    where c.id = place_conversation.ref
    returning * into placed;
    update private.conversation_calls a set state = 'placed', next_look_at = null where a.ref = place_conversation.ref;
    return jsonb_build_object('outcome', 'placed', 'row', to_jsonb(placed));
end
$$;
revoke execute on function public.place_conversation(uuid, text, text) from public, anon, authenticated;
grant execute on function public.place_conversation(uuid, text, text) to service_role;

-- The request for a conversation ends without one. `look_seconds` is when to look for it at the sender, where it may run all
-- the same; null when it cannot.
create or replace function public.fail_conversation(ref uuid, reason text, look_seconds double precision) returns void
language sql security invoker set search_path = '' as $$
    update private.conversation_calls a
    set state = case when look_seconds is null then 'failed' else 'lost' end, request_key = null,
        next_look_at = now() + make_interval(secs => look_seconds)
    where a.ref = fail_conversation.ref;
    update public.conversations c set status = 'failed', end_reason = coalesce(c.end_reason, reason)
    where c.id = fail_conversation.ref;
$$;
revoke execute on function public.fail_conversation(uuid, text, double precision) from public, anon, authenticated;
grant execute on function public.fail_conversation(uuid, text, double precision) to service_role;

-- Give out what is to be looked for at the sender; requests that should long have ended are given up with it. In: how many
-- at most, and the lease in seconds. Out: a JSON array of {ref, conversation_id, looks}; the id is there when a callback told
-- it. After a day there is one last look.
create or replace function public.claim_lost_conversations(most integer, lease_seconds double precision) returns jsonb
language sql security invoker set search_path = '' as $$
    with due as materialized (
        select a.ref from private.conversation_calls a
        where a.next_look_at <= now() order by a.next_look_at limit most for update skip locked
    ), claimed as (
        update private.conversation_calls a
        set state = 'lost', request_key = null, looks = a.looks + 1,
            next_look_at = case when a.begun_at > now() - interval '1 day' then now() + make_interval(secs => lease_seconds) end
        from due where a.ref = due.ref
        returning a.ref, a.looks
    ), failed as (
        update public.conversations c set status = 'failed', end_reason = coalesce(c.end_reason, 'never_started')
        from claimed where c.id = claimed.ref and c.status::text is distinct from 'failed'
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'ref', l.ref, 'conversation_id', c.conversation_id, 'looks', l.looks
    ) order by l.ref), '[]')
    from claimed l left join public.conversations c on c.id = l.ref
$$;
revoke execute on function public.claim_lost_conversations(integer, double precision) from public, anon, authenticated;
grant execute on function public.claim_lost_conversations(integer, double precision) to service_role;

-- A look is over; the next is due in so many seconds, and without a number nothing is left to look for.
create or replace function public.finish_look(ref uuid, look_seconds double precision) returns void
language sql security invoker set search_path = '' as $$
    update private.conversation_calls a
    set state = case when look_seconds is null then 'failed' else 'lost' end,
        next_look_at = now() + make_interval(secs => look_seconds)
    where a.ref = finish_look.ref and a.state = 'lost'
$$;
revoke execute on function public.finish_look(uuid, double precision) from public, anon, authenticated;
grant execute on function public.finish_look(uuid, double precision) to service_role;

-- Somebody here ended a conversation. It counts until the sender tells of an end: every end of the sender's outweighs it.
create or replace function public.note_end(conversation_id text) returns void
language plpgsql security invoker set search_path = '' as $$
begin
    perform private.lock_conversation(note_end.conversation_id);
    if private.is_erased(note_end.conversation_id, null, null, null) then
        return;
    end if;
    insert into private.conversation_facts as known (conversation_id, kind, weight, event_key, value)
    values (note_end.conversation_id, 'end', 0, 'ended here',
        jsonb_build_object('status', 'ended', 'reason', 'ended_by_user', 'at', now()))
    on conflict do nothing;
    perform private.apply_conversation(note_end.conversation_id, 'ended here', '{}');
end
$$;
revoke execute on function public.note_end(text) from public, anon, authenticated;
grant execute on function public.note_end(text) to service_role;
