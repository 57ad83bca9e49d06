-- Every event that was acknowledged: its bytes as received (secrets overwritten) and what became of it.
create table if not exists private.webhook_inbox (
    id uuid primary key default gen_random_uuid(),
    seq bigint generated always as identity,
    source text not null,
    event_key text not null,
    event_type text not null,
    conversation_id text,
    path text,
    body bytea not null,
    body_sha256 text not null,
    headers jsonb not null default '{}',
    effects jsonb,
    state text not null check (state in (
        'received', -- stored, not yet handled
        'processed', -- received, unmatched or failed -> its effects are applied
        'ignored', -- of a type that we have no handler for
        'unmatched', -- its conversation is not known yet; its effects wait in this row
        'failed', -- its handler or its effects failed; to be tried again
        'dead' -- failed too often
    )),
    attempts integer not null default 0,
    attempts_before integer not null default 0,
    next_attempt_at timestamptz,
    claim_id uuid,
    last_error text,
    received_at timestamptz not null default now(),
    finished_at timestamptz,
    pruned_at timestamptz,
    duration_ms double precision
);
comment on column private.webhook_inbox.pruned_at is 'When the body was removed for its age; the key stays.';
comment on column private.webhook_inbox.event_key is 'Names the fact within its source, so that a repeat is known.';
comment on column private.webhook_inbox.attempts_before is 'Attempts made before the last replay; they do not count against the retries.';
comment on column private.webhook_inbox.claim_id is 'Who works on it: only this claim can finish it, until its lease, next_attempt_at, has ended and another takes it.';
comment on column private.webhook_inbox.path is 'Where it was sent: an untyped body is read by its address.';
comment on column private.webhook_inbox.body_sha256 is 'Of the bytes as they came, before secrets were overwritten.';

-- What makes a repeat a repeat.
create unique index if not exists webhook_inbox_event_key on private.webhook_inbox (source, event_key);
-- The events that wait for their conversation.
create index if not exists webhook_inbox_unmatched_idx on private.webhook_inbox (conversation_id) where state = 'unmatched';
-- The events that are to be tried again.
create index if not exists webhook_inbox_due_idx on private.webhook_inbox (next_attempt_at) where state in ('received', 'failed');
-- /health counts the last day's, and what is too old is found by it.
create index if not exists webhook_inbox_received_at_idx on private.webhook_inbox (received_at) where pruned_at is null;

-- What went wrong with an event, and when.
create table if not exists private.event_attempts (
    id bigint generated always as identity primary key,
    event_id uuid not null references private.webhook_inbox (id) on delete cascade,
    attempt integer not null,
    error text not null,
    at timestamptz not null default now()
);
create index if not exists event_attempts_event_id_idx on private.event_attempts (event_id);

-- Authentic calls that nobody could read, kept once per body.
create table if not exists private.rejected_events (
    id bigint generated always as identity primary key,
    source text not null,
    path text,
    reason text not null,
    body bytea not null,
    body_sha256 text not null,
    headers jsonb not null default '{}',
    times integer not null default 1,
    received_at timestamptz not null default now()
);
create unique index if not exists rejected_events_body_key on private.rejected_events (source, body_sha256);

alter table private.webhook_inbox enable row level security;
alter table private.event_attempts enable row level security;
alter table private.rejected_events enable row level security;
grant select, insert, update, delete on private.webhook_inbox to service_role;
grant select, insert, update, delete on private.event_attempts to service_role;
grant select, insert, update, delete on private.rejected_events to service_role;

-- Keep a call that was authentic but malformed.
create or replace function private.reject(p_event jsonb) returns jsonb
language plpgsql set search_path = '' as $$
begin
    insert into private.rejected_events as kept (source, path, reason, body, body_sha256, headers)
    values (
        p_event ->> 'source', p_event ->> 'path', p_event ->> 'rejected', decode(p_event ->> 'body', 'base64'),
        p_event ->> 'body_sha256', coalesce(p_event -> 'headers', '{}')
    )
    on conflict (source, body_sha256) do update set times = kept.times + 1;
    return jsonb_build_object('outcome', 'rejected', 'known', false);
end
$$;
revoke execute on function private.reject(jsonb) from public, anon, authenticated;
grant execute on function private.reject(jsonb) to service_role;

-- Put an event into the inbox; nothing comes back when it is there already.
create or replace function private.store(
    p_event jsonb, p_conversation_id text, p_state text, p_effects jsonb, p_error text
) returns private.webhook_inbox
language plpgsql set search_path = '' as $$
declare
    stored private.webhook_inbox;
begin
    insert into private.webhook_inbox (source, event_key, event_type, conversation_id, path, body, body_sha256,
        headers, effects, state, attempts, next_attempt_at, last_error, received_at, finished_at, duration_ms)
    values (
        p_event ->> 'source', p_event ->> 'event_key', p_event ->> 'event_type', p_conversation_id, p_event ->> 'path',
        decode(p_event ->> 'body', 'base64'), p_event ->> 'body_sha256', coalesce(p_event -> 'headers', '{}'),
        p_effects, p_state, case when p_state = 'received' then 0 else 1 end,
        case p_state when 'received' then now() when 'failed' then now() + interval '1 second' end, p_error,
        (p_event ->> 'received_at')::timestamptz, case when p_state in ('processed', 'ignored') then now() end,
        (p_event ->> 'duration_ms')::double precision
    )
    on conflict (source, event_key) do nothing
    returning * into stored;

    if stored.id is not null and p_error is not null then
        insert into private.event_attempts (event_id, attempt, error) values (stored.id, 1, p_error);
    end if;
    return stored;
end
$$;
revoke execute on function private.store(jsonb, text, text, jsonb, text) from public, anon, authenticated;
grant execute on function private.store(jsonb, text, text, jsonb, text) to service_role;
