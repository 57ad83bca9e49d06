-- The second reading of a transcript: a session has its scores by rules at once, and waits here for a worker with a
-- language model. Rows that no worker wants cost nothing: they are not looked at again after seven days.
create table if not exists private.feedback_analyses (
    conversation_id uuid primary key references public.conversations (id) on delete cascade,
    words_md5 text not null,
    state text not null default 'waiting' check (state in (
        'waiting', -- for a worker; claimed while next_attempt_at is a lease's end
        'done', -- the session's scores are the model's
        'given_up' -- the session keeps its scores by rules
    )),
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    claim_id uuid,
    last_error text
);
comment on column private.feedback_analyses.words_md5 is 'Of the transcript: other words want another reading.';

-- Claims look for what is due.
create index if not exists feedback_analyses_due_idx
on private.feedback_analyses (next_attempt_at) where state = 'waiting';

alter table private.feedback_analyses enable row level security;
grant select, insert, update, delete on private.feedback_analyses to service_role;

-- What was said in a transcript, and by whom; the same words told at other times are the same.
create or replace function private.words_md5(p_transcript jsonb) returns text
language sql immutable set search_path = '' as $$
    select md5(coalesce(
        jsonb_agg(jsonb_build_array(line.value -> 'role', line.value -> 'content') order by line.n), '[]'
    )::text)
    from jsonb_array_elements(p_transcript) with ordinality as line (value, n)
$$;
revoke execute on function private.words_md5(jsonb) from public, anon, authenticated;
grant execute on function private.words_md5(jsonb) to service_role;

-- Note that a transcript was scored by rules and is to be read again, if it is worth it. Returns whether these very words
-- were read by a model already: then its scores stay. The caller holds the conversation's lock.
create or replace function private.await_analysis(p_conversation uuid, p_words_md5 text, p_is_wanted boolean) returns boolean
language plpgsql set search_path = '' as $$
declare
    is_done boolean;
begin
    select a.state = 'done' into is_done from private.feedback_analyses a
    where a.conversation_id = p_conversation and a.words_md5 = p_words_md5;
    if found then
        return is_done;
    end if;
    -- Whoever reads other words at this moment has lost its claim.
    delete from private.feedback_analyses a where a.conversation_id = p_conversation;
    if p_is_wanted then
        insert into private.feedback_analyses (conversation_id, words_md5) values (p_conversation, p_words_md5);
    end if;
    return false;
end
$$;
revoke execute on function private.await_analysis(uuid, text, boolean) from public, anon, authenticated;
grant execute on function private.await_analysis(uuid, text, boolean) to service_role;

-- Give transcripts out to be read, for as long as the lease lasts. In: the claim's id, how many at most, the lease in
-- seconds. Out: a JSON array of {id, tries, transcript, scenario: {id, title, metrics} | null}, the longest due first.
create or replace function public.claim_analyses(claim uuid, most integer, lease_seconds double precision) returns jsonb
language sql security invoker set search_path = '' as $$
    with due as materialized (
        select a.conversation_id from private.feedback_analyses a
        where a.state = 'waiting' and a.next_attempt_at between now() - interval '7 days' and now()
        order by a.next_attempt_at limit most for update skip locked
    ), claimed as (
        update private.feedback_analyses a
        set claim_id = claim, attempts = a.attempts + 1,
            next_attempt_at = now() + make_interval(secs => lease_seconds)
        from due where a.conversation_id = due.conversation_id
        returning a.*
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', c.conversation_id, 'tries', c.attempts, 'transcript', f.transcript,
        'scenario', case when s.id is not null then
            jsonb_build_object('id', s.id::text, 'title', s.title, 'metrics', s.metrics) end
    )), '[]')
    from claimed c
    left join public.feedback_sessions f on f.conversation_id = c.conversation_id and f.version is not null
    left join public.scenarios s on s.id = f.scenario_id
$$;
revoke execute on function public.claim_analyses(uuid, integer, double precision) from public, anon, authenticated;
grant execute on function public.claim_analyses(uuid, integer, double precision) to service_role;

-- The reading that a claim still holds, locked; nothing when the claim was lost.
create or replace function private.held_analysis(p_claim uuid, p_conversation uuid) returns private.feedback_analyses
language plpgsql set search_path = '' as $$
declare
    held private.feedback_analyses;
begin
    -- The conversation first, then the row: everybody locks in this order.
    perform private.lock_conversation(c.conversation_id)
    from public.conversations c where c.id = p_conversation and c.conversation_id is not null;
    select * into held from private.feedback_analyses a
    where a.conversation_id = p_conversation and a.claim_id = p_claim and a.state = 'waiting' for update;
    return held;
end
$$;
revoke execute on function private.held_analysis(uuid, uuid) from public, anon, authenticated;
grant execute on function private.held_analysis(uuid, uuid) to service_role;

-- Put a model's scores in place of those by rules, and tell browsers so. In: the claim's id, the conversation's row, and
-- {score, analysis, analyzer}. Returns done, or lost when the claim holds it no longer: then nothing has changed.
create or replace function public.finish_analysis(claim uuid, conversation uuid, feedback jsonb) returns text
language plpgsql security invoker set search_path = '' as $$
declare
    held private.feedback_analyses := private.held_analysis(claim, conversation);
    spoken_of text;
begin
    if held.conversation_id is null then
        return 'lost';
    end if;
    update private.feedback_analyses a set state = 'done', claim_id = null, last_error = null
    where a.conversation_id = conversation;

    update public.feedback_sessions f set score = n.score, analysis = n.analysis, analyzer = n.analyzer
    from jsonb_populate_record(null::public.feedback_sessions, feedback) n
    where f.conversation_id = conversation and f.version is not null;

    select c.conversation_id into spoken_of from public.conversations c where c.id = conversation;
    perform private.project(
        'convohooks', concat_ws(':', spoken_of, 'feedback', held.words_md5), spoken_of, 'feedback.updated',
        jsonb_build_object('score', feedback -> 'score', 'analyzer', feedback -> 'analyzer'), null
    );
    return 'done';
end
$$;
revoke execute on function public.finish_analysis(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.finish_analysis(uuid, uuid, jsonb) to service_role;

-- Write down why a reading failed; the next is due in so many seconds, and without a number there is none. Returns
-- waiting, given_up, or lost when the claim holds it no longer.
create or replace function public.fail_analysis(
    claim uuid, conversation uuid, error text, retry_seconds double precision
) returns text
language plpgsql security invoker set search_path = '' as $$
declare
    held private.feedback_analyses := private.held_analysis(claim, conversation);
    next_state text := case when retry_seconds is null then 'given_up' else 'waiting' end;
begin
    if held.conversation_id is null then
        return 'lost';
    end if;
    update private.feedback_analyses a
    set state = next_state, claim_id = null, last_error = error,
        next_attempt_at = now() + make_interval(secs => coalesce(retry_seconds, 0))
    where a.conversation_id = conversation;
    return next_state;
end
$$;
revoke execute on function public.fail_analysis(uuid, uuid, text, double precision) from public, anon, authenticated;
grant execute on function public.fail_analysis(uuid, uuid, text, double precision) to service_role;
