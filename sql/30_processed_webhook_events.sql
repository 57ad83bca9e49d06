-- The stream that browsers follow: one small, redacted row per event, a second one per tool outcome.
create table if not exists public.processed_webhook_events (
    id uuid primary key default gen_random_uuid()
);
alter table public.processed_webhook_events
    add column if not exists id uuid not null default gen_random_uuid(),
    add column if not exists seq bigint generated always as identity,
    add column if not exists source text,
    add column if not exists conversation_id text,
    add column if not exists event_type text,
    add column if not exists event_data jsonb,
    add column if not exists event_hash text,
    add column if not exists processed_at timestamptz default now(),
    add column if not exists processing_duration_ms double precision;
alter table public.processed_webhook_events
    -- Callbacks about replicas and videos belong to no conversation.
    alter column conversation_id drop not null;
comment on column public.processed_webhook_events.seq is 'Insert order, not commit order: re-read a little before the last one seen.';
comment on column public.processed_webhook_events.event_hash is 'sha256 of source, event key and event type.';

-- One row per event and type. Partial: rows from before this schema have no source and may repeat.
create unique index if not exists processed_webhook_events_hash_key
on public.processed_webhook_events (event_hash) where source is not null;
-- A browser catches up with one conversation from a seq on.
create index if not exists processed_webhook_events_conversation_seq_idx
on public.processed_webhook_events (conversation_id, seq);
-- An admin's browser follows all of them.
create index if not exists processed_webhook_events_seq_idx
on public.processed_webhook_events (seq);

-- What is too old is found by its time.
create index if not exists processed_webhook_events_processed_at_idx
on public.processed_webhook_events (processed_at) where source is not null;

alter table public.processed_webhook_events enable row level security;
revoke all on public.processed_webhook_events from anon, authenticated;
grant select on public.processed_webhook_events to authenticated;
grant select, insert, update, delete on public.processed_webhook_events to service_role;
-- Projects from before October 2026 grant every new sequence to everybody.
revoke all on sequence public.processed_webhook_events_seq_seq from anon, authenticated;

drop policy if exists "people read their events, admins all" on public.processed_webhook_events;
create policy "people read their events, admins all" on public.processed_webhook_events
for select to authenticated
using (
    conversation_id in (
        select c.conversation_id from public.conversations c where c.user_id = (select auth.uid())
    )
    or (select private.is_admin())
);

-- Show an event to browsers, once: a fact that is relayed too has one row, with what its sender says in it.
-- Not `language sql`: such a function is planned anew at every call.
create or replace function private.project(
    p_source text, p_event_key text, p_conversation_id text, p_event_type text, p_event_data jsonb, p_duration_ms double precision
) returns void
language plpgsql set search_path = '' as $$
declare
    sender text := regexp_replace(p_source, '-relay$', '');
    hash text := encode(sha256(convert_to(concat_ws(E'\n', sender, p_event_key, p_event_type), 'UTF8')), 'hex');
begin
    insert into public.processed_webhook_events
        (source, conversation_id, event_type, event_data, event_hash, processing_duration_ms)
    values (p_source, p_conversation_id, p_event_type, p_event_data, hash, p_duration_ms)
    on conflict (event_hash) where source is not null do nothing;

    if not found and p_source = sender then
        update public.processed_webhook_events e
        set source = p_source, event_data = p_event_data, processing_duration_ms = p_duration_ms
        where e.event_hash = hash and e.source = p_source || '-relay';
    end if;
end
$$;
revoke execute on function private.project(text, text, text, text, jsonb, double precision) from public, anon, authenticated;
grant execute on function private.project(text, text, text, text, jsonb, double precision) to service_role;
