-- What a conversation was worth: scores and remarks made from its transcript.
create table if not exists public.feedback_sessions (
    id uuid primary key default gen_random_uuid()
);
alter table public.feedback_sessions
    add column if not exists user_id uuid references public.profiles (id) on delete set null,
    add column if not exists scenario_id uuid references public.scenarios (id) on delete set null,
    add column if not exists conversation_id uuid references public.conversations (id) on delete cascade,
    add column if not exists score integer,
    add column if not exists completed_at timestamptz,
    add column if not exists duration integer,
    add column if not exists transcript jsonb,
    add column if not exists analysis jsonb,
    add column if not exists analyzer text,
    add column if not exists version bigint,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
alter table public.feedback_sessions
    alter column user_id drop not null,
    alter column scenario_id drop not null,
    alter column duration drop not null;
comment on column public.feedback_sessions.duration is 'Seconds; the conversation''s, kept in step with it.';
comment on column public.feedback_sessions.version is 'Rises with every change; null on rows from before this schema.';

-- One session per conversation. Partial: rows from before this schema have no version and may repeat.
create unique index if not exists feedback_sessions_conversation_key
on public.feedback_sessions (conversation_id) where version is not null;
create index if not exists feedback_sessions_conversation_id_idx on public.feedback_sessions (conversation_id);
create index if not exists feedback_sessions_user_id_idx on public.feedback_sessions (user_id);
create index if not exists feedback_sessions_scenario_id_idx on public.feedback_sessions (scenario_id);

create or replace trigger feedback_sessions_bump_version
before update on public.feedback_sessions for each row
when (new.version is not null) execute function private.bump_version();

alter table public.feedback_sessions enable row level security;
revoke all on public.feedback_sessions from anon, authenticated;
grant select on public.feedback_sessions to authenticated;
grant select, insert, update, delete on public.feedback_sessions to service_role;

drop policy if exists "people read their feedback, admins all" on public.feedback_sessions;
create policy "people read their feedback, admins all" on public.feedback_sessions
for select to authenticated
using (
    user_id = (select auth.uid())
    or conversation_id in (select c.id from public.conversations c where c.user_id = (select auth.uid()))
    or (select private.is_admin())
);

-- Store the scores of the transcript that is now the conversation's. Those that a better analyzer made of the same words
-- stay; see private.feedback_analyses.
create or replace function private.apply_feedback(
    p_conversation public.conversations, p_feedback jsonb, p_transcript jsonb
) returns void
language plpgsql set search_path = '' as $$
declare
    is_kept boolean := private.await_analysis(
        p_conversation.id, private.words_md5(p_transcript),
        coalesce(p_feedback #>> '{analysis,outcome}' = 'talk', false)
    );
begin
    insert into public.feedback_sessions as f (user_id, scenario_id, conversation_id, score, completed_at,
        duration, transcript, analysis, analyzer, version)
    select p_conversation.user_id, p_conversation.scenario_id, p_conversation.id, n.score,
        coalesce(n.completed_at, p_conversation.ended_at, now()), p_conversation.duration_seconds,
        p_transcript, n.analysis, n.analyzer, 1
    from jsonb_populate_record(null::public.feedback_sessions, p_feedback) n
    on conflict (conversation_id) where version is not null do update
    set completed_at = excluded.completed_at, duration = excluded.duration, transcript = excluded.transcript,
        score = case when is_kept then f.score else excluded.score end,
        analysis = case when is_kept then f.analysis else excluded.analysis end,
        analyzer = case when is_kept then f.analyzer else excluded.analyzer end;
end
$$;
revoke execute on function private.apply_feedback(public.conversations, jsonb, jsonb) from public, anon, authenticated;
grant execute on function private.apply_feedback(public.conversations, jsonb, jsonb) to service_role;
