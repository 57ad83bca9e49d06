-- A talk between a person and an AI: ours from the start (row first), or met through its callbacks.
-- `create … if not exists` and one `add column` per column: the database may hold such a table already.
create table if not exists public.conversations (
    id uuid primary key default gen_random_uuid()
);
alter table public.conversations
    add column if not exists conversation_id text,
    add column if not exists user_id uuid references public.profiles (id) on delete set null,
    add column if not exists scenario_id uuid references public.scenarios (id) on delete set null,
    add column if not exists demo_id text,
    add column if not exists persona_id text,
    add column if not exists replica_id text,
    add column if not exists conversation_name text,
    add column if not exists conversation_url text,
    add column if not exists status text,
    add column if not exists end_reason text,
    add column if not exists started_at timestamptz,
    add column if not exists ended_at timestamptz,
    add column if not exists duration_seconds integer,
    add column if not exists tavus_metadata jsonb,
    add column if not exists perception_analysis text,
    add column if not exists recording_url text,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz,
    add column if not exists updated_at timestamptz;
alter table public.conversations
    -- Our row comes first: the sender names the conversation later, and it need not be a person's.
    alter column conversation_id drop not null,
    alter column user_id drop not null,
    alter column scenario_id drop not null,
    alter column started_at drop not null;

comment on column public.conversations.conversation_id is 'The sender''s id; null until the sender has named it.';
comment on column public.conversations.status is 'starting (the sender has not answered yet) < active < ended < completed < failed; it only ever rises.';
comment on column public.conversations.tavus_metadata is 'The newest payload of each event type, by type.';
comment on column public.conversations.version is 'Rises with every change: of two versions keep the higher.';

-- Every event looks its conversation up by the sender's id.
create unique index if not exists conversations_conversation_id_key on public.conversations (conversation_id);
-- The policies of six tables ask for one person's conversations.
create index if not exists conversations_user_id_idx on public.conversations (user_id);
create index if not exists conversations_scenario_id_idx on public.conversations (scenario_id);

create or replace trigger conversations_bump_version
before update on public.conversations for each row execute function private.bump_version();

alter table public.conversations enable row level security;
revoke all on public.conversations from anon, authenticated;
grant select on public.conversations to authenticated;
grant select, insert, update, delete on public.conversations to service_role;

drop policy if exists "people read their conversations, admins all" on public.conversations;
create policy "people read their conversations, admins all" on public.conversations
for select to authenticated
using (user_id = (select auth.uid()) or (select private.is_admin()));

-- The best so far of what only one event can say about a conversation. Highest weight wins, then the
-- least event key; so any order of arrival, and any repetition, ends with the same winner.
create table if not exists private.conversation_facts (
    conversation_id text not null,
    kind text not null,
    weight numeric not null,
    event_key text not null,
    value jsonb,
    primary key (conversation_id, kind)
);
alter table private.conversation_facts enable row level security;
grant select, insert, update, delete on private.conversation_facts to service_role;

-- Offer a fact; true when it is now the best of its kind (also when it already was: replays apply again).
create or replace function private.wins(
    p_conversation_id text, p_kind text, p_weight numeric, p_event_key text, p_value jsonb default null
) returns boolean
language plpgsql set search_path = '' as $$
begin
    insert into private.conversation_facts as best (conversation_id, kind, weight, event_key, value)
    values (p_conversation_id, p_kind, p_weight, p_event_key, p_value)
    on conflict (conversation_id, kind) do update
    set weight = excluded.weight, event_key = excluded.event_key, value = excluded.value
    where excluded.weight > best.weight
        or (excluded.weight = best.weight and excluded.event_key collate "C" <= best.event_key collate "C");
    return found;
end
$$;
revoke execute on function private.wins(text, text, numeric, text, jsonb) from public, anon, authenticated;
grant execute on function private.wins(text, text, numeric, text, jsonb) to service_role;

-- Seconds since 1970, 0 for no time: the newest wins by it.
create or replace function private.age_weight(p_at timestamptz) returns numeric
language sql immutable set search_path = '' as $$
    select coalesce(extract(epoch from p_at), 0)
$$;
revoke execute on function private.age_weight(timestamptz) from public, anon, authenticated;
grant execute on function private.age_weight(timestamptz) to service_role;

create or replace function private.status_rank(p_status text) returns integer
language sql immutable set search_path = '' as $$
    select coalesce(array_position(array['active', 'ended', 'completed', 'failed'], p_status), 0)
$$;
revoke execute on function private.status_rank(text) from public, anon, authenticated;
grant execute on function private.status_rank(text) to service_role;

-- The value of a field if this event is the newest that named it, else null.
create or replace function private.newest(
    p_conversation_id text, p_change jsonb, p_event_key text, p_field text
) returns text
language sql set search_path = '' as $$
    select case when p_change ->> p_field is not null and private.wins(
        p_conversation_id, p_field, private.age_weight((p_change ->> 'at')::timestamptz), p_event_key
    ) then p_change ->> p_field end
$$;
revoke execute on function private.newest(text, jsonb, text, text) from public, anon, authenticated;
grant execute on function private.newest(text, jsonb, text, text) to service_role;
