-- Made from sql/ by `make migration`; edit the files there.

-- 00_private.sql

-- What browsers must never reach: the inbox, the merge state, helpers. PostgREST does not expose it.
create schema if not exists private;
revoke all on schema private from public, anon;
grant usage on schema private to service_role;
-- Policies run as the reader, so a reader may enter the schema; only private.is_admin() is theirs to call.
grant usage on schema private to authenticated;

-- Count a row's changes, so that a client that saw two versions of it keeps the later one. The rows
-- are compared here, byte by byte: a trigger's `when` may not look at a row with computed columns, and
-- columns of type json know no equality.
create or replace function private.bump_version() returns trigger
language plpgsql set search_path = '' as $$
begin
    if old *<> new then
        new.version := coalesce(old.version, 0) + 1;
        new.updated_at := now();
    end if;
    return new;
end
$$;
revoke execute on function private.bump_version() from public, anon, authenticated;

-- 10_profiles.sql

-- One row per account. `role` makes an admin; nobody but the service can write it.
create table if not exists public.profiles (
    id uuid primary key references auth.users (id) on delete cascade
);
alter table public.profiles
    add column if not exists role text default 'user',
    add column if not exists created_at timestamptz default now();
comment on column public.profiles.role is 'user or admin; an admin reads every row. Written by service_role only.';

alter table public.profiles enable row level security;
-- An app that lets people write their profiles by policies of its own goes on doing so, but for the role.
do $$
declare
    writable text := (
        select string_agg(quote_ident(a.attname), ', ') from pg_attribute a
        where a.attrelid = 'public.profiles'::regclass and a.attnum > 0 and not a.attisdropped and a.attname <> 'role'
    );
    kept text[] := array(
        select command from unnest(array['INSERT', 'UPDATE']) command
        where has_any_column_privilege('authenticated', 'public.profiles', command) and exists (
            select from pg_policies p
            where p.schemaname = 'public' and p.tablename = 'profiles' and p.cmd in (command, 'ALL')
        )
    );
    command text;
begin
    revoke all on public.profiles from anon, authenticated;
    foreach command in array kept loop
        execute format('grant %s (%s) on public.profiles to authenticated', command, writable);
    end loop;
end
$$;
grant select on public.profiles to authenticated;
grant select, insert, update, delete on public.profiles to service_role;

-- Whether the reader is an admin. It reads profiles past their own policy, which would ask it again.
create or replace function private.is_admin() returns boolean
language sql stable security definer set search_path = '' as $$
    select exists (
        select 1 from public.profiles p where p.id = (select auth.uid()) and p.role::text = 'admin'
    )
$$;
revoke execute on function private.is_admin() from public, anon;
grant execute on function private.is_admin() to authenticated, service_role;

drop policy if exists "people read their profile, admins all" on public.profiles;
create policy "people read their profile, admins all" on public.profiles for select to authenticated
using (id = (select auth.uid()) or (select private.is_admin()));

-- Make the profile of a new account. A profile that cannot be made must not stop a sign-up.
create or replace function private.create_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into public.profiles (id) values (new.id) on conflict do nothing;
    return new;
exception when others then
    raise warning 'no profile for user %: %', new.id, sqlerrm;
    return new;
end
$$;
revoke execute on function private.create_profile() from public, anon, authenticated;

-- Triggers fire in the order of their names: an app's own, which may know more, makes the profile first.
create or replace trigger zz_convohooks_create_profile
after insert on auth.users for each row execute function private.create_profile();

-- Accounts from before the trigger.
do $$
begin
    insert into public.profiles (id) select u.id from auth.users u on conflict do nothing;
exception when others then
    raise warning 'accounts without a profile stay so: %', sqlerrm;
end
$$;

-- 11_scenarios.sql

-- What a conversation practises; `metrics` says what its feedback is to score.
create table if not exists public.scenarios (
    id uuid primary key default gen_random_uuid()
);
alter table public.scenarios
    add column if not exists title text,
    add column if not exists description text,
    add column if not exists metrics jsonb,
    add column if not exists created_at timestamptz default now();
comment on column public.scenarios.metrics is 'What feedback on this scenario scores, by name.';

alter table public.scenarios enable row level security;
grant select, insert, update, delete on public.scenarios to service_role;
do $$
begin
    -- An app that has policies of its own decides itself who reads and writes its scenarios.
    if exists (
        select from pg_policies p
        where p.schemaname = 'public' and p.tablename = 'scenarios' and p.policyname <> 'signed-in people read scenarios'
    ) then
        return;
    end if;
    revoke all on public.scenarios from anon, authenticated;
    grant select on public.scenarios to authenticated;
    drop policy if exists "signed-in people read scenarios" on public.scenarios;
    create policy "signed-in people read scenarios" on public.scenarios for select to authenticated using (true);
end
$$;

-- 12_demo_videos.sql

-- The videos that the tool fetch_video may show.
create table if not exists public.demo_videos (
    id uuid primary key default gen_random_uuid()
);
alter table public.demo_videos
    add column if not exists demo_id text,
    add column if not exists title text,
    add column if not exists storage_url text,
    add column if not exists duration_seconds numeric,
    add column if not exists created_at timestamptz default now();
comment on column public.demo_videos.demo_id is 'The demo it belongs to; null means every demo.';

-- A tool call reads the videos of its conversation's demo.
create index if not exists demo_videos_demo_id_idx on public.demo_videos (demo_id);

alter table public.demo_videos enable row level security;
grant select, insert, update, delete on public.demo_videos to service_role;
do $$
begin
    -- An app that has policies of its own decides itself who reads and writes its videos.
    if exists (
        select from pg_policies p
        where p.schemaname = 'public' and p.tablename = 'demo_videos' and p.policyname <> 'signed-in people read videos'
    ) then
        return;
    end if;
    revoke all on public.demo_videos from anon, authenticated;
    grant select on public.demo_videos to authenticated;
    drop policy if exists "signed-in people read videos" on public.demo_videos;
    create policy "signed-in people read videos" on public.demo_videos for select to authenticated using (true);
end
$$;

-- 20_conversations.sql

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
comment on column public.conversations.status is 'active < ended < completed < failed; it only ever rises.';
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

-- 21_conversation_messages.sql

-- What was said: live while the talk goes on, replaced by the transcript once that is stored.
create table if not exists public.conversation_messages (
    id uuid primary key default gen_random_uuid()
);
alter table public.conversation_messages
    add column if not exists id uuid not null default gen_random_uuid(),
    add column if not exists conversation_id text,
    add column if not exists message_id text,
    add column if not exists role text,
    add column if not exists content text,
    add column if not exists content_length integer,
    add column if not exists origin text,
    add column if not exists position integer,
    add column if not exists timestamp timestamptz,
    add column if not exists sentiment text,
    add column if not exists intent text,
    add column if not exists confidence double precision,
    add column if not exists created_at timestamptz default now();
alter table public.conversation_messages alter column timestamp drop not null;
comment on column public.conversation_messages.origin is 'live or transcript.';
comment on column public.conversation_messages.position is 'Place in the transcript, from 0; null while live.';

-- One row per message. Partial: rows from before this schema have no origin and may repeat.
create unique index if not exists conversation_messages_message_key
on public.conversation_messages (conversation_id, message_id) where origin is not null;

alter table public.conversation_messages enable row level security;
revoke all on public.conversation_messages from anon, authenticated;
grant select on public.conversation_messages to authenticated;
grant select, insert, update, delete on public.conversation_messages to service_role;

drop policy if exists "people read their messages, admins all" on public.conversation_messages;
create policy "people read their messages, admins all" on public.conversation_messages
for select to authenticated
using (
    conversation_id in (
        select c.conversation_id from public.conversations c where c.user_id = (select auth.uid())
    )
    or (select private.is_admin())
);

-- What live messages carried besides their words. It outlives them: a transcript line takes it over
-- by role and content, whichever of the two came first.
create table if not exists private.message_annotations (
    conversation_id text not null,
    message_id text not null,
    role text not null,
    content_md5 text not null,
    at timestamptz,
    sentiment text,
    intent text,
    confidence double precision,
    primary key (conversation_id, message_id)
);
alter table private.message_annotations enable row level security;
grant select, insert, update, delete on private.message_annotations to service_role;

-- Give transcript lines the annotations of live messages: the nth repeat of a line takes the nth.
create or replace function private.annotate_transcript(p_conversation_id text) returns void
language sql set search_path = '' as $$
    update public.conversation_messages m
    set sentiment = note.sentiment, intent = note.intent, confidence = note.confidence
    from (
        select l.id, l.role, md5(l.content) as content_md5,
            row_number() over (partition by l.role, l.content order by l.position) as n
        from public.conversation_messages l
        where l.conversation_id = p_conversation_id and l.origin = 'transcript'
    ) line
    join (
        select a.*, row_number() over (
            partition by a.role, a.content_md5 order by a.at nulls last, a.message_id collate "C"
        ) as n
        from private.message_annotations a where a.conversation_id = p_conversation_id
    ) note using (role, content_md5, n)
    where m.id = line.id
$$;
revoke execute on function private.annotate_transcript(text) from public, anon, authenticated;
grant execute on function private.annotate_transcript(text) to service_role;

-- Store messages as they are said. Once there is a transcript it is the list, and they add no line.
create or replace function private.apply_messages(p_conversation_id text, p_messages jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    insert into private.message_annotations
    select p_conversation_id, m.message_id, m.role, md5(m.content), m.timestamp, m.sentiment, m.intent, m.confidence
    from jsonb_populate_recordset(null::public.conversation_messages, p_messages) m
    where coalesce(m.sentiment, m.intent, m.confidence::text) is not null
    on conflict do nothing;

    if exists (
        select 1 from private.conversation_facts f
        where f.conversation_id = p_conversation_id and f.kind = 'transcript'
    ) then
        perform private.annotate_transcript(p_conversation_id);
        return;
    end if;

    insert into public.conversation_messages (conversation_id, message_id, role, content,
        content_length, origin, timestamp, sentiment, intent, confidence)
    select p_conversation_id, m.message_id, m.role, m.content,
        length(m.content), 'live', m.timestamp, m.sentiment, m.intent, m.confidence
    from jsonb_populate_recordset(null::public.conversation_messages, p_messages) m
    on conflict do nothing;
end
$$;
revoke execute on function private.apply_messages(text, jsonb) from public, anon, authenticated;
grant execute on function private.apply_messages(text, jsonb) to service_role;

-- Make a transcript the list of messages; of two transcripts the longer one is.
create or replace function private.apply_transcript(
    p_conversation_id text, p_event_key text, p_transcript jsonb
) returns boolean
language plpgsql set search_path = '' as $$
begin
    if not private.wins(p_conversation_id, 'transcript', jsonb_array_length(p_transcript), p_event_key) then
        return false;
    end if;

    delete from public.conversation_messages m
    where m.conversation_id = p_conversation_id and m.origin is not null;

    insert into public.conversation_messages (conversation_id, message_id, role, content,
        content_length, origin, position, timestamp)
    select p_conversation_id, p_conversation_id || ':transcript:' || line.n, entry.role, entry.content,
        length(entry.content), 'transcript', line.n - 1, entry.timestamp
    from jsonb_array_elements(p_transcript) with ordinality as line (value, n),
        lateral jsonb_populate_record(null::public.conversation_messages, line.value) entry;

    perform private.annotate_transcript(p_conversation_id);
    return true;
end
$$;
revoke execute on function private.apply_transcript(text, text, jsonb) from public, anon, authenticated;
grant execute on function private.apply_transcript(text, text, jsonb) to service_role;

-- 22_tool_calls.sql

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
    add column if not exists execution_time_ms double precision,
    add column if not exists called_at timestamptz,
    add column if not exists finished_at timestamptz,
    add column if not exists created_at timestamptz default now();
comment on column public.tool_calls.reported is 'The sender told us the outcome; else it is what we computed.';

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

-- Store a call, its outcome, or both. An outcome that the sender reported outranks a computed one.
create or replace function private.apply_tool_call(p_conversation_id text, p_call jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    insert into public.tool_calls as t (conversation_id, tool_call_id, name, arguments, result, success,
        reported, execution_time_ms, called_at, finished_at)
    select p_conversation_id, c.tool_call_id, c.name, c.arguments, c.result, c.success,
        coalesce(c.reported, false), c.execution_time_ms, c.called_at, c.finished_at
    from jsonb_populate_record(null::public.tool_calls, p_call) c
    on conflict (conversation_id, tool_call_id) do update set
        name = coalesce(t.name, excluded.name),
        arguments = coalesce(t.arguments, excluded.arguments),
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

-- 23_qualification_data.sql

-- What a conversation's objectives found out: one row per objective, merged from its completions.
create table if not exists public.qualification_data (
    id uuid primary key default gen_random_uuid()
);
alter table public.qualification_data
    add column if not exists conversation_id text,
    add column if not exists first_name text,
    add column if not exists last_name text,
    add column if not exists email text,
    add column if not exists position text,
    add column if not exists objective_name text,
    add column if not exists event_type text,
    add column if not exists output_variables jsonb,
    add column if not exists raw_payload jsonb,
    add column if not exists version bigint,
    add column if not exists received_at timestamptz default now(),
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
comment on column public.qualification_data.version is 'Rises with every change; null on rows from before this schema.';

-- One row per objective. Partial: rows from before this schema have no version and may repeat.
create unique index if not exists qualification_data_objective_key
on public.qualification_data (conversation_id, objective_name) where version is not null;
-- Pages are read newest first.
create index if not exists qualification_data_received_at_idx on public.qualification_data (received_at desc, id desc);

create or replace trigger qualification_data_bump_version
before update on public.qualification_data for each row
when (new.version is not null) execute function private.bump_version();

alter table public.qualification_data enable row level security;
revoke all on public.qualification_data from anon, authenticated;
grant select on public.qualification_data to authenticated;
grant select, insert, update, delete on public.qualification_data to service_role;

drop policy if exists "people read their qualification, admins all" on public.qualification_data;
create policy "people read their qualification, admins all" on public.qualification_data
for select to authenticated
using (
    conversation_id in (
        select c.conversation_id from public.conversations c where c.user_id = (select auth.uid())
    )
    or (select private.is_admin())
);

-- Every completion of an objective, as it was told; the row above is folded from them.
create table if not exists private.objective_completions (
    conversation_id text not null,
    objective_name text not null,
    event_key text not null,
    event_type text not null,
    at timestamptz,
    variables jsonb not null,
    columns jsonb not null,
    raw_payload jsonb,
    primary key (conversation_id, objective_name, event_key)
);
alter table private.objective_completions enable row level security;
grant select, insert, update, delete on private.objective_completions to service_role;

create or replace function private.is_empty(p_value jsonb) returns boolean
language sql immutable set search_path = '' as $$
    select p_value is null or p_value in ('null', '""', '[]', '{}')
$$;
revoke execute on function private.is_empty(jsonb) from public, anon, authenticated;
grant execute on function private.is_empty(jsonb) to service_role;

-- Merge objects, given oldest first: per name the last value that is not empty, else the last.
create or replace function private.fold(p_objects jsonb[]) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_object_agg(pick.key, pick.value), '{}') from (
        select distinct on (pair.key) pair.key, pair.value
        from unnest(p_objects) with ordinality as object (value, n), jsonb_each(object.value) pair
        order by pair.key, private.is_empty(pair.value), object.n desc
    ) pick
$$;
revoke execute on function private.fold(jsonb[]) from public, anon, authenticated;
grant execute on function private.fold(jsonb[]) to service_role;

-- Keep a completion and fold all of its objective's: untimed ones first, then by time, then by key.
create or replace function private.apply_completion(
    p_conversation_id text, p_event_key text, p_event_type text, p_completion jsonb
) returns void
language plpgsql set search_path = '' as $$
begin
    insert into private.objective_completions as kept
    select p_conversation_id, c.objective_name, p_event_key, p_event_type, c.at, c.variables, c.columns, c.raw_payload
    from jsonb_populate_record(null::private.objective_completions, p_completion) c
    on conflict (conversation_id, objective_name, event_key) do update
    set at = excluded.at, variables = excluded.variables, columns = excluded.columns, raw_payload = excluded.raw_payload;

    insert into public.qualification_data as q (conversation_id, objective_name, event_type, first_name,
        last_name, email, position, output_variables, raw_payload, version)
    select p_conversation_id, p_completion ->> 'objective_name', p_event_type, c.first_name,
        c.last_name, c.email, c.position, folded.variables, folded.raw_payload, 1
    from (
        select
            private.fold(array_agg(o.variables order by o.at nulls first, o.event_key collate "C")) as variables,
            private.fold(array_agg(o.columns order by o.at nulls first, o.event_key collate "C")) as columns,
            (array_agg(o.raw_payload order by o.at desc nulls last, o.event_key collate "C" desc))[1] as raw_payload
        from private.objective_completions o
        where o.conversation_id = p_conversation_id and o.objective_name = p_completion ->> 'objective_name'
    ) folded, jsonb_populate_record(null::public.qualification_data, folded.columns) c
    on conflict (conversation_id, objective_name) where version is not null do update
    set first_name = excluded.first_name, last_name = excluded.last_name, email = excluded.email,
        position = excluded.position, output_variables = excluded.output_variables, raw_payload = excluded.raw_payload;
end
$$;
revoke execute on function private.apply_completion(text, text, text, jsonb) from public, anon, authenticated;
grant execute on function private.apply_completion(text, text, text, jsonb) to service_role;

-- 24_feedback_sessions.sql

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

-- Store the scores of the transcript that is now the conversation's.
create or replace function private.apply_feedback(
    p_conversation public.conversations, p_feedback jsonb, p_transcript jsonb
) returns void
language sql set search_path = '' as $$
    insert into public.feedback_sessions (user_id, scenario_id, conversation_id, score, completed_at,
        duration, transcript, analysis, analyzer, version)
    select p_conversation.user_id, p_conversation.scenario_id, p_conversation.id, f.score,
        coalesce(f.completed_at, p_conversation.ended_at, now()), p_conversation.duration_seconds,
        p_transcript, f.analysis, f.analyzer, 1
    from jsonb_populate_record(null::public.feedback_sessions, p_feedback) f
    on conflict (conversation_id) where version is not null do update
    set score = excluded.score, completed_at = excluded.completed_at, duration = excluded.duration,
        transcript = excluded.transcript, analysis = excluded.analysis, analyzer = excluded.analyzer
$$;
revoke execute on function private.apply_feedback(public.conversations, jsonb, jsonb) from public, anon, authenticated;
grant execute on function private.apply_feedback(public.conversations, jsonb, jsonb) to service_role;

-- 30_processed_webhook_events.sql

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

-- Show an event to browsers, once. Not `language sql`: such a function is planned anew at every call.
create or replace function private.project(
    p_source text, p_event_key text, p_conversation_id text, p_event_type text, p_event_data jsonb, p_duration_ms double precision
) returns void
language plpgsql set search_path = '' as $$
begin
    insert into public.processed_webhook_events
        (source, conversation_id, event_type, event_data, event_hash, processing_duration_ms)
    values (
        p_source, p_conversation_id, p_event_type, p_event_data,
        encode(sha256(convert_to(concat_ws(E'\n', p_source, p_event_key, p_event_type), 'UTF8')), 'hex'),
        p_duration_ms
    )
    on conflict (event_hash) where source is not null do nothing;
end
$$;
revoke execute on function private.project(text, text, text, text, jsonb, double precision) from public, anon, authenticated;
grant execute on function private.project(text, text, text, text, jsonb, double precision) to service_role;

-- 40_webhook_inbox.sql

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
comment on column private.webhook_inbox.claim_id is 'Who works on it: only this claim can finish it, and only until its lease, next_attempt_at, has ended.';
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

-- 50_apply_effects.sql

-- Merge what an event says about its conversation into the conversation's row.
create or replace function private.apply_conversation(
    p_conversation_id text, p_event_key text, p_change jsonb
) returns void
language plpgsql set search_path = '' as $$
declare
    metadata_key text := p_change ->> 'metadata_key';
    age numeric := private.age_weight((p_change ->> 'at')::timestamptz);
    new_metadata jsonb := '{}';
    final_end jsonb;
    started_at timestamptz;
    conversation public.conversations;
begin
    if metadata_key is not null
        and private.wins(p_conversation_id, 'metadata:' || metadata_key, age, p_event_key) then
        new_metadata := jsonb_build_object(metadata_key, p_change -> 'metadata');
    end if;
    if p_change ? 'end' then
        -- The highest status, then the earliest time: an end without a time comes after those with one.
        perform private.wins(
            p_conversation_id, 'end',
            private.status_rank(p_change #>> '{end,status}') * 1e12
                - coalesce(extract(epoch from (p_change #>> '{end,at}')::timestamptz), 1e11),
            p_event_key, p_change -> 'end'
        );
    end if;
    select f.value into final_end from private.conversation_facts f
    where f.conversation_id = p_conversation_id and f.kind = 'end';
    select * into conversation from public.conversations c
    where c.conversation_id = p_conversation_id for update;
    started_at := least(conversation.started_at, (p_change ->> 'started_at')::timestamptz);

    -- By way of jsonb each value takes the type that its column has; a table from before this schema
    -- may have others than ours.
    conversation := jsonb_populate_record(conversation, jsonb_strip_nulls(jsonb_build_object(
        'status', case
            when private.status_rank(final_end ->> 'status') > private.status_rank(conversation.status::text)
                then final_end ->> 'status'
            else coalesce(conversation.status::text, 'active')
        end,
        'started_at', started_at,
        'ended_at', (final_end ->> 'at')::timestamptz,
        'end_reason', final_end ->> 'reason',
        'duration_seconds', coalesce(
            (final_end ->> 'duration_seconds')::integer,
            private.seconds_between(started_at, (final_end ->> 'at')::timestamptz)
        ),
        'perception_analysis', case when new_metadata <> '{}' then p_change ->> 'perception_analysis' end,
        'recording_url', private.newest(p_conversation_id, p_change, p_event_key, 'recording_url'),
        'persona_id', private.newest(p_conversation_id, p_change, p_event_key, 'persona_id'),
        'replica_id', private.newest(p_conversation_id, p_change, p_event_key, 'replica_id'),
        'demo_id', private.newest(p_conversation_id, p_change, p_event_key, 'demo_id'),
        'conversation_name', private.newest(p_conversation_id, p_change, p_event_key, 'conversation_name')
    )));

    update public.conversations c set
        status = conversation.status,
        started_at = conversation.started_at,
        ended_at = conversation.ended_at,
        end_reason = conversation.end_reason,
        duration_seconds = conversation.duration_seconds,
        tavus_metadata = coalesce(c.tavus_metadata::jsonb, '{}') || new_metadata,
        perception_analysis = conversation.perception_analysis,
        recording_url = conversation.recording_url,
        persona_id = conversation.persona_id,
        replica_id = conversation.replica_id,
        demo_id = conversation.demo_id,
        conversation_name = conversation.conversation_name
    where c.conversation_id = p_conversation_id;

    update public.feedback_sessions f set duration = c.duration_seconds
    from public.conversations c
    where c.conversation_id = p_conversation_id and f.conversation_id = c.id and f.version is not null
        and f.duration is distinct from c.duration_seconds;
end
$$;
revoke execute on function private.apply_conversation(text, text, jsonb) from public, anon, authenticated;
grant execute on function private.apply_conversation(text, text, jsonb) to service_role;

-- Whole seconds from one time to a later one, else null; also when no integer holds them.
create or replace function private.seconds_between(p_from timestamptz, p_to timestamptz) returns integer
language sql immutable set search_path = '' as $$
    select round(extract(epoch from p_to - p_from))::integer
    where p_to >= p_from and p_to - p_from < interval '20000 days'
$$;
revoke execute on function private.seconds_between(timestamptz, timestamptz) from public, anon, authenticated;
grant execute on function private.seconds_between(timestamptz, timestamptz) to service_role;

-- Write the rows that an event stands for. Receiving, adopting and replaying all come through here;
-- the caller holds the conversation's lock. `p_known` says that the conversation has a row.
create or replace function private.apply_effects(
    p_conversation_id text, p_event_key text, p_event_type text, p_effects jsonb, p_known boolean
) returns void
language plpgsql set search_path = '' as $$
declare
    transcript_won boolean := false;
    conversation public.conversations;
begin
    if p_conversation_id is null then
        return;
    end if;
    if p_effects ? 'messages' then
        perform private.apply_messages(p_conversation_id, p_effects -> 'messages');
    end if;
    if p_effects ? 'transcript' then
        transcript_won := private.apply_transcript(p_conversation_id, p_event_key, p_effects -> 'transcript');
    end if;
    if p_effects ? 'tool_call' then
        perform private.apply_tool_call(p_conversation_id, p_effects -> 'tool_call');
    end if;
    if p_effects ? 'completion' then
        perform private.apply_completion(p_conversation_id, p_event_key, p_event_type, p_effects -> 'completion');
    end if;
    if not p_known then
        return;
    end if;
    if p_effects ? 'conversation' then
        perform private.apply_conversation(p_conversation_id, p_event_key, p_effects -> 'conversation');
    end if;
    if p_effects ? 'feedback' and transcript_won then
        select * into conversation from public.conversations c where c.conversation_id = p_conversation_id;
        perform private.apply_feedback(conversation, p_effects -> 'feedback', p_effects -> 'transcript');
    end if;
end
$$;
revoke execute on function private.apply_effects(text, text, text, jsonb, boolean) from public, anon, authenticated;
grant execute on function private.apply_effects(text, text, text, jsonb, boolean) to service_role;

-- Apply what a handler made of a stored event: its effects, and the rows that browsers see.
create or replace function private.apply_event(p_event private.webhook_inbox, p_handled jsonb, p_known boolean) returns void
language plpgsql set search_path = '' as $$
declare
    projection jsonb;
begin
    if p_handled ? 'effects' then
        perform private.apply_effects(
            p_event.conversation_id, p_event.event_key, p_event.event_type, p_handled -> 'effects', p_known
        );
    end if;
    for projection in select * from jsonb_array_elements(p_handled -> 'projections') loop
        perform private.project(p_event.source, p_event.event_key, p_event.conversation_id,
            projection ->> 'event_type', projection -> 'event_data', p_event.duration_ms);
    end loop;
end
$$;
revoke execute on function private.apply_event(private.webhook_inbox, jsonb, boolean) from public, anon, authenticated;
grant execute on function private.apply_event(private.webhook_inbox, jsonb, boolean) to service_role;

-- Hold off every other transaction that touches this conversation, until this one ends. Without it an
-- event and the row of its conversation, arriving together, would not see each other.
create or replace function private.lock_conversation(p_conversation_id text) returns void
language plpgsql set search_path = '' as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(p_conversation_id, 0));
end
$$;
revoke execute on function private.lock_conversation(text) from public, anon, authenticated;
grant execute on function private.lock_conversation(text) to service_role;

-- A conversation has become known: apply the effects that waited for it. Whoever made the row may have
-- no right to the inbox, so this runs as its owner.
create or replace function private.adopt_events() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    waiting private.webhook_inbox;
begin
    perform private.lock_conversation(new.conversation_id);
    for waiting in
        select * from private.webhook_inbox i
        where i.conversation_id = new.conversation_id and i.state = 'unmatched' order by i.seq
    loop
        begin
            perform private.apply_effects(
                waiting.conversation_id, waiting.event_key, waiting.event_type, waiting.effects, true
            );
            update private.webhook_inbox i set state = 'processed', effects = null, finished_at = now()
            where i.id = waiting.id;
        exception
            when deadlock_detected or serialization_failure then
                raise;
            when others then
                update private.webhook_inbox i
                set state = 'failed', last_error = sqlerrm, next_attempt_at = now() + interval '1 second'
                where i.id = waiting.id;
        end;
    end loop;
    return null;
end
$$;
revoke execute on function private.adopt_events() from public, anon, authenticated;

create or replace trigger conversations_adopt_events
after insert or update of conversation_id on public.conversations for each row
when (new.conversation_id is not null) execute function private.adopt_events();

-- 60_receive_events.sql

-- Tie our row to the sender's conversation. Returns the conversation's id (null while nobody named it);
-- `allowed` is false when the row is another conversation's, or gone.
create or replace function private.bind_conversation(
    p_ref uuid, p_conversation_id text, out conversation_id text, out allowed boolean
)
language plpgsql set search_path = '' as $$
begin
    select true, c.conversation_id into allowed, conversation_id
    from public.conversations c where c.id = p_ref for update;
    allowed := coalesce(allowed, false);

    if allowed and conversation_id is null and p_conversation_id is not null then
        if exists (select 1 from public.conversations c where c.conversation_id = p_conversation_id) then
            allowed := false;
            return;
        end if;
        update public.conversations c set conversation_id = p_conversation_id where c.id = p_ref;
        conversation_id := p_conversation_id;
    end if;
    allowed := allowed and (p_conversation_id is null or conversation_id = p_conversation_id);
end
$$;
revoke execute on function private.bind_conversation(uuid, text) from public, anon, authenticated;
grant execute on function private.bind_conversation(uuid, text) to service_role;

-- Store one event and apply its effects; see receive_events for what it answers.
create or replace function private.receive_event(p_event jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    conversation text := p_event ->> 'conversation_id';
    bound record;
    is_known boolean;
    state text := p_event ->> 'state';
    event private.webhook_inbox;
begin
    if p_event ? 'rejected' then
        return private.reject(p_event);
    end if;
    if conversation is not null then
        perform private.lock_conversation(conversation);
    end if;
    if p_event ? 'conversation_ref' then
        select * into bound from private.bind_conversation((p_event ->> 'conversation_ref')::uuid, conversation);
        if not bound.allowed then
            return jsonb_build_object('outcome', 'forbidden', 'known', false);
        end if;
        conversation := coalesce(conversation, bound.conversation_id);
    end if;
    is_known := exists (select 1 from public.conversations c where c.conversation_id = conversation);
    if state = 'processed' and conversation is not null and not is_known then
        state := 'unmatched';
    end if;

    event := private.store(
        p_event, conversation, state, case when state = 'unmatched' then p_event -> 'effects' end, p_event ->> 'error'
    );
    if event.id is null then
        return jsonb_build_object('outcome', 'duplicate', 'known', is_known);
    end if;

    perform private.apply_event(event, p_event, is_known);
    return jsonb_build_object(
        'outcome', case state when 'failed' then 'failed' when 'received' then 'deferred' else 'new' end, 'known', is_known, 'id', event.id, 'state', state);
end
$$;
revoke execute on function private.receive_event(jsonb) from public, anon, authenticated;
grant execute on function private.receive_event(jsonb) to service_role;

-- Keep an event whose effects could not be applied, for another try.
create or replace function private.store_failed(p_event jsonb, p_error text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    event private.webhook_inbox;
begin
    event := private.store(p_event, p_event ->> 'conversation_id', 'failed', null, p_error);
    return jsonb_build_object('outcome', case when event.id is null then 'duplicate' else 'failed' end,
        'known', false, 'id', event.id, 'state', 'failed', 'error', p_error);
exception
    when deadlock_detected or serialization_failure then
        raise;
    when others then
        return jsonb_build_object('outcome', 'unstored', 'known', false, 'error', sqlerrm);
end
$$;
revoke execute on function private.store_failed(jsonb, text) from public, anon, authenticated;
grant execute on function private.store_failed(jsonb, text) to service_role;

-- Store a batch of events and apply their effects, in one transaction. In: a JSON array of events, each
-- {source, event_key, event_type, conversation_id?, conversation_ref?, body (base64), body_sha256, headers,
-- state (processed, ignored, failed, or received when it is the worker's), effects?, projections?, error?, rejected?, path?, received_at, duration_ms}.
-- Out, in the same order: {outcome: new | deferred | duplicate | failed | rejected | forbidden | unstored, known,
-- id, state, error?}.
--
-- One at a time, because a set-based update loses one of two events for the same row; sorted, because
-- batches that lock conversations in the order of arrival deadlock; each in its own block, so that a
-- poisoned event fails alone. Deadlocks and timeouts go to the caller, who sends the batch again.
create or replace function public.receive_events(batch jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    item record;
    results jsonb[] := array_fill(null::jsonb, array[jsonb_array_length(batch)]);
begin
    for item in
        select e.value, e.n from jsonb_array_elements(batch) with ordinality as e (value, n)
        order by e.value ->> 'conversation_id' collate "C", e.value ->> 'event_key' collate "C", e.n
    loop
        begin
            results[item.n] := private.receive_event(item.value);
        exception
            when deadlock_detected or serialization_failure then
                raise;
            when others then
                results[item.n] := private.store_failed(item.value, sqlerrm);
        end;
    end loop;
    return to_jsonb(results);
end
$$;
revoke execute on function public.receive_events(jsonb) from public, anon, authenticated;
grant execute on function public.receive_events(jsonb) to service_role;

-- 65_worker.sql

-- Give due events out under a claim, for as long as its lease lasts. In: the claim's id, how many events at most, the
-- lease in seconds. Out: a JSON array of {id, source, event_type, path, body (base64), headers, tries, received_at}, the
-- longest due first. When a lease ends, its events are due again, and the claim cannot finish them any more.
create or replace function public.claim_events(claim uuid, max_events integer, lease_seconds double precision) returns jsonb
language sql security invoker set search_path = '' as $$
    with due as materialized (
        select i.id from private.webhook_inbox i
        where i.state in ('received', 'failed') and i.next_attempt_at <= now()
        order by i.next_attempt_at limit max_events for update skip locked
    ), claimed as (
        update private.webhook_inbox i
        set claim_id = claim, attempts = i.attempts + 1,
            -- The lease's end is the next attempt's time: should the worker die, somebody else is due then.
            next_attempt_at = now() + make_interval(secs => lease_seconds)
        from due where i.id = due.id
        returning i.*
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', c.id, 'source', c.source, 'event_type', c.event_type, 'path', c.path,
        'body', translate(encode(c.body, 'base64'), E'\n', ''), 'headers', c.headers,
        'tries', c.attempts - c.attempts_before, 'received_at', c.received_at
    ) order by c.seq), '[]') from claimed c
$$;
revoke execute on function public.claim_events(uuid, integer, double precision) from public, anon, authenticated;
grant execute on function public.claim_events(uuid, integer, double precision) to service_role;

-- Make a claim last from now on once more. Returns how many events it still holds.
create or replace function public.extend_claim(claim uuid, lease_seconds double precision) returns integer
language sql security invoker set search_path = '' as $$
    with extended as (
        update private.webhook_inbox i set next_attempt_at = now() + make_interval(secs => lease_seconds)
        where i.claim_id = claim and i.state in ('received', 'failed')
        returning 1
    )
    select count(*)::integer from extended
$$;
revoke execute on function public.extend_claim(uuid, double precision) from public, anon, authenticated;
grant execute on function public.extend_claim(uuid, double precision) to service_role;

-- Write down why an attempt failed; the next is due in so many seconds, and without a number there is none.
create or replace function private.fail_event(p_event private.webhook_inbox, p_error text, p_retry_seconds double precision)
returns jsonb
language plpgsql set search_path = '' as $$
declare
    next_state text := case when p_retry_seconds is null then 'dead' else 'failed' end;
begin
    insert into private.event_attempts (event_id, attempt, error) values (p_event.id, p_event.attempts, p_error);
    update private.webhook_inbox i
    set state = next_state, last_error = p_error, claim_id = null,
        next_attempt_at = now() + make_interval(secs => p_retry_seconds),
        finished_at = case when next_state = 'dead' then now() end
    where i.id = p_event.id;
    return jsonb_build_object('id', p_event.id, 'outcome', next_state);
end
$$;
revoke execute on function private.fail_event(private.webhook_inbox, text, double precision) from public, anon, authenticated;
grant execute on function private.fail_event(private.webhook_inbox, text, double precision) to service_role;

-- The event that a claim still holds, locked; nothing when the claim was lost.
create or replace function private.held_event(p_id uuid, p_claim uuid) returns private.webhook_inbox
language plpgsql set search_path = '' as $$
declare
    held private.webhook_inbox;
begin
    -- The conversation first, then the row: everybody locks in this order.
    perform private.lock_conversation(i.conversation_id)
    from private.webhook_inbox i where i.id = p_id and i.conversation_id is not null;
    select * into held from private.webhook_inbox i
    where i.id = p_id and i.claim_id = p_claim and i.state in ('received', 'failed') for update;
    return held;
end
$$;
revoke execute on function private.held_event(uuid, uuid) from public, anon, authenticated;
grant execute on function private.held_event(uuid, uuid) to service_role;

-- Apply the effects of one claimed event, or write down why there are none.
create or replace function private.finish_event(p_claim uuid, p_item jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    event private.webhook_inbox := private.held_event((p_item ->> 'id')::uuid, p_claim);
    is_known boolean;
    next_state text := p_item ->> 'state';
begin
    if event.id is null then
        return jsonb_build_object('id', p_item ->> 'id', 'outcome', 'lost');
    end if;
    if p_item ? 'error' then
        return private.fail_event(event, p_item ->> 'error', (p_item ->> 'retry_seconds')::double precision);
    end if;
    is_known := exists (select 1 from public.conversations c where c.conversation_id = event.conversation_id);
    if next_state = 'processed' and event.conversation_id is not null and not is_known then
        next_state := 'unmatched';
    end if;
    perform private.apply_event(event, p_item, is_known);
    update private.webhook_inbox i
    set state = next_state, effects = case when next_state = 'unmatched' then p_item -> 'effects' end,
        claim_id = null, next_attempt_at = null, last_error = null, finished_at = now()
    where i.id = event.id;
    return jsonb_build_object('id', event.id, 'outcome', next_state);
end
$$;
revoke execute on function private.finish_event(uuid, jsonb) from public, anon, authenticated;
grant execute on function private.finish_event(uuid, jsonb) to service_role;

-- Finish a batch of claimed events, each in a block of its own: a poisoned one fails alone. In: the claim's id and a JSON
-- array of {id, state, effects, projections, retry_seconds?} or {id, error, retry_seconds?}; without retry_seconds a
-- failure is the last. Out: an array of {id, outcome: processed | ignored | unmatched | failed | dead | lost}.
create or replace function public.finish_events(claim uuid, batch jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    item jsonb;
    results jsonb := '[]';
begin
    for item in
        select b.value from jsonb_array_elements(batch) b
        left join private.webhook_inbox i on i.id = (b.value ->> 'id')::uuid
        order by i.conversation_id collate "C", i.event_key collate "C"
    loop
        begin
            results := results || private.finish_event(claim, item);
        exception
            when deadlock_detected or serialization_failure then
                raise;
            when others then
                results := results || private.finish_event(claim, jsonb_build_object(
                    'id', item -> 'id', 'error', sqlerrm, 'retry_seconds', item -> 'retry_seconds'
                ));
        end;
    end loop;
    return results;
end
$$;
revoke execute on function public.finish_events(uuid, jsonb) from public, anon, authenticated;
grant execute on function public.finish_events(uuid, jsonb) to service_role;

-- 66_dead_letters.sql

-- Lists go by seq, newest first.
create unique index if not exists webhook_inbox_seq_idx on private.webhook_inbox (seq);
-- Dead letters are few, and looked for among many.
create index if not exists webhook_inbox_dead_idx on private.webhook_inbox (seq) where state = 'dead';

-- The events that a filter names, newest first. A filter is a JSON object with any of: id, state, source, event_type,
-- conversation_id, since, until (received_at), error (a part of the last error, in any case).
create or replace function private.events_matching(p_filter jsonb, p_before bigint, p_most integer)
returns setof private.webhook_inbox
language sql stable set search_path = '' as $$
    select * from private.webhook_inbox i
    where (p_before is null or i.seq < p_before)
        and (not p_filter ? 'id' or i.id = (p_filter ->> 'id')::uuid)
        and (not p_filter ? 'state' or i.state = p_filter ->> 'state')
        and (not p_filter ? 'source' or i.source = p_filter ->> 'source')
        and (not p_filter ? 'event_type' or i.event_type = p_filter ->> 'event_type')
        and (not p_filter ? 'conversation_id' or i.conversation_id = p_filter ->> 'conversation_id')
        and (not p_filter ? 'since' or i.received_at >= (p_filter ->> 'since')::timestamptz)
        and (not p_filter ? 'until' or i.received_at < (p_filter ->> 'until')::timestamptz)
        and (not p_filter ? 'error' or strpos(lower(i.last_error), lower(p_filter ->> 'error')) > 0)
    order by i.seq desc limit p_most
$$;
revoke execute on function private.events_matching(jsonb, bigint, integer) from public, anon, authenticated;
grant execute on function private.events_matching(jsonb, bigint, integer) to service_role;

-- What is told of an event in a list.
create or replace function private.event_summary(p_event private.webhook_inbox) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'id', p_event.id, 'seq', p_event.seq, 'source', p_event.source, 'event_type', p_event.event_type,
        'conversation_id', p_event.conversation_id, 'state', p_event.state, 'attempts', p_event.attempts,
        'last_error', p_event.last_error, 'next_attempt_at', p_event.next_attempt_at,
        'received_at', p_event.received_at, 'finished_at', p_event.finished_at
    )
$$;
revoke execute on function private.event_summary(private.webhook_inbox) from public, anon, authenticated;
grant execute on function private.event_summary(private.webhook_inbox) to service_role;

-- A page of events, newest first: those before a seq, so many at most.
create or replace function public.list_events(filter jsonb, before bigint, most integer) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(private.event_summary(e) order by e.seq desc), '[]')
    from private.events_matching(filter, before, most) e
$$;
revoke execute on function public.list_events(jsonb, bigint, integer) from public, anon, authenticated;
grant execute on function public.list_events(jsonb, bigint, integer) to service_role;

-- One event with its body (base64), its headers and every attempt that failed; null when there is none.
create or replace function public.show_event(event_id uuid) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select private.event_summary(i) || jsonb_build_object(
        'path', i.path, 'headers', i.headers, 'body', translate(encode(i.body, 'base64'), E'\n', ''),
        'failures', (
            select coalesce(jsonb_agg(jsonb_build_object('attempt', a.attempt, 'error', a.error, 'at', a.at) order by a.id), '[]')
            from private.event_attempts a where a.event_id = i.id
        )
    )
    from private.webhook_inbox i where i.id = event_id
$$;
revoke execute on function public.show_event(uuid) from public, anon, authenticated;
grant execute on function public.show_event(uuid) to service_role;

-- Make events due again, with all their retries; they keep their ids. What a worker has in hand is left to it,
-- and what has lost its body to its age cannot be handled any more.
-- Returns how many there were.
create or replace function public.replay_events(filter jsonb) returns integer
language sql security invoker set search_path = '' as $$
    with replayed as (
        update private.webhook_inbox i
        set state = 'received', effects = null, attempts_before = i.attempts, next_attempt_at = now(), finished_at = null
        from private.events_matching(filter, null, null) chosen
        where i.id = chosen.id and i.claim_id is null and i.pruned_at is null
        returning 1
    )
    select count(*)::integer from replayed
$$;
revoke execute on function public.replay_events(jsonb) from public, anon, authenticated;
grant execute on function public.replay_events(jsonb) to service_role;

-- Delete dead events for good, with what is known of their attempts. Returns how many there were.
create or replace function public.purge_events(filter jsonb) returns integer
language sql security invoker set search_path = '' as $$
    with purged as (
        delete from private.webhook_inbox i
        using private.events_matching(filter || '{"state": "dead"}', null, null) chosen
        where i.id = chosen.id and i.state = 'dead'
        returning 1
    )
    select count(*)::integer from purged
$$;
revoke execute on function public.purge_events(jsonb) from public, anon, authenticated;
grant execute on function public.purge_events(jsonb) to service_role;

-- 67_retention.sql

-- Remove what is older than it may be, so many rows of each kind at most: bodies and headers of events that are done (after
-- `days`), whole dead letters and what was rejected or never matched (after `dead_days`), and rows of the browsers' stream
-- (after `days`). An event's key stays, so that a late repeat is still known. Out: {bodies, dead, rejected, projections}.
create or replace function public.prune(days integer, dead_days integer, most integer) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    old timestamptz := now() - make_interval(days => days);
    very_old timestamptz := now() - make_interval(days => dead_days);
    counts jsonb := '{}';
    n bigint;
begin
    update private.webhook_inbox i set body = '', headers = '{}', effects = null, pruned_at = now()
    where i.id in (
        select o.id from private.webhook_inbox o
        where o.pruned_at is null and (
            (o.received_at < old and o.state in ('processed', 'ignored'))
            or (o.received_at < very_old and o.state = 'unmatched')
        )
        order by o.received_at limit most for update skip locked
    );
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('bodies', n);

    delete from private.webhook_inbox i
    where i.id in (
        select o.id from private.webhook_inbox o
        where o.state = 'dead' and o.received_at < very_old limit most for update skip locked
    );
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('dead', n);

    delete from private.rejected_events r
    where r.id in (select o.id from private.rejected_events o where o.received_at < very_old order by o.id limit most);
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('rejected', n);

    -- Rows without a source are from before this schema, and not ours to remove.
    delete from public.processed_webhook_events e
    where e.ctid = any(array(
        select o.ctid from public.processed_webhook_events o
        where o.processed_at < old and o.source is not null order by o.processed_at limit most
    ));
    get diagnostics n = row_count;
    return counts || jsonb_build_object('projections', n);
end
$$;
revoke execute on function public.prune(integer, integer, integer) from public, anon, authenticated;
grant execute on function public.prune(integer, integer, integer) to service_role;

-- 70_monitoring.sql

-- What came in during the last 24 hours, for /health.
create or replace function public.webhook_totals() returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object(
        'total_events', count(*),
        'successful_events', count(*) filter (where i.state in ('processed', 'ignored', 'unmatched')),
        'failed_events', count(*) filter (where i.state in ('failed', 'dead')),
        'tool_calls', (
            select count(*) from public.tool_calls t where t.created_at > now() - interval '24 hours'
        )
    )
    from private.webhook_inbox i where i.received_at > now() - interval '24 hours' and i.pruned_at is null
$$;
revoke execute on function public.webhook_totals() from public, anon, authenticated;
grant execute on function public.webhook_totals() to service_role;

create table if not exists private.readiness (
    id boolean primary key default true check (id),
    checked_at timestamptz not null
);
alter table private.readiness enable row level security;
grant select, insert, update on private.readiness to service_role;

-- Write one row, for /ready: a database that only reads would answer every select.
create or replace function public.check_readiness() returns timestamptz
language sql security invoker set search_path = '' as $$
    insert into private.readiness as r (checked_at) values (now())
    on conflict (id) do update set checked_at = excluded.checked_at
    returning r.checked_at
$$;
revoke execute on function public.check_readiness() from public, anon, authenticated;
grant execute on function public.check_readiness() to service_role;

-- 80_older_tables.sql

-- What a table from before this schema may lack: defaults of columns that our functions leave out.
do $$
declare
    missing record;
begin
    for missing in
        select c.table_name, c.column_name, c.data_type, wanted.default_value
        from information_schema.columns c
        join (values
            ('conversations', 'id', 'gen_random_uuid()'),
            ('conversations', 'status', '''active'''),
            ('conversations', 'created_at', 'now()'),
            ('conversations', 'updated_at', 'now()'),
            ('conversation_messages', 'id', 'gen_random_uuid()'),
            ('tool_calls', 'id', 'gen_random_uuid()'),
            ('qualification_data', 'id', 'gen_random_uuid()'),
            ('feedback_sessions', 'id', 'gen_random_uuid()'),
            ('processed_webhook_events', 'id', 'gen_random_uuid()'),
            -- Some apps keep this table as a list of ids.
            ('processed_webhook_events', 'event_id', 'gen_random_uuid()'),
            ('processed_webhook_events', 'processed_at', 'now()')
        ) as wanted (table_name, column_name, default_value) using (table_name, column_name)
        where c.table_schema = 'public' and c.column_default is null and c.is_identity = 'NO'
            and c.data_type in (
                'uuid', 'text', 'character varying', 'timestamp with time zone', 'timestamp without time zone'
            )
    loop
        execute format(
            'alter table public.%I alter column %I set default (%s)::%s',
            missing.table_name, missing.column_name, missing.default_value, missing.data_type
        );
    end loop;
end
$$;

-- And the right to the sequences that number its rows.
do $$
declare
    numbers regclass;
begin
    for numbers in
        select d.objid::regclass
        from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S'
        where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype = 'a'
            and d.refobjid in (
                'public.conversations'::regclass, 'public.conversation_messages'::regclass,
                'public.tool_calls'::regclass, 'public.qualification_data'::regclass,
                'public.feedback_sessions'::regclass, 'public.processed_webhook_events'::regclass
            )
    loop
        execute format('grant usage on sequence %s to service_role', numbers);
    end loop;
end
$$;

-- And a key: Realtime shows no row of a table without one, and published rows without one cannot be changed.
do $$
declare
    keyless regclass;
begin
    for keyless in
        select c.oid::regclass from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relname in (
            'conversations', 'conversation_messages', 'tool_calls', 'qualification_data', 'feedback_sessions',
            'processed_webhook_events'
        ) and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p')
    loop
        begin
            execute format('alter table %s add primary key (id)', keyless);
        exception when others then
            execute format('alter table %s replica identity full', keyless);
        end;
    end loop;
end
$$;

-- 90_realtime.sql

-- What Realtime carries. Little on purpose: it can take some 30 to 60 changes a second.
do $$
declare
    live text;
begin
    if not exists (select from pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
    foreach live in array array['processed_webhook_events', 'conversations', 'feedback_sessions', 'qualification_data'] loop
        if not exists (
            select from pg_publication_tables
            where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = live
        ) then
            execute format('alter publication supabase_realtime add table public.%I', live);
        end if;
    end loop;
end
$$;
