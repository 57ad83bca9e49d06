-- Which conversations are to be looked up at their sender, since a callback of theirs may be lost.
create table if not exists private.reconciliations (
    conversation_id text primary key,
    known_at timestamptz not null default now(),
    due_from timestamptz not null default now(),
    looked_at timestamptz,
    answered_at timestamptz,
    looks integer not null default 0,
    claim_id uuid,
    last_result text,
    settled_at timestamptz
);
comment on column private.reconciliations.known_at is 'When the conversation was made, as far as that is known.';
comment on column private.reconciliations.due_from is 'It is looked up when so many seconds (RECONCILE_AFTER) have gone by since; a claim''s lease moves it on.';
comment on column private.reconciliations.answered_at is 'When the last look began that the sender answered.';
comment on column private.reconciliations.settled_at is 'When nothing was missing any more, or was given up.';

-- The worker asks for the longest due one.
create index if not exists reconciliations_due_idx on private.reconciliations (due_from) where settled_at is null;

alter table private.reconciliations enable row level security;
grant select, insert, update, delete on private.reconciliations to service_role;

-- Watch a conversation from the moment that its sender has named it. Whoever made its row may have no
-- right to this table, so this runs as its owner.
create or replace function private.watch_conversation() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into private.reconciliations (conversation_id, known_at, due_from)
    values (
        new.conversation_id, least(new.created_at::timestamptz, now()), least(new.created_at::timestamptz, now())
    )
    on conflict (conversation_id) do nothing;
    return null;
end
$$;
revoke execute on function private.watch_conversation() from public, anon, authenticated;

create or replace trigger conversations_watch
after insert or update of conversation_id on public.conversations for each row
when (new.conversation_id is not null) execute function private.watch_conversation();

-- Those from before this table.
insert into private.reconciliations (conversation_id, known_at, due_from)
select c.conversation_id, least(c.created_at::timestamptz, now()), least(c.created_at::timestamptz, now())
from public.conversations c where c.conversation_id is not null
on conflict (conversation_id) do nothing;

-- Whether the sender itself has told the end: `ended` alone may be our own note of it.
create or replace function private.has_end(p_conversation public.conversations) returns boolean
language sql stable set search_path = '' as $$
    select private.status_rank(p_conversation.status::text) > private.status_rank('ended')
$$;
revoke execute on function private.has_end(public.conversations) from public, anon, authenticated;
grant execute on function private.has_end(public.conversations) to service_role;

create or replace function private.is_complete(p_conversation public.conversations) returns boolean
language sql stable set search_path = '' as $$
    select private.has_end(p_conversation) and exists (
        select from private.conversation_facts f
        where f.conversation_id = p_conversation.conversation_id and f.kind = 'transcript'
    )
$$;
revoke execute on function private.is_complete(public.conversations) from public, anon, authenticated;
grant execute on function private.is_complete(public.conversations) to service_role;

-- From when on something is missing: from the end, else from the beginning.
create or replace function private.quiet_since(
    p_watched private.reconciliations, p_conversation public.conversations
) returns timestamptz
language sql stable set search_path = '' as $$
    select case
        -- A sender's clock may be wrong.
        when p_conversation.ended_at::timestamptz <= now() then p_conversation.ended_at::timestamptz
        else least(p_watched.known_at, p_conversation.created_at::timestamptz, p_conversation.started_at::timestamptz)
    end
$$;
revoke execute on function private.quiet_since(private.reconciliations, public.conversations) from public, anon, authenticated;
grant execute on function private.quiet_since(private.reconciliations, public.conversations) to service_role;

-- Whether a conversation needs no look now: nothing that ends it is missing, and it was looked up when everything had had the
-- time to come (then it is off the list), or that time has not come yet (then it is due at it). So each gets a last look, by
-- which also what may be absent is found: a lost recording, perception or objective.
create or replace function private.needs_no_look(
    p_watched private.reconciliations, p_conversation public.conversations, p_after double precision
) returns boolean
language plpgsql set search_path = '' as $$
declare
    over_at timestamptz := private.quiet_since(p_watched, p_conversation);
    last_look_at timestamptz := over_at + make_interval(secs => p_after);
    is_looked_up boolean := coalesce(p_watched.answered_at >= last_look_at, false);
begin
    if not private.is_complete(p_conversation) or (not is_looked_up and now() >= last_look_at) then
        return false;
    end if;
    update private.reconciliations r
    set due_from = over_at, settled_at = case when is_looked_up then coalesce(r.settled_at, now()) end
    where r.conversation_id = p_watched.conversation_id;
    return true;
end
$$;
revoke execute on function private.needs_no_look(private.reconciliations, public.conversations, double precision) from public, anon, authenticated;
grant execute on function private.needs_no_look(private.reconciliations, public.conversations, double precision) to service_role;

-- Give one conversation out under a claim. In: {claim, after_seconds, lease_seconds} for the longest due one; for a person who
-- asks, {before} too: each without its end or transcript that was not looked up since that time, given up or not; or
-- {conversation}: this one whatever it has, by the sender's id or our row's. Out: {conversation_id, id, has_end (the sender's),
-- is_over (by anybody's word), age_seconds}, null when none is left. Those that need no look are put off, or taken off the list.
create or replace function public.claim_reconciliation(wanted jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    after_seconds double precision := (wanted ->> 'after_seconds')::double precision;
    watched private.reconciliations;
    conversation public.conversations;
begin
    loop
        if wanted ? 'conversation' then
            select r.* into watched
            from private.reconciliations r join public.conversations c using (conversation_id)
            where c.conversation_id = wanted ->> 'conversation' or c.id::text = wanted ->> 'conversation'
            limit 1 for update of r;
        elsif wanted ? 'before' then
            select r.* into watched
            from private.reconciliations r join public.conversations c using (conversation_id)
            where least(r.known_at, c.created_at::timestamptz, c.started_at::timestamptz)
                    <= now() - make_interval(secs => after_seconds)
                and (r.looked_at is null or r.looked_at < (wanted ->> 'before')::timestamptz)
                and not private.is_complete(c)
            order by r.known_at limit 1 for update of r skip locked;
        else
            select r.* into watched from private.reconciliations r
            where r.settled_at is null and r.due_from <= now() - make_interval(secs => after_seconds)
            order by r.due_from limit 1 for update skip locked;
        end if;
        if watched.conversation_id is null then
            return null;
        end if;
        select * into conversation from public.conversations c where c.conversation_id = watched.conversation_id;
        if conversation.id is null then
            delete from private.reconciliations r where r.conversation_id = watched.conversation_id;
            continue;
        end if;
        exit when wanted ? 'conversation' or not private.needs_no_look(watched, conversation, after_seconds);
    end loop;

    update private.reconciliations r
    set claim_id = (wanted ->> 'claim')::uuid, looked_at = clock_timestamp(), looks = r.looks + 1,
        due_from = now() + make_interval(secs => (wanted ->> 'lease_seconds')::double precision - after_seconds)
    where r.conversation_id = watched.conversation_id;
    return jsonb_build_object(
        'conversation_id', watched.conversation_id, 'id', conversation.id, 'has_end', private.has_end(conversation),
        'is_over', private.status_rank(conversation.status::text) >= private.status_rank('ended'),
        'age_seconds', extract(epoch from now() - private.quiet_since(watched, conversation))
    );
end
$$;
revoke execute on function public.claim_reconciliation(jsonb) from public, anon, authenticated;
grant execute on function public.claim_reconciliation(jsonb) to service_role;

-- Write down what came of a look, and when the next is due: after a quarter of the time that has gone by so far, within a day.
-- In: {claim, conversation_id, after_seconds, give_up_seconds, answered (whether the sender told anything), result}.
-- Out: complete | waiting | given up | lost (somebody else has claimed it since).
create or replace function public.finish_reconciliation(look jsonb) returns text
language plpgsql security invoker set search_path = '' as $$
declare
    after_seconds double precision := (look ->> 'after_seconds')::double precision;
    watched private.reconciliations;
    conversation public.conversations;
    age double precision;
begin
    select * into watched from private.reconciliations r
    where r.conversation_id = look ->> 'conversation_id' and r.claim_id = (look ->> 'claim')::uuid for update;
    if watched.conversation_id is null then
        return 'lost';
    end if;
    select * into conversation from public.conversations c where c.conversation_id = watched.conversation_id;
    update private.reconciliations r
    set last_result = look ->> 'result', claim_id = null,
        answered_at = case when (look ->> 'answered')::boolean then r.looked_at else r.answered_at end
    where r.conversation_id = watched.conversation_id returning r.* into watched;
    if private.needs_no_look(watched, conversation, after_seconds) then
        return 'complete';
    end if;

    age := extract(epoch from now() - private.quiet_since(watched, conversation));
    if age >= (look ->> 'give_up_seconds')::double precision then
        update private.reconciliations r set settled_at = now() where r.conversation_id = watched.conversation_id;
        return 'given up';
    end if;
    update private.reconciliations r
    set due_from = now() + make_interval(secs => greatest(least(age / 4, 86400) - after_seconds, 0)), settled_at = null
    where r.conversation_id = watched.conversation_id;
    return 'waiting';
end
$$;
revoke execute on function public.finish_reconciliation(jsonb) from public, anon, authenticated;
grant execute on function public.finish_reconciliation(jsonb) to service_role;
