-- Where people want to be told of what happens here: a URL, what of, and how fast.
create table if not exists public.webhook_endpoints (
    id uuid primary key default gen_random_uuid()
);
alter table public.webhook_endpoints
    add column if not exists user_id uuid not null references public.profiles (id) on delete cascade,
    add column if not exists conversation_id uuid references public.conversations (id) on delete cascade,
    add column if not exists url text not null,
    add column if not exists description text,
    add column if not exists event_types text[],
    add column if not exists headers jsonb not null default '{}',
    add column if not exists rate_per_minute integer,
    add column if not exists concurrency integer,
    add column if not exists ordered boolean not null default false,
    add column if not exists retry_schedule integer[],
    add column if not exists workflow jsonb,
    add column if not exists disabled boolean not null default false,
    add column if not exists disabled_reason text,
    add column if not exists disabled_at timestamptz,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz not null default now(),
    add column if not exists updated_at timestamptz not null default now();
comment on column public.webhook_endpoints.conversation_id is 'Set: it hears the messages of this conversation, and nothing else.';
comment on column public.webhook_endpoints.headers is 'The names of its own headers, each with null: what they say is secret, private.endpoint_headers has it.';
comment on column public.webhook_endpoints.event_types is 'Null for all.';
comment on column public.webhook_endpoints.retry_schedule is 'Seconds to wait after each failed attempt; null for the default.';
comment on column public.webhook_endpoints.workflow is 'Of a conversation''s webhook: {channel, usecase, workflow_id}.';
comment on column public.webhook_endpoints.disabled_reason is 'owner, gone (it answered 410) or failing (for longer than WEBHOOK_DISABLE_AFTER_HOURS).';
create unique index if not exists webhook_endpoints_conversation_key
on public.webhook_endpoints (conversation_id) where conversation_id is not null;
-- Every message asks for its owner's endpoints; their list is read newest first.
create index if not exists webhook_endpoints_user_id_idx on public.webhook_endpoints (user_id, created_at desc, id desc);

create or replace trigger webhook_endpoints_bump_version
before update on public.webhook_endpoints for each row execute function private.bump_version();

alter table public.webhook_endpoints enable row level security;
revoke all on public.webhook_endpoints from anon, authenticated;
grant select on public.webhook_endpoints to authenticated;
grant select, insert, update, delete on public.webhook_endpoints to service_role;

drop policy if exists "people read their endpoints, admins all" on public.webhook_endpoints;
create policy "people read their endpoints, admins all" on public.webhook_endpoints
for select to authenticated
using (user_id = (select auth.uid()) or (select private.is_admin()));

-- What deliveries are signed with; during a rotation with several.
create table if not exists private.endpoint_secrets (
    id bigint generated always as identity primary key,
    endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
    secret text not null,
    expires_at timestamptz,
    created_at timestamptz not null default now()
);
create index if not exists endpoint_secrets_endpoint_id_idx on private.endpoint_secrets (endpoint_id);

-- What an endpoint's own headers say: a receiver's credentials, mostly. Nobody is shown them again, not even who gave them.
create table if not exists private.endpoint_headers (
    endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
    name text not null,
    value text not null,
    primary key (endpoint_id, name)
);

-- How it goes with an endpoint. Who claims deliveries for it holds this row's lock, so that its limits are exact.
create table if not exists private.endpoint_state (
    endpoint_id uuid primary key references public.webhook_endpoints (id) on delete cascade,
    last_claimed_at timestamptz not null default '-infinity',
    blocked_until timestamptz not null default '-infinity',
    is_suspect boolean not null default false,
    is_proven boolean not null default false,
    failing_since timestamptz,
    failures integer not null default 0
);
comment on column private.endpoint_state.is_suspect is 'Its last attempts timed out: one at a time goes out until one arrives, so that it holds few of the workers'' places.';
comment on column private.endpoint_state.is_proven is 'Something has arrived there since it was made, or enabled again.';
comment on column private.endpoint_state.blocked_until is 'Before then its rate lets nothing out.';

alter table private.endpoint_secrets enable row level security;
alter table private.endpoint_headers enable row level security;
alter table private.endpoint_state enable row level security;
grant select, insert, update, delete on private.endpoint_secrets to service_role;
grant select, insert, update, delete on private.endpoint_headers to service_role;
grant select, insert, update, delete on private.endpoint_state to service_role;

-- Headers by their names, each with null.
create or replace function private.header_names(p_headers jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_object_agg(told.name, null::text), '{}') from jsonb_object_keys(coalesce(p_headers, '{}')) told (name)
$$;
revoke execute on function private.header_names(jsonb) from public, anon, authenticated;
grant execute on function private.header_names(jsonb) to service_role;

-- Keep what an endpoint's headers say: {name: what it says}, or null for what is kept of that name. Those that are not named are gone.
create or replace function private.keep_endpoint_headers(p_endpoint uuid, p_headers jsonb) returns void
language sql set search_path = '' as $$
    delete from private.endpoint_headers h where h.endpoint_id = p_endpoint and not p_headers ? h.name;
    insert into private.endpoint_headers as h (endpoint_id, name, value)
    select p_endpoint, told.key, told.value from jsonb_each_text(p_headers) told where told.value is not null
    on conflict (endpoint_id, name) do update set value = excluded.value;
$$;
revoke execute on function private.keep_endpoint_headers(uuid, jsonb) from public, anon, authenticated;
grant execute on function private.keep_endpoint_headers(uuid, jsonb) to service_role;

-- They once were in the row that its readers see.
do $$
begin
    perform private.keep_endpoint_headers(e.id, e.headers) from public.webhook_endpoints e
    where e.headers <> private.header_names(e.headers);
    update public.webhook_endpoints e set headers = private.header_names(e.headers)
    where e.headers <> private.header_names(e.headers);
end
$$;

-- Give a new endpoint its secret and its state.
create or replace function private.furnish_endpoint(p_endpoint uuid, p_secret text) returns void
language sql set search_path = '' as $$
    insert into private.endpoint_state (endpoint_id) values (p_endpoint);
    insert into private.endpoint_secrets (endpoint_id, secret) values (p_endpoint, p_secret)
$$;
revoke execute on function private.furnish_endpoint(uuid, text) from public, anon, authenticated;
grant execute on function private.furnish_endpoint(uuid, text) to service_role;

-- Make an endpoint, unless its owner has `most` of them. In: url, and what else the columns are called.
-- Out: {outcome: created | too_many, row}.
create or replace function public.create_endpoint(owner uuid, endpoint jsonb, secret text, most integer) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    made public.webhook_endpoints;
begin
    perform pg_advisory_xact_lock(hashtextextended('endpoints:' || owner, 2));
    -- A conversation's webhook is one for each conversation anyway.
    if (select count(*) from public.webhook_endpoints e where e.user_id = owner and e.conversation_id is null) >= most then
        return jsonb_build_object('outcome', 'too_many');
    end if;
    insert into public.webhook_endpoints (user_id, url, description, event_types, headers, rate_per_minute, concurrency,
        ordered, retry_schedule, disabled, disabled_reason, disabled_at)
    select owner, e.url, e.description, e.event_types, private.header_names(e.headers), e.rate_per_minute, e.concurrency,
        coalesce(e.ordered, false), e.retry_schedule, coalesce(e.disabled, false),
        case when e.disabled then 'owner' end, case when e.disabled then now() end
    from jsonb_populate_record(null::public.webhook_endpoints, endpoint) e
    returning * into made;
    perform private.furnish_endpoint(made.id, secret);
    perform private.keep_endpoint_headers(made.id, coalesce(endpoint -> 'headers', '{}'));
    return jsonb_build_object('outcome', 'created', 'row', to_jsonb(made));
end
$$;
revoke execute on function public.create_endpoint(uuid, jsonb, text, integer) from public, anon, authenticated;
grant execute on function public.create_endpoint(uuid, jsonb, text, integer) to service_role;

-- Change the columns that `change` names. An endpoint that is enabled again starts anew, with what has waited for it.
-- Out: its row; null when the owner has no such endpoint.
create or replace function public.change_endpoint(owner uuid, endpoint_id uuid, change jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    found_one public.webhook_endpoints;
    wanted public.webhook_endpoints;
begin
    select * into found_one from public.webhook_endpoints e where e.id = endpoint_id and e.user_id = owner for update;
    if found_one.id is null then
        return null;
    end if;
    wanted := jsonb_populate_record(found_one, change);
    update public.webhook_endpoints e
    set url = wanted.url, description = wanted.description, event_types = wanted.event_types,
        headers = private.header_names(wanted.headers),
        rate_per_minute = wanted.rate_per_minute, concurrency = wanted.concurrency, ordered = wanted.ordered,
        retry_schedule = wanted.retry_schedule, workflow = wanted.workflow
    where e.id = endpoint_id;
    if change ->> 'headers' is not null then
        perform private.keep_endpoint_headers(endpoint_id, change -> 'headers');
    end if;
    if wanted.disabled and not found_one.disabled then
        perform private.disable_endpoint(endpoint_id, 'owner');
    elsif found_one.disabled and not wanted.disabled then
        perform private.enable_endpoint(endpoint_id);
    end if;
    -- A new limit counts at once.
    update private.endpoint_state s set blocked_until = '-infinity' where s.endpoint_id = change_endpoint.endpoint_id;
    return (select to_jsonb(e) from public.webhook_endpoints e where e.id = endpoint_id);
end
$$;
revoke execute on function public.change_endpoint(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.change_endpoint(uuid, uuid, jsonb) to service_role;

-- Remove an endpoint with all its deliveries. Out: whether there was one.
create or replace function public.delete_endpoint(owner uuid, endpoint_id uuid) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
    delete from public.webhook_endpoints e where e.id = endpoint_id and e.user_id = owner;
    return found;
end
$$;
revoke execute on function public.delete_endpoint(uuid, uuid) from public, anon, authenticated;
grant execute on function public.delete_endpoint(uuid, uuid) to service_role;

-- Sign with a new secret, and for so many seconds with the older ones too; five at most. Out: whether there is such an endpoint.
create or replace function public.rotate_endpoint_secret(
    owner uuid, endpoint_id uuid, secret text, overlap_seconds double precision
) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
    perform from public.webhook_endpoints e where e.id = endpoint_id and e.user_id = owner for update;
    if not found then
        return false;
    end if;
    update private.endpoint_secrets s
    set expires_at = least(s.expires_at, now() + make_interval(secs => overlap_seconds))
    where s.endpoint_id = rotate_endpoint_secret.endpoint_id;
    insert into private.endpoint_secrets (endpoint_id, secret) values (rotate_endpoint_secret.endpoint_id, rotate_endpoint_secret.secret);
    delete from private.endpoint_secrets s
    where s.endpoint_id = rotate_endpoint_secret.endpoint_id and (s.expires_at <= now() or s.id not in (
        select kept.id from private.endpoint_secrets kept
        where kept.endpoint_id = rotate_endpoint_secret.endpoint_id order by kept.id desc limit 5
    ));
    return true;
end
$$;
revoke execute on function public.rotate_endpoint_secret(uuid, uuid, text, double precision) from public, anon, authenticated;
grant execute on function public.rotate_endpoint_secret(uuid, uuid, text, double precision) to service_role;

-- Set the webhook of a conversation of one's own: {url, workflow}. Out: {created, row}; null when it is not the owner's.
create or replace function public.configure_conversation_webhook(
    owner uuid, conversation uuid, webhook jsonb, secret text
) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    kept public.webhook_endpoints;
begin
    perform from public.conversations c where c.id = conversation and c.user_id = owner for key share;
    if not found then
        return null;
    end if;
    -- What a former owner has set hears nothing any more, and what the new one sets is not theirs to read.
    delete from public.webhook_endpoints e where e.conversation_id = conversation and e.user_id <> owner;
    insert into public.webhook_endpoints (user_id, conversation_id, url, workflow)
    values (owner, conversation, webhook ->> 'url', webhook -> 'workflow')
    on conflict (conversation_id) where conversation_id is not null do nothing
    returning * into kept;
    if kept.id is not null then
        perform private.furnish_endpoint(kept.id, secret);
        return jsonb_build_object('created', true, 'row', to_jsonb(kept));
    end if;
    select * into kept from public.webhook_endpoints e where e.conversation_id = conversation;
    return jsonb_build_object('created', false, 'row',
        public.change_endpoint(kept.user_id, kept.id, webhook || '{"disabled": false}'));
end
$$;
revoke execute on function public.configure_conversation_webhook(uuid, uuid, jsonb, text) from public, anon, authenticated;
grant execute on function public.configure_conversation_webhook(uuid, uuid, jsonb, text) to service_role;

-- Remove the webhook of a conversation of one's own. Out: whether there was one.
create or replace function public.remove_conversation_webhook(owner uuid, conversation uuid) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
    delete from public.webhook_endpoints e where e.conversation_id = conversation and e.user_id = owner;
    return found;
end
$$;
revoke execute on function public.remove_conversation_webhook(uuid, uuid) from public, anon, authenticated;
grant execute on function public.remove_conversation_webhook(uuid, uuid) to service_role;
