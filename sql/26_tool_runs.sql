-- Which calls of tools over HTTP were begun, and what they were answered: each call is run once.
create table if not exists private.tool_runs (
    conversation_id text not null, -- empty where the caller named none
    tool_call_id text not null,
    claim_id uuid not null,
    acts_outside boolean not null,
    locked_until timestamptz not null,
    answer text,
    claimed_at timestamptz not null default now(),
    primary key (conversation_id, tool_call_id)
);
comment on column private.tool_runs.locked_until is 'Until then nobody else runs it. Afterwards another may, unless it acts outside.';
comment on column private.tool_runs.answer is 'What the caller was told, byte for byte; the first that is stored stays.';

-- What is too old is found by its time.
create index if not exists tool_runs_claimed_at_idx on private.tool_runs (claimed_at);

alter table private.tool_runs enable row level security;
grant select, insert, update, delete on private.tool_runs to service_role;

-- The outcome of a call that came another way before (a callback, the spool), else null. What a callback of the sender
-- computed counts, and for a tool that acts outside whatever is stored: only a run of ours stores it.
create or replace function private.told_outcome(p_call jsonb) returns jsonb
language plpgsql set search_path = '' as $$
begin
    return (
        select jsonb_build_object('success', t.success, 'result', t.result) from public.tool_calls t
        where t.conversation_id = p_call ->> 'conversation_id' and t.tool_call_id = p_call ->> 'tool_call_id'
            and t.success is not null
            and ((p_call ->> 'acts_outside')::boolean or exists (
                select 1 from private.webhook_inbox i
                where i.source = p_call ->> 'source' and i.event_key = p_call ->> 'event_key'
            ))
    );
end
$$;
revoke execute on function private.told_outcome(jsonb) from public, anon, authenticated;
grant execute on function private.told_outcome(jsonb) to service_role;

-- Claim a call of a tool, or say why it is not the caller's to run. In: {conversation_id?, tool_call_id, claim, acts_outside,
-- lease_seconds, source, event_key}; asking again with the same claim is safe. Out: {state, known, answer?, outcome?}, state being
--   claimed   run it
--   told      its outcome came another way: {success, result}
--   answered  it was run: the answer
--   running   another claim runs it
--   unknown   it acts outside, and whoever began it never told how it ended
create or replace function public.claim_tool_run(call jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    scope text := coalesce(call ->> 'conversation_id', '');
    claim uuid := (call ->> 'claim')::uuid;
    outside boolean := (call ->> 'acts_outside')::boolean;
    is_known boolean := scope = '' or exists (select 1 from public.conversations c where c.conversation_id = scope);
    run private.tool_runs;
    outcome jsonb;
begin
    insert into private.tool_runs as r (conversation_id, tool_call_id, claim_id, acts_outside, locked_until)
    values (scope, call ->> 'tool_call_id', claim, outside,
        now() + make_interval(secs => (call ->> 'lease_seconds')::double precision))
    on conflict (conversation_id, tool_call_id) do update
        set claim_id = excluded.claim_id, locked_until = excluded.locked_until
        where r.answer is null and not r.acts_outside and r.locked_until <= now();
    select * into run from private.tool_runs r
    where r.conversation_id = scope and r.tool_call_id = call ->> 'tool_call_id';

    if run.answer is not null then
        return jsonb_build_object('state', 'answered', 'known', is_known, 'answer', run.answer);
    end if;
    if run.claim_id = claim or run.locked_until <= now() then
        outcome := private.told_outcome(call);
    end if;
    return jsonb_build_object('known', is_known, 'outcome', outcome, 'state', case
        when outcome is not null then 'told'
        when run.claim_id = claim then 'claimed'
        when run.locked_until > now() then 'running'
        else 'unknown'
    end);
end
$$;
revoke execute on function public.claim_tool_run(jsonb) from public, anon, authenticated;
grant execute on function public.claim_tool_run(jsonb) to service_role;

-- Store what a call of a tool is answered and, as `receive_events` does, the event that it is. Out: what that says, with the
-- answer that counts: the first one stored. A late outcome of a tool that acts outside still reaches `tool_calls`.
create or replace function public.finish_tool_run(run jsonb, event jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    stored_answer text;
    receipt jsonb;
begin
    -- The conversation first, then the row: everybody locks in this order.
    if event ? 'conversation_id' then
        perform private.lock_conversation(event ->> 'conversation_id');
    end if;
    if private.is_erased(event ->> 'conversation_id', event ->> 'source', event ->> 'event_key', null) then
        delete from private.tool_runs r
        where r.conversation_id = coalesce(run ->> 'conversation_id', '') and r.tool_call_id = run ->> 'tool_call_id';
        return private.ignore_erased(event) || jsonb_build_object('answer', run ->> 'answer');
    end if;
    update private.tool_runs r set answer = coalesce(r.answer, run ->> 'answer')
    where r.conversation_id = coalesce(run ->> 'conversation_id', '') and r.tool_call_id = run ->> 'tool_call_id'
    returning r.answer into stored_answer;

    receipt := public.receive_events(jsonb_build_array(event)) -> 0;
    if receipt ->> 'outcome' = 'duplicate' and event ? 'conversation_id' and event #> '{effects,tool_call}' is not null then
        perform private.apply_tool_call(event ->> 'conversation_id', event #> '{effects,tool_call}');
    end if;
    return receipt || jsonb_build_object('answer', coalesce(stored_answer, run ->> 'answer'));
end
$$;
revoke execute on function public.finish_tool_run(jsonb, jsonb) from public, anon, authenticated;
grant execute on function public.finish_tool_run(jsonb, jsonb) to service_role;
