-- What is to be told, once for each event, as it is sent. Its id makes the `webhook-id` of every attempt.
create table if not exists private.outgoing_events (
    id uuid primary key default gen_random_uuid(),
    key text not null,
    event_type text not null,
    user_id uuid not null references public.profiles (id) on delete cascade,
    conversation_id uuid,
    payload jsonb not null,
    created_at timestamptz not null default now()
);
comment on column private.outgoing_events.key is 'Names the fact, so that nobody hears it twice.';
create unique index if not exists outgoing_events_key on private.outgoing_events (key);
create index if not exists outgoing_events_user_id_idx on private.outgoing_events (user_id);
create index if not exists outgoing_events_conversation_id_idx on private.outgoing_events (conversation_id);
create index if not exists outgoing_events_created_at_idx on private.outgoing_events (created_at);

-- One event for one endpoint, and what became of it.
create table if not exists public.webhook_deliveries (
    id uuid primary key default gen_random_uuid()
);
alter table public.webhook_deliveries
    add column if not exists endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
    add column if not exists user_id uuid not null references public.profiles (id) on delete cascade,
    add column if not exists event_id uuid not null references private.outgoing_events (id) on delete cascade,
    add column if not exists webhook_id text not null,
    add column if not exists event_type text not null,
    add column if not exists conversation_id uuid,
    add column if not exists state text not null default 'waiting',
    add column if not exists attempts integer not null default 0,
    add column if not exists last_status integer,
    add column if not exists last_error text,
    add column if not exists last_attempt_at timestamptz,
    add column if not exists next_attempt_at timestamptz,
    add column if not exists finished_at timestamptz,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz not null default now(),
    add column if not exists updated_at timestamptz not null default now();
comment on column public.webhook_deliveries.state is 'waiting, delivered, or failed for the last time.';
comment on column public.webhook_deliveries.attempts is 'How many have ended.';
-- An event goes to an endpoint once.
create unique index if not exists webhook_deliveries_event_key on public.webhook_deliveries (event_id, endpoint_id);
create index if not exists webhook_deliveries_endpoint_idx on public.webhook_deliveries (endpoint_id, created_at desc, id desc);
create index if not exists webhook_deliveries_user_id_idx on public.webhook_deliveries (user_id);
create index if not exists webhook_deliveries_created_at_idx on public.webhook_deliveries (created_at);

create or replace trigger webhook_deliveries_bump_version
before update on public.webhook_deliveries for each row execute function private.bump_version();

-- Every attempt that has ended.
create table if not exists public.delivery_attempts (
    id uuid primary key default gen_random_uuid()
);
alter table public.delivery_attempts
    add column if not exists delivery_id uuid not null references public.webhook_deliveries (id) on delete cascade,
    add column if not exists endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
    add column if not exists user_id uuid not null references public.profiles (id) on delete cascade,
    add column if not exists attempt integer not null,
    add column if not exists status integer,
    add column if not exists error text,
    add column if not exists response text,
    add column if not exists duration_ms double precision,
    add column if not exists attempted_at timestamptz not null default now();
comment on column public.delivery_attempts.response is 'How the answer begins, 4 KB of it.';
create index if not exists delivery_attempts_delivery_idx on public.delivery_attempts (delivery_id, attempt);
-- The newest are asked for, those that failed too, however few they are.
create index if not exists delivery_attempts_endpoint_idx on public.delivery_attempts (endpoint_id, attempted_at desc);
create index if not exists delivery_attempts_failed_idx
on public.delivery_attempts (endpoint_id, attempted_at desc) where error is not null;
create index if not exists delivery_attempts_user_id_idx on public.delivery_attempts (user_id);

do $$
declare
    kept text;
begin
    foreach kept in array array['webhook_deliveries', 'delivery_attempts'] loop
        execute format('alter table public.%I enable row level security', kept);
        execute format('revoke all on public.%I from anon, authenticated', kept);
        execute format('grant select on public.%I to authenticated', kept);
        execute format('grant select, insert, update, delete on public.%I to service_role', kept);
        execute format('drop policy if exists "people read their deliveries, admins all" on public.%I', kept);
        execute format('create policy "people read their deliveries, admins all" on public.%I for select to authenticated using ('
            'user_id = (select auth.uid()) or (select private.is_admin()))', kept);
    end loop;
end
$$;

-- The deliveries that wait. Small, and apart from their history: it is what workers look through all day.
create table if not exists private.delivery_queue (
    delivery_id uuid primary key references public.webhook_deliveries (id) on delete cascade,
    endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
    seq bigint generated always as identity,
    next_attempt_at timestamptz not null default now(),
    tries integer not null default 0,
    claim_id uuid,
    again boolean not null default false
);
comment on column private.delivery_queue.next_attempt_at is 'Of a claimed one the end of its lease; infinity while its endpoint is disabled.';
comment on column private.delivery_queue.again is 'It was sent again while it was on its way: another attempt follows, however this one ends.';
comment on column private.delivery_queue.tries is 'Attempts begun since it was sent, or sent again.';
create index if not exists delivery_queue_due_idx on private.delivery_queue (endpoint_id, next_attempt_at);
create index if not exists delivery_queue_order_idx on private.delivery_queue (endpoint_id, seq);
create index if not exists delivery_queue_next_idx on private.delivery_queue (next_attempt_at);

-- The attempts that count against an endpoint's rate: from the claim to a minute after their end. The receiver has seen
-- an attempt at some moment between the two, so no minute of its clock holds more of them than slots there are.
create table if not exists private.delivery_slots (
    id bigint generated always as identity primary key,
    endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
    delivery_id uuid not null,
    claim_id uuid not null,
    in_flight boolean not null default true,
    until timestamptz not null
);
comment on column private.delivery_slots.until is 'While in flight a minute after the lease''s end: whoever holds it may have died.';
create index if not exists delivery_slots_endpoint_idx on private.delivery_slots (endpoint_id, until);
create index if not exists delivery_slots_delivery_id_idx on private.delivery_slots (delivery_id) where in_flight;

-- The times that the database's clock has jumped, as workers have noticed by clocks that do not; the last 100.
create table if not exists private.clock_jumps (
    id bigint generated always as identity primary key,
    jump interval not null
);

alter table private.outgoing_events enable row level security;
alter table private.clock_jumps enable row level security;
alter table private.delivery_queue enable row level security;
alter table private.delivery_slots enable row level security;
grant select, insert, update, delete on private.outgoing_events to service_role;
grant select, insert, update, delete on private.clock_jumps to service_role;
grant select, insert, update, delete on private.delivery_queue to service_role;
grant select, insert, update, delete on private.delivery_slots to service_role;

-- The endpoints that hear of something.
create or replace function private.endpoints_for(p_user uuid, p_event_type text, p_conversation uuid)
returns setof public.webhook_endpoints
language plpgsql stable set search_path = '' as $$
begin
    return query
    select e.* from public.webhook_endpoints e
    where e.user_id = p_user and not e.disabled
        and (e.event_types is null or p_event_type = any(e.event_types))
        and (e.conversation_id is null or (e.conversation_id = p_conversation and p_event_type like 'message.%'))
    order by e.id;
end
$$;
revoke execute on function private.endpoints_for(uuid, text, uuid) from public, anon, authenticated;
grant execute on function private.endpoints_for(uuid, text, uuid) to service_role;

-- Queue an event for an endpoint, as part of the transaction that makes it an event.
create or replace function private.queue_delivery(p_event private.outgoing_events, p_endpoint public.webhook_endpoints)
returns public.webhook_deliveries
language plpgsql set search_path = '' as $$
declare
    made public.webhook_deliveries;
begin
    insert into public.webhook_deliveries (endpoint_id, user_id, event_id, webhook_id, event_type, conversation_id, next_attempt_at)
    values (p_endpoint.id, p_endpoint.user_id, p_event.id, 'msg_' || replace(p_event.id::text, '-', ''),
        p_event.event_type, p_event.conversation_id, now())
    returning * into made;
    insert into private.delivery_queue (delivery_id, endpoint_id) values (made.id, p_endpoint.id);
    return made;
end
$$;
revoke execute on function private.queue_delivery(private.outgoing_events, public.webhook_endpoints) from public, anon, authenticated;
grant execute on function private.queue_delivery(private.outgoing_events, public.webhook_endpoints) to service_role;

-- Tell whoever wants to hear of it, once. Where nobody does, nothing is written.
create or replace function private.emit(
    p_key text, p_event_type text, p_user uuid, p_conversation uuid, p_payload jsonb
) returns void
language plpgsql set search_path = '' as $$
declare
    event private.outgoing_events;
    endpoint public.webhook_endpoints;
begin
    for endpoint in
        select e.* from private.endpoints_for(p_user, p_event_type, p_conversation) f
        join public.webhook_endpoints e on e.id = f.id
        -- One that is being deleted is waited for, and then not there.
        order by e.id for key share of e
    loop
        if event.id is null then
            insert into private.outgoing_events (key, event_type, user_id, conversation_id, payload)
            values (p_key, p_event_type, p_user, p_conversation, p_payload)
            on conflict (key) do nothing returning * into event;
            exit when event.id is null;
        end if;
        perform private.queue_delivery(event, endpoint);
    end loop;
end
$$;
revoke execute on function private.emit(text, text, uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function private.emit(text, text, uuid, uuid, jsonb) to service_role;

-- A time as payloads have it: UTC, to the millisecond.
create or replace function private.iso(p_at timestamptz) returns text
language sql immutable set search_path = '' as $$
    select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
revoke execute on function private.iso(timestamptz) from public, anon, authenticated;
grant execute on function private.iso(timestamptz) to service_role;

-- An event of ours that is no message, in the shape that Standard Webhooks proposes.
create or replace function private.emit_fact(p_key text, p_event_type text, p_user uuid, p_conversation uuid, p_data jsonb)
returns void
language plpgsql set search_path = '' as $$
begin
    perform private.emit(p_event_type || ':' || p_key, p_event_type, p_user, p_conversation,
        jsonb_build_object('type', p_event_type, 'timestamp', private.iso(now()), 'data', p_data));
end
$$;
revoke execute on function private.emit_fact(text, text, uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function private.emit_fact(text, text, uuid, uuid, jsonb) to service_role;

-- Send nothing more to an endpoint; what waits for it stays. Its owner's other endpoints hear of it when it was not their wish.
create or replace function private.disable_endpoint(p_endpoint uuid, p_reason text) returns text
language plpgsql set search_path = '' as $$
declare
    disabled_one public.webhook_endpoints;
begin
    update public.webhook_endpoints e set disabled = true, disabled_reason = p_reason, disabled_at = now()
    where e.id = p_endpoint and not e.disabled returning * into disabled_one;
    if disabled_one.id is null then
        return null;
    end if;
    -- What is on its way is put aside when it ends, or its lease does.
    update private.delivery_queue q set next_attempt_at = 'infinity'
    where q.endpoint_id = p_endpoint and (q.claim_id is null or q.next_attempt_at <= now());
    if p_reason <> 'owner' then
        perform private.emit_fact(
            p_endpoint || ':' || disabled_one.version, 'endpoint.disabled', disabled_one.user_id, null,
            jsonb_build_object('endpoint_id', p_endpoint, 'url', disabled_one.url, 'reason', p_reason,
                'conversation_id', disabled_one.conversation_id, 'disabled_at', private.iso(disabled_one.disabled_at))
        );
    end if;
    return p_reason;
end
$$;
revoke execute on function private.disable_endpoint(uuid, text) from public, anon, authenticated;
grant execute on function private.disable_endpoint(uuid, text) to service_role;

create or replace function private.enable_endpoint(p_endpoint uuid) returns void
language plpgsql set search_path = '' as $$
begin
    update public.webhook_endpoints e set disabled = false, disabled_reason = null, disabled_at = null
    where e.id = p_endpoint;
    update private.endpoint_state s
    set is_suspect = false, is_proven = false, failing_since = null, failures = 0, blocked_until = '-infinity'
    where s.endpoint_id = p_endpoint;
    update private.delivery_queue q set next_attempt_at = now()
    where q.endpoint_id = p_endpoint and q.next_attempt_at = 'infinity';
end
$$;
revoke execute on function private.enable_endpoint(uuid) from public, anon, authenticated;
grant execute on function private.enable_endpoint(uuid) to service_role;

-- The endpoints with something due, the longest not served first; of those that hang `p_most_suspect`. Loose scans of an
-- index: one step for each endpoint, however much waits there.
create or replace function private.endpoints_due(p_most integer, p_most_suspect integer) returns setof uuid
language plpgsql stable set search_path = '' as $$
begin
    return query
    with recursive waiting as (
        (
            select q.endpoint_id, q.next_attempt_at from private.delivery_queue q
            order by q.endpoint_id, q.next_attempt_at limit 1
        )
        union all
        select following.endpoint_id, following.next_attempt_at
        from waiting w, lateral (
            select q.endpoint_id, q.next_attempt_at from private.delivery_queue q
            where q.endpoint_id > w.endpoint_id order by q.endpoint_id, q.next_attempt_at limit 1
        ) following
    ), due as (
        select s.*, row_number() over (partition by s.is_suspect order by s.last_claimed_at) as place
        from waiting w join private.endpoint_state s on s.endpoint_id = w.endpoint_id
        join public.webhook_endpoints e on e.id = w.endpoint_id
        where w.next_attempt_at <= now() and s.blocked_until <= now() and not e.disabled
    )
    select d.endpoint_id from due d where not d.is_suspect or d.place <= p_most_suspect
    order by d.last_claimed_at limit p_most;
end
$$;
revoke execute on function private.endpoints_due(integer, integer) from public, anon, authenticated;
grant execute on function private.endpoints_due(integer, integer) to service_role;

-- How many attempts an endpoint may begin now. The caller holds the lock of its state.
create or replace function private.free_places(
    p_endpoint public.webhook_endpoints, p_state private.endpoint_state, p_risky integer, p_rate integer, p_concurrency integer
) returns integer
language plpgsql set search_path = '' as $$
declare
    most integer := coalesce(p_endpoint.rate_per_minute, p_rate);
    places integer := case
        when p_endpoint.ordered or p_state.is_suspect then 1 else coalesce(p_endpoint.concurrency, p_concurrency)
    end;
    used integer;
    flying integer;
    freed_at timestamptz;
begin
    delete from private.delivery_slots s where s.endpoint_id = p_endpoint.id and s.until <= now();
    select count(*), count(*) filter (where s.in_flight and s.until > now() + interval '1 minute')
    into used, flying from private.delivery_slots s where s.endpoint_id = p_endpoint.id;

    -- Let it out of the round for as long as it can get nothing. An attempt that ends lets it in again, and the slots of
    -- those in flight may end earlier than they say.
    if flying >= places or (used >= most and flying > 0) then
        freed_at := now() + interval '0.2 seconds';
    elsif used >= most then
        select d.until into freed_at from private.delivery_slots d
        where d.endpoint_id = p_endpoint.id order by d.until offset used - most limit 1;
    end if;
    update private.endpoint_state s set last_claimed_at = now(), blocked_until = coalesce(freed_at, '-infinity')
    where s.endpoint_id = p_endpoint.id;
    return least(most - used, places - flying, case
        when p_state.is_suspect then p_risky
        -- The first always goes: it may be the proof.
        when not p_state.is_proven then greatest(p_risky, case when flying = 0 then 1 end)
    end);
end
$$;
revoke execute on function private.free_places(public.webhook_endpoints, private.endpoint_state, integer, integer, integer) from public, anon, authenticated;
grant execute on function private.free_places(public.webhook_endpoints, private.endpoint_state, integer, integer, integer) to service_role;

-- Claim what an endpoint may be sent now; how many those are. An endpoint that somebody else is at is passed over.
create or replace function private.claim_of_endpoint(
    p_endpoint uuid, p_claim uuid, p_most integer, p_risky integer, p_lease double precision, p_rate integer, p_concurrency integer,
    out claimed integer, out is_risky boolean
)
language plpgsql set search_path = '' as $$
declare
    state private.endpoint_state;
    endpoint public.webhook_endpoints;
    allowed integer;
begin
    select * into state from private.endpoint_state s where s.endpoint_id = p_endpoint for update skip locked;
    select * into endpoint from public.webhook_endpoints e where e.id = state.endpoint_id and not e.disabled;
    is_risky := state.is_suspect or not state.is_proven;
    claimed := 0;
    if endpoint.id is null then
        return;
    end if;
    allowed := least(private.free_places(endpoint, state, p_risky, p_rate, p_concurrency), p_most);
    if allowed <= 0 then
        return;
    end if;
    with head as materialized (
        select q.delivery_id from private.delivery_queue q where q.endpoint_id = p_endpoint order by q.seq limit 1
    ), due as materialized (
        select q.delivery_id from private.delivery_queue q
        where q.endpoint_id = p_endpoint and q.next_attempt_at <= now()
            -- Whoever wants order gets the next only after the one before has ended for good.
            and (not endpoint.ordered or q.delivery_id = (select h.delivery_id from head h))
        order by q.next_attempt_at, q.seq limit allowed for update skip locked
    ), taken as (
        update private.delivery_queue q
        set claim_id = p_claim, tries = q.tries + 1, next_attempt_at = now() + make_interval(secs => p_lease)
        from due where q.delivery_id = due.delivery_id
        returning q.delivery_id
    )
    insert into private.delivery_slots (endpoint_id, delivery_id, claim_id, until)
    select p_endpoint, t.delivery_id, p_claim, now() + make_interval(secs => p_lease) + interval '1 minute' from taken t;
    get diagnostics claimed = row_count;
end
$$;
revoke execute on function private.claim_of_endpoint(uuid, uuid, integer, integer, double precision, integer, integer) from public, anon, authenticated;
grant execute on function private.claim_of_endpoint(uuid, uuid, integer, integer, double precision, integer, integer) to service_role;

-- Move every wait by what the clock has jumped since a worker last looked. `p_seen` is {now: what the time was, jumps: which had been
-- followed by then, elapsed: the seconds that have gone by since, by a clock that nobody sets}. So no clock that is set lets more
-- out than the limits, takes a lease away early, or makes a wait last for hours. A call that was long on its way looks like a
-- small jump; those count for nothing.
create or replace function private.follow_clock(p_seen jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    jump interval := now() - (p_seen ->> 'now')::timestamptz - make_interval(secs => (p_seen ->> 'elapsed')::double precision);
begin
    if jump is null or jump between interval '-5 seconds' and interval '5 seconds' then
        return;
    end if;
    -- One worker at a time; what another has followed already is done.
    perform pg_advisory_xact_lock(hashtextextended('clock', 2));
    jump := jump - coalesce((select sum(j.jump) from private.clock_jumps j where j.id > (p_seen ->> 'jumps')::bigint), '0');
    if jump between interval '-5 seconds' and interval '5 seconds' then
        return;
    end if;
    insert into private.clock_jumps (jump) values (jump);
    -- But for what was queued after the jump: that has the new time already, and is due.
    update private.delivery_queue q set next_attempt_at = q.next_attempt_at + jump
    where q.next_attempt_at < 'infinity' and case when jump > interval '0' then q.tries > 0 else q.next_attempt_at > now() end;
    update private.delivery_slots s set until = s.until + jump;
    update private.endpoint_state s set blocked_until = s.blocked_until + jump, failing_since = s.failing_since + jump;
end
$$;
revoke execute on function private.follow_clock(jsonb) from public, anon, authenticated;
grant execute on function private.follow_clock(jsonb) to service_role;

-- Give due deliveries out under a claim, `most` at most, for as long as its lease lasts; each endpoint gets no more than its
-- rate a minute and its places at once (`rate`, `concurrency` where it has none of its own), and where places are scarce each
-- gets a share. `most_risky` of them may be for endpoints that hang, or for more than one attempt where nothing has arrived yet.
-- `seen` is {now, jumps} of the caller's last claim, with the seconds `elapsed` since.
-- Out: {deliveries: [{id, endpoint_id, webhook_id, event_type, url, headers, secrets, payload, attempt, tries, retry_schedule,
-- is_risky}], now, jumps, due_seconds (until something is due; null when nothing waits)}.
create or replace function public.claim_deliveries(
    claim uuid, most integer, most_risky integer, lease_seconds double precision, rate integer, concurrency integer,
    seen jsonb default null
) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    due uuid[];
    risky uuid[] := '{}';
    share integer;
    endpoint uuid;
    given record;
begin
    perform private.follow_clock(seen);
    due := array(select * from private.endpoints_due(most, most_risky));
    share := greatest(1, most / greatest(1, cardinality(due)));
    foreach endpoint in array due loop
        exit when most <= 0;
        select * into given from private.claim_of_endpoint(
            endpoint, claim, least(share, most), most_risky, lease_seconds, rate, concurrency
        );
        most := most - given.claimed;
        if given.is_risky then
            most_risky := greatest(0, most_risky - given.claimed);
            risky := risky || endpoint;
        end if;
    end loop;
    return jsonb_build_object(
        'deliveries', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', d.id, 'endpoint_id', e.id, 'webhook_id', d.webhook_id, 'event_type', d.event_type, 'url', e.url,
                'headers', (
                    select coalesce(jsonb_object_agg(h.name, h.value), '{}') from private.endpoint_headers h where h.endpoint_id = e.id
                ),
                'payload', o.payload, 'attempt', d.attempts + 1, 'tries', q.tries,
                'retry_schedule', coalesce(e.retry_schedule, '{4,8,10}'),
                'is_risky', e.id = any(risky),
                'secrets', (
                    select jsonb_agg(s.secret order by s.id desc) from private.endpoint_secrets s
                    where s.endpoint_id = e.id and (s.expires_at is null or s.expires_at > now())
                )
            ) order by q.seq), '[]')
            from private.delivery_queue q
            join public.webhook_deliveries d on d.id = q.delivery_id
            join public.webhook_endpoints e on e.id = q.endpoint_id
            join private.outgoing_events o on o.id = d.event_id
            where q.delivery_id in (
                select s.delivery_id from private.delivery_slots s
                where s.endpoint_id = any(due) and s.claim_id = claim and s.in_flight
            ) and q.claim_id = claim
        ),
        'now', clock_timestamp(),
        'jumps', (select coalesce(max(j.id), 0) from private.clock_jumps j),
        'due_seconds', (
            select extract(epoch from min(q.next_attempt_at) - now()) from private.delivery_queue q
            where q.next_attempt_at < 'infinity'
        )
    );
end
$$;
revoke execute on function public.claim_deliveries(uuid, integer, integer, double precision, integer, integer, jsonb) from public, anon, authenticated;
grant execute on function public.claim_deliveries(uuid, integer, integer, double precision, integer, integer, jsonb) to service_role;

-- Note how an attempt went for its endpoint; the reason when that disables it.
create or replace function private.note_health(p_endpoint uuid, p_item jsonb, p_disable_after double precision) returns text
language plpgsql set search_path = '' as $$
declare
    state private.endpoint_state;
begin
    if p_item ->> 'outcome' = 'delivered' then
        update private.endpoint_state s set is_suspect = false, is_proven = true, failing_since = null, failures = 0,
            blocked_until = '-infinity'
        where s.endpoint_id = p_endpoint
            and (s.is_suspect or s.failures > 0 or not s.is_proven or s.blocked_until > '-infinity');
        return null;
    end if;
    update private.endpoint_state s
    set is_suspect = s.is_suspect or coalesce((p_item ->> 'timed_out')::boolean, false),
        failing_since = coalesce(s.failing_since, now()), failures = s.failures + 1, blocked_until = '-infinity'
    where s.endpoint_id = p_endpoint returning * into state;
    if coalesce((p_item ->> 'gone')::boolean, false) then
        return private.disable_endpoint(p_endpoint, 'gone');
    elsif state.failures >= 10 and state.failing_since < now() - make_interval(secs => p_disable_after) then
        return private.disable_endpoint(p_endpoint, 'failing');
    end if;
    return null;
end
$$;
revoke execute on function private.note_health(uuid, jsonb, double precision) from public, anon, authenticated;
grant execute on function private.note_health(uuid, jsonb, double precision) to service_role;

-- Write down one attempt that has ended.
create or replace function private.finish_delivery(p_claim uuid, p_item jsonb, p_disable_after double precision) returns jsonb
language plpgsql set search_path = '' as $$
declare
    told_id uuid := (p_item ->> 'id')::uuid;
    held private.delivery_queue;
    disabled_by text;
    next_state text := case
        when p_item ->> 'outcome' = 'delivered' then 'delivered'
        when p_item ->> 'retry_seconds' is null then 'failed'
        else 'waiting'
    end;
    next_at timestamptz := case when next_state = 'waiting' then now() + make_interval(secs => (p_item ->> 'retry_seconds')::double precision) end;
begin
    -- Whether the claim still holds or not: the receiver has seen an attempt.
    update private.delivery_slots s set in_flight = false, until = now() + interval '1 minute'
    where s.delivery_id = told_id and s.claim_id = p_claim and s.in_flight;
    select * into held from private.delivery_queue q where q.delivery_id = told_id and q.claim_id = p_claim for update;
    if held.delivery_id is null then
        return jsonb_build_object('id', told_id, 'outcome', 'lost');
    end if;

    if held.again then
        next_state := 'waiting';
        next_at := now();
    end if;
    if next_state = 'waiting' then
        update private.delivery_queue q
        set claim_id = null, again = false, tries = case when held.again then 0 else q.tries end, next_attempt_at = case
            when (select e.disabled from public.webhook_endpoints e where e.id = held.endpoint_id) then 'infinity' else next_at
        end
        where q.delivery_id = told_id;
    else
        delete from private.delivery_queue q where q.delivery_id = told_id;
    end if;
    update public.webhook_deliveries d
    set state = next_state, attempts = d.attempts + 1, last_status = (p_item ->> 'status')::integer,
        last_error = p_item ->> 'error', last_attempt_at = now(), next_attempt_at = next_at,
        finished_at = case when next_state <> 'waiting' then now() end
    where d.id = told_id;
    insert into public.delivery_attempts (delivery_id, endpoint_id, user_id, attempt, status, error, response, duration_ms, attempted_at)
    select d.id, d.endpoint_id, d.user_id, d.attempts, d.last_status, d.last_error, p_item ->> 'response', t.ms,
        now() - make_interval(secs => t.ms / 1000)
    from public.webhook_deliveries d, (select coalesce((p_item ->> 'duration_ms')::double precision, 0) as ms) t
    where d.id = told_id;
    disabled_by := private.note_health(held.endpoint_id, p_item, p_disable_after);
    return jsonb_build_object('id', told_id, 'outcome', next_state, 'disabled', disabled_by);
end
$$;
revoke execute on function private.finish_delivery(uuid, jsonb, double precision) from public, anon, authenticated;
grant execute on function private.finish_delivery(uuid, jsonb, double precision) to service_role;

-- Write down attempts that have ended. In: a JSON array of {id, claim, outcome (delivered, failed), status?, error?, response?,
-- duration_ms, retry_seconds? (without it a failure is the last), gone?, timed_out?}. Out: [{id, outcome: delivered | waiting |
-- failed | lost, disabled: the reason when that disabled its endpoint}]. `seen` as at `claim_deliveries`.
create or replace function public.finish_deliveries(
    batch jsonb, disable_after_seconds double precision, seen jsonb default null
) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    item jsonb;
    results jsonb := '[]';
begin
    perform private.follow_clock(seen);
    for item in
        select b.value from jsonb_array_elements(batch) b
        left join private.delivery_queue q on q.delivery_id = (b.value ->> 'id')::uuid
        order by q.endpoint_id, q.delivery_id
    loop
        results := results || private.finish_delivery((item ->> 'claim')::uuid, item, disable_after_seconds);
    end loop;
    return results;
end
$$;
revoke execute on function public.finish_deliveries(jsonb, double precision, jsonb) from public, anon, authenticated;
grant execute on function public.finish_deliveries(jsonb, double precision, jsonb) to service_role;

-- Send a delivery again: the same webhook-id, a new attempt, the schedule from its beginning. Of one that is on its way the new
-- attempt follows the one in hand.
create or replace function private.send_again(p_delivery public.webhook_deliveries) returns void
language plpgsql set search_path = '' as $$
begin
    insert into private.delivery_queue as q (delivery_id, endpoint_id) values (p_delivery.id, p_delivery.endpoint_id)
    on conflict (delivery_id) do update set
        again = q.claim_id is not null,
        next_attempt_at = case when q.claim_id is null then now() else q.next_attempt_at end,
        tries = case when q.claim_id is null then 0 else q.tries end;
    update public.webhook_deliveries d set state = 'waiting', next_attempt_at = now(), finished_at = null
    where d.id = p_delivery.id;
end
$$;
revoke execute on function private.send_again(public.webhook_deliveries) from public, anon, authenticated;
grant execute on function private.send_again(public.webhook_deliveries) to service_role;

-- Send one delivery again. Out: its row; null when the owner has no such delivery.
create or replace function public.resend_delivery(owner uuid, endpoint_id uuid, delivery_id uuid) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    again public.webhook_deliveries;
begin
    select * into again from public.webhook_deliveries d
    where d.id = delivery_id and d.endpoint_id = resend_delivery.endpoint_id and d.user_id = owner for update;
    if again.id is null then
        return null;
    end if;
    perform private.send_again(again);
    return (select to_jsonb(d) from public.webhook_deliveries d where d.id = again.id);
end
$$;
revoke execute on function public.resend_delivery(uuid, uuid, uuid) from public, anon, authenticated;
grant execute on function public.resend_delivery(uuid, uuid, uuid) to service_role;

-- Send what failed for good since a time again, oldest first. Out: how many.
create or replace function public.resend_failed_deliveries(owner uuid, endpoint_id uuid, since timestamptz) returns integer
language plpgsql security invoker set search_path = '' as $$
declare
    again public.webhook_deliveries;
    count integer := 0;
begin
    for again in
        select * from public.webhook_deliveries d
        where d.endpoint_id = resend_failed_deliveries.endpoint_id and d.user_id = owner and d.state = 'failed' and d.created_at >= since
        order by d.created_at, d.id for update
    loop
        perform private.send_again(again);
        count := count + 1;
    end loop;
    return count;
end
$$;
revoke execute on function public.resend_failed_deliveries(uuid, uuid, timestamptz) from public, anon, authenticated;
grant execute on function public.resend_failed_deliveries(uuid, uuid, timestamptz) to service_role;

-- Send a sample to one endpoint, whatever it listens to. Out: the delivery; null where there is no such endpoint, or it is disabled.
create or replace function public.test_endpoint(owner uuid, endpoint_id uuid, event_type text, payload jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    endpoint public.webhook_endpoints;
    event private.outgoing_events;
begin
    select * into endpoint from public.webhook_endpoints e where e.id = endpoint_id and e.user_id = owner and not e.disabled for key share;
    if endpoint.id is null then
        return null;
    end if;
    insert into private.outgoing_events (key, event_type, user_id, payload)
    values ('test:' || gen_random_uuid(), test_endpoint.event_type, owner, test_endpoint.payload) returning * into event;
    return to_jsonb(private.queue_delivery(event, endpoint));
end
$$;
revoke execute on function public.test_endpoint(uuid, uuid, text, jsonb) from public, anon, authenticated;
grant execute on function public.test_endpoint(uuid, uuid, text, jsonb) to service_role;

-- Once a minute: put aside what is a disabled endpoint's, and forget what has run out.
create or replace function public.tidy_deliveries() returns void
language sql security invoker set search_path = '' as $$
    update private.delivery_queue q set next_attempt_at = 'infinity'
    from public.webhook_endpoints e where e.id = q.endpoint_id and e.disabled and q.next_attempt_at <= now();
    delete from private.clock_jumps j where j.id in (
        select o.id from private.clock_jumps o order by o.id desc offset 100
    );
    delete from private.delivery_slots s
    where s.id = any(array(select o.id from private.delivery_slots o where o.until <= now() limit 10000 for update skip locked))
$$;
revoke execute on function public.tidy_deliveries() from public, anon, authenticated;
grant execute on function public.tidy_deliveries() to service_role;
