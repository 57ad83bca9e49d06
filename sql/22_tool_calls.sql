-- What the AI asked its tools, and what they answered.
create table if not exists public.tool_calls (
    id uuid primary key default gen_random_uuid()
);
alter table public.tool_calls
    add column if not exists conversation_id text,
    add column if not exists tool_call_id text,
    add column if not exists name text,
    add column if not exists arguments jsonb,
    add column if not exists result jsonb,
    add column if not exists success boolean,
    add column if not exists reported boolean not null default false,
    add column if not exists relayed boolean,
    add column if not exists execution_time_ms double precision,
    add column if not exists called_at timestamptz,
    add column if not exists finished_at timestamptz,
    add column if not exists created_at timestamptz default now();
comment on column public.tool_calls.reported is 'The sender told us the outcome; else it is what we computed.';
comment on column public.tool_calls.relayed is 'Who told of the call: a browser, or its sender; null while nobody has, but for its outcome.';

-- One row per call.
create unique index if not exists tool_calls_tool_call_key on public.tool_calls (conversation_id, tool_call_id);
-- /health counts the last day's.
create index if not exists tool_calls_created_at_idx on public.tool_calls (created_at);

alter table public.tool_calls enable row level security;
revoke all on public.tool_calls from anon, authenticated;
grant select on public.tool_calls to authenticated;
grant select, insert, update, delete on public.tool_calls to service_role;

drop policy if exists "people read their tool calls, admins all" on public.tool_calls;
create policy "people read their tool calls, admins all" on public.tool_calls
for select to authenticated
using (
    conversation_id in (
        select c.conversation_id from public.conversations c where c.user_id = (select auth.uid())
    )
    or (select private.is_admin())
);

-- Forget what a browser told of a call, now that its sender tells of it; a reported outcome stays.
create or replace function private.forget_relayed_call(p_conversation_id text, p_tool_call_id text) returns void
language sql set search_path = '' as $$
    update public.tool_calls t
    set name = null, arguments = null, called_at = null, relayed = null,
        result = case when t.reported then t.result end,
        success = case when t.reported then t.success end,
        execution_time_ms = case when t.reported then t.execution_time_ms end,
        finished_at = case when t.reported then t.finished_at end
    where t.conversation_id = p_conversation_id and t.tool_call_id = p_tool_call_id and t.relayed
$$;
revoke execute on function private.forget_relayed_call(text, text) from public, anon, authenticated;
grant execute on function private.forget_relayed_call(text, text) to service_role;

-- Store a call, its outcome, or both. An outcome that the sender reported outranks a computed one; a call that
-- its sender told of outranks one that a browser did.
create or replace function private.apply_tool_call(p_conversation_id text, p_call jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    is_relayed boolean := p_call ? 'relayed';
    is_own_call boolean := p_call ? 'arguments' and not is_relayed;
begin
    if is_own_call then
        perform private.forget_relayed_call(p_conversation_id, p_call ->> 'tool_call_id');
    elsif is_relayed and exists (
        select 1 from public.tool_calls t
        where t.conversation_id = p_conversation_id and t.tool_call_id = p_call ->> 'tool_call_id' and not t.relayed
    ) then
        return;
    end if;

    insert into public.tool_calls as t (conversation_id, tool_call_id, name, arguments, result, success,
        reported, relayed, execution_time_ms, called_at, finished_at)
    select p_conversation_id, c.tool_call_id, c.name, c.arguments, c.result, c.success,
        coalesce(c.reported, false), case when is_own_call then false else c.relayed end, c.execution_time_ms, c.called_at, c.finished_at
    from jsonb_populate_record(null::public.tool_calls, p_call) c
    on conflict (conversation_id, tool_call_id) do update set
        -- A call's own name first, then that of its outcome, then a browser's.
        name = case
            when is_own_call or (t.relayed and not is_relayed) then coalesce(excluded.name, t.name)
            else coalesce(t.name, excluded.name)
        end,
        arguments = coalesce(t.arguments, excluded.arguments),
        relayed = coalesce(t.relayed, excluded.relayed),
        called_at = least(t.called_at, excluded.called_at);

    update public.tool_calls t
    set result = c.result, success = c.success, reported = coalesce(c.reported, false),
        execution_time_ms = c.execution_time_ms, finished_at = c.finished_at
    from jsonb_populate_record(null::public.tool_calls, p_call) c
    where t.conversation_id = p_conversation_id and t.tool_call_id = c.tool_call_id
        and c.success is not null
        and (t.success is null or (coalesce(c.reported, false) and not t.reported));
end
$$;
revoke execute on function private.apply_tool_call(text, jsonb) from public, anon, authenticated;
grant execute on function private.apply_tool_call(text, jsonb) to service_role;
