-- Recordings that are to be copied to Supabase Storage: one row for each https address that an event told.
create table if not exists private.recording_copies (
    conversation_id text not null,
    source_url text not null,
    state text not null default 'waiting' check (state in (
        'waiting', -- waiting -> copied or given up
        'copied', -- copied_url is what conversations.recording_url says
        'given up' -- the sender's address stays
    )),
    tries integer not null default 0,
    due_at timestamptz not null default now(),
    claim_id uuid,
    copied_url text,
    last_error text,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (conversation_id, source_url)
);
comment on column private.recording_copies.conversation_id is 'The conversation, or twilio:<recording_sid>.';
comment on column private.recording_copies.due_at is 'The next try; while it is claimed, the end of the lease.';

create index if not exists recording_copies_due_idx on private.recording_copies (due_at) where state = 'waiting';

alter table private.recording_copies enable row level security;
grant select, insert, update, delete on private.recording_copies to service_role;

-- The address of a conversation's recording if this event is the newest that told one, else null: the copy's, once
-- there is one, also when the event is applied again. A copy is ordered by the same transaction.
create or replace function private.recording(
    p_conversation_id text, p_change jsonb, p_event_key text
) returns text
language plpgsql set search_path = '' as $$
declare
    told text := private.newest(p_conversation_id, p_change, p_event_key, 'recording_url');
begin
    -- An index takes no longer key. Buckets' own addresses (s3://, gs://) stay as they are.
    if told is null or told !~* '^https://' or octet_length(told) > 2000 then
        return told;
    end if;
    insert into private.recording_copies (conversation_id, source_url) values (p_conversation_id, told)
    on conflict do nothing;
    return coalesce((
        select r.copied_url from private.recording_copies r
        where r.conversation_id = p_conversation_id and r.source_url = told
    ), told);
end
$$;
revoke execute on function private.recording(text, jsonb, text) from public, anon, authenticated;
grant execute on function private.recording(text, jsonb, text) to service_role;

-- Give the longest due copy out under a claim. Out: {conversation_id, id (our row's) or
-- recording_id (a phone call's), source_url, tries}, or null.
create or replace function public.claim_recording(claim uuid, lease_seconds double precision) returns jsonb
language sql security invoker set search_path = '' as $$
    with due as materialized (
        select r.conversation_id, r.source_url from private.recording_copies r
        where r.state = 'waiting' and r.due_at <= now()
        order by r.due_at limit 1 for update skip locked
    ), claimed as (
        update private.recording_copies r
        set claim_id = claim, tries = r.tries + 1, due_at = now() + make_interval(secs => lease_seconds)
        from due where r.conversation_id = due.conversation_id and r.source_url = due.source_url
        returning r.*
    )
    select jsonb_build_object('conversation_id', r.conversation_id, 'source_url', r.source_url, 'tries', r.tries, 'id', (
        select c.id from public.conversations c where c.conversation_id = r.conversation_id
    ), 'recording_id', (
        select p.id from public.call_recordings p
        where r.conversation_id like 'twilio:%' and p.recording_sid = substr(r.conversation_id, 8)
    ))
    from claimed r
$$;
revoke execute on function public.claim_recording(uuid, double precision) from public, anon, authenticated;
grant execute on function public.claim_recording(uuid, double precision) to service_role;

-- Make a claim last from now on once more. Returns whether it still holds.
create or replace function public.extend_recording(claim uuid, lease_seconds double precision) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
    update private.recording_copies r set due_at = now() + make_interval(secs => lease_seconds)
    where r.claim_id = claim and r.state = 'waiting';
    return found;
end
$$;
revoke execute on function public.extend_recording(uuid, double precision) from public, anon, authenticated;
grant execute on function public.extend_recording(uuid, double precision) to service_role;

-- Write down what came of a claimed copy. In: {claim, conversation_id, source_url} with {copied_url}, or with {error,
-- retry_seconds?}; without retry_seconds it is given up. A conversation that still has the sender's address gets the
-- copy's. Out: copied | waiting | given up | lost (somebody else has claimed it since).
create or replace function public.finish_recording(copy jsonb) returns text
language plpgsql security invoker set search_path = '' as $$
declare
    held private.recording_copies;
    next_state text := case
        when copy ? 'copied_url' then 'copied' when copy ? 'retry_seconds' then 'waiting' else 'given up'
    end;
begin
    -- The conversation first, then the row: everybody locks in this order.
    perform private.lock_conversation(copy ->> 'conversation_id');
    select * into held from private.recording_copies r
    where r.conversation_id = copy ->> 'conversation_id' and r.source_url = copy ->> 'source_url'
        and r.claim_id = (copy ->> 'claim')::uuid and r.state = 'waiting' for update;
    if held.conversation_id is null then
        return 'lost';
    end if;
    update private.recording_copies r
    set state = next_state, claim_id = null, copied_url = copy ->> 'copied_url', last_error = copy ->> 'error',
        due_at = now() + make_interval(secs => coalesce((copy ->> 'retry_seconds')::double precision, 0)),
        finished_at = case when next_state <> 'waiting' then now() end
    where r.conversation_id = held.conversation_id and r.source_url = held.source_url;

    if next_state = 'copied' then
        update public.call_recordings p set storage_path = copy ->> 'copied_url'
        where held.conversation_id like 'twilio:%' and p.recording_sid = substr(held.conversation_id, 8) and p.storage_path is null;
        update public.conversations c set recording_url = copy ->> 'copied_url'
        where c.conversation_id = held.conversation_id and c.recording_url = held.source_url;
        if found then
            perform private.project('tavus', held.conversation_id || ':recording_copied:' || held.source_url,
                held.conversation_id, 'recording_copied', jsonb_build_object('recording_url', copy ->> 'copied_url'), null);
        end if;
    end if;
    return next_state;
end
$$;
revoke execute on function public.finish_recording(jsonb) from public, anon, authenticated;
grant execute on function public.finish_recording(jsonb) to service_role;
