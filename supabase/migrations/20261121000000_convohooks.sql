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
    add column if not exists seq bigint,
    add column if not exists turn_idx bigint,
    add column if not exists inference_id text,
    add column if not exists relayed boolean not null default false,
    add column if not exists created_at timestamptz default now();
alter table public.conversation_messages alter column timestamp drop not null;
comment on column public.conversation_messages.position is 'Place in the transcript, from 0; null while live.';
comment on column public.conversation_messages.seq is 'The sender''s count of a live talk''s events: messages are read by position, seq, turn_idx, timestamp.';
comment on column public.conversation_messages.relayed is 'A browser told it; the sender''s own word replaces it.';

-- One row per message. Partial: rows from before this schema have no origin and may repeat.
create unique index if not exists conversation_messages_message_key
on public.conversation_messages (conversation_id, message_id) where origin is not null;
-- Whether the sender's own word has anything to replace is asked at every message.
create index if not exists conversation_messages_relayed_idx on public.conversation_messages (conversation_id) where relayed;

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
    -- Few senders annotate, and every message comes through here.
    if p_messages @? '$[*] ? (exists (@.sentiment) || exists (@.intent) || exists (@.confidence))' then
        insert into private.message_annotations
        select p_conversation_id, m.message_id, m.role, md5(m.content), m.timestamp, m.sentiment, m.intent, m.confidence
        from jsonb_populate_recordset(null::public.conversation_messages, p_messages) m
        where coalesce(m.sentiment, m.intent, m.confidence::text) is not null
        on conflict do nothing;
    end if;

    if exists (
        select 1 from private.conversation_facts f
        where f.conversation_id = p_conversation_id and f.kind = 'transcript'
    ) then
        perform private.annotate_transcript(p_conversation_id);
        return;
    end if;

    -- What one party said in one inference is one message: the sender's own word in place of a browser's.
    if not p_messages @? '$[*] ? (@.relayed == true)' and exists (
        select 1 from public.conversation_messages told
        where told.conversation_id = p_conversation_id and told.relayed
    ) then
        delete from public.conversation_messages told
        using jsonb_populate_recordset(null::public.conversation_messages, p_messages) m
        where told.conversation_id = p_conversation_id and told.relayed
            and (told.message_id = m.message_id or (told.inference_id = m.inference_id and told.role = m.role));
    end if;

    insert into public.conversation_messages (conversation_id, message_id, role, content, content_length,
        origin, timestamp, sentiment, intent, confidence, seq, turn_idx, inference_id, relayed)
    select p_conversation_id, m.message_id, m.role, m.content, length(m.content),
        'live', m.timestamp, m.sentiment, m.intent, m.confidence, m.seq, m.turn_idx, m.inference_id, coalesce(m.relayed, false)
    from jsonb_populate_recordset(null::public.conversation_messages, p_messages) m
    where m.relayed is null or not exists (
        select 1 from public.conversation_messages own
        where own.conversation_id = p_conversation_id and not own.relayed
            and own.inference_id = m.inference_id and own.role = m.role
    )
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
    where m.conversation_id = p_conversation_id and m.origin in ('live', 'transcript');

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
alter table private.objective_completions add column if not exists relayed boolean not null default false;
comment on column private.objective_completions.relayed is 'A browser told it; what the sender told counts as later.';
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

-- Keep a completion and fold all of its objective's: relayed ones first, then untimed ones, then by time, then by key.
create or replace function private.apply_completion(
    p_conversation_id text, p_event_key text, p_event_type text, p_completion jsonb
) returns void
language plpgsql set search_path = '' as $$
begin
    insert into private.objective_completions as kept
        (conversation_id, objective_name, event_key, event_type, at, variables, columns, raw_payload, relayed)
    select p_conversation_id, c.objective_name, p_event_key, p_event_type, c.at, c.variables, c.columns, c.raw_payload,
        coalesce(c.relayed, false)
    from jsonb_populate_record(null::private.objective_completions, p_completion) c
    on conflict (conversation_id, objective_name, event_key) do update
    set at = excluded.at, variables = excluded.variables, columns = excluded.columns, raw_payload = excluded.raw_payload,
        relayed = excluded.relayed
    where kept.relayed or not excluded.relayed;

    insert into public.qualification_data as q (conversation_id, objective_name, event_type, first_name,
        last_name, email, position, output_variables, raw_payload, version)
    select p_conversation_id, p_completion ->> 'objective_name', p_event_type, c.first_name,
        c.last_name, c.email, c.position, folded.variables, folded.raw_payload, 1
    from (
        select
            private.fold(array_agg(o.variables order by not o.relayed, o.at nulls first, o.event_key collate "C")) as variables,
            private.fold(array_agg(o.columns order by not o.relayed, o.at nulls first, o.event_key collate "C")) as columns,
            (array_agg(o.raw_payload order by o.relayed, o.at desc nulls last, o.event_key collate "C" desc))[1] as raw_payload
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

-- 25_conversation_calls.sql

-- What we asked the sender for: each conversation that was begun here, from before the sender is asked until nothing of it
-- can be left at the sender without us knowing. Row first: the process may die between any two steps.
create table if not exists private.conversation_calls (
    ref uuid primary key,
    user_id uuid not null,
    request_key text,
    request_hash text,
    state text not null default 'begun' check (state in ('begun', 'placed', 'lost', 'failed')),
    looks integer not null default 0,
    begun_at timestamptz not null default now(),
    next_look_at timestamptz
);
comment on column private.conversation_calls.ref is 'The row of public.conversations; callbacks carry it.';
comment on column private.conversation_calls.request_key is 'The Idempotency-Key; free again once the call has failed.';
comment on column private.conversation_calls.state is
'begun: a request is at work; placed: answered, with a join URL; lost: not answered, and may run at the sender; failed: not answered, and does not.';
comment on column private.conversation_calls.next_look_at is 'When to look for it at the sender, to end it there; null never.';

create unique index if not exists conversation_calls_request_key
on private.conversation_calls (user_id, request_key) where request_key is not null;
create index if not exists conversation_calls_next_look_at_idx
on private.conversation_calls (next_look_at) where next_look_at is not null;

alter table private.conversation_calls enable row level security;
grant select, insert, update, delete on private.conversation_calls to service_role;

-- By way of jsonb each value takes the type that its column has.
create or replace function private.insert_conversation(p_conversation jsonb) returns void
language sql set search_path = '' as $$
    insert into public.conversations (id, user_id, scenario_id, demo_id, persona_id, replica_id, conversation_name, status, created_at, updated_at)
    select c.id, c.user_id, c.scenario_id, c.demo_id, c.persona_id, c.replica_id, c.conversation_name, c.status, now(), now()
    from jsonb_populate_record(null::public.conversations, p_conversation) c
$$;
revoke execute on function private.insert_conversation(jsonb) from public, anon, authenticated;
grant execute on function private.insert_conversation(jsonb) to service_role;

-- Make the row of a conversation that the sender is going to be asked for. In: the row's values; a key under which the
-- person may ask again for the same, and a hash of what they ask for; the seconds after which the request must have
-- ended. Out: {outcome: begun | placed | busy | other, id, row?}: all but `begun` are what became of the key before.
create or replace function public.begin_conversation(
    conversation jsonb, request_key text, request_hash text, patience_seconds double precision
) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    new_ref uuid := gen_random_uuid();
    owner uuid := (conversation ->> 'user_id')::uuid;
    wanted jsonb := conversation || jsonb_build_object('id', new_ref);
begin
    insert into private.conversation_calls as call (ref, user_id, request_key, request_hash, next_look_at)
    values (new_ref, owner, begin_conversation.request_key, begin_conversation.request_hash,
        now() + make_interval(secs => patience_seconds))
    on conflict do nothing;
    if not found then
        return coalesce((
            select jsonb_build_object('id', call.ref, 'row', to_jsonb(c), 'outcome', case
                when call.request_hash is distinct from begin_conversation.request_hash then 'other'
                when call.state = 'placed' and c.id is not null then 'placed'
                else 'busy'
            end)
            from private.conversation_calls call left join public.conversations c on c.id = call.ref
            where call.user_id = owner and call.request_key = begin_conversation.request_key
        ), '{"outcome": "busy"}');
    end if;
    begin
        insert into public.profiles (id) values (owner) on conflict do nothing;
    exception when not_null_violation then
        null; -- An app's own table, which wants to know more; the next insert tells whether one is needed.
    end;
    begin
        perform private.insert_conversation(wanted || '{"status": "starting"}');
    exception when invalid_text_representation or check_violation or string_data_right_truncation then
        -- A table from before this schema may know the four states of then only.
        perform private.insert_conversation(wanted || '{"status": "active"}');
    end;
    return jsonb_build_object('outcome', 'begun', 'id', new_ref);
end
$$;
revoke execute on function public.begin_conversation(jsonb, text, text, double precision) from public, anon, authenticated;
grant execute on function public.begin_conversation(jsonb, text, text, double precision) to service_role;

-- The sender has made the conversation: tie it to its row. Out: {outcome: placed, row}, and the request may be answered;
-- {outcome: late} when it was given up meanwhile, {outcome: taken} when another row is that conversation's.
create or replace function public.place_conversation(ref uuid, conversation_id text, conversation_url text) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    call private.conversation_calls;
    bound record;
    placed public.conversations;
begin
    -- The conversation first, then rows: everybody locks in this order.
    perform private.lock_conversation(place_conversation.conversation_id);
    select * into call from private.conversation_calls a where a.ref = place_conversation.ref for update;
    if call.state is null or call.state not in ('begun', 'placed') then
        return '{"outcome": "late"}';
    end if;
    select * into bound from private.bind_conversation(place_conversation.ref, place_conversation.conversation_id);
    if not bound.allowed then
        return jsonb_build_object('outcome', case when exists (
            select from public.conversations c where c.conversation_id = place_conversation.conversation_id
        ) then 'taken' else 'late' end);
    end if;
    update public.conversations c
    set conversation_url = place_conversation.conversation_url,
        status = case when c.status::text = 'starting' then 'active' else c.status end
    where c.id = place_conversation.ref
    returning * into placed;
    update private.conversation_calls a set state = 'placed', next_look_at = null where a.ref = place_conversation.ref;
    return jsonb_build_object('outcome', 'placed', 'row', to_jsonb(placed));
end
$$;
revoke execute on function public.place_conversation(uuid, text, text) from public, anon, authenticated;
grant execute on function public.place_conversation(uuid, text, text) to service_role;

-- The request for a conversation ends without one. `look_seconds` is when to look for it at the sender, where it may run all
-- the same; null when it cannot.
create or replace function public.fail_conversation(ref uuid, reason text, look_seconds double precision) returns void
language sql security invoker set search_path = '' as $$
    update private.conversation_calls a
    set state = case when look_seconds is null then 'failed' else 'lost' end, request_key = null,
        next_look_at = now() + make_interval(secs => look_seconds)
    where a.ref = fail_conversation.ref;
    update public.conversations c set status = 'failed', end_reason = coalesce(c.end_reason, reason)
    where c.id = fail_conversation.ref;
$$;
revoke execute on function public.fail_conversation(uuid, text, double precision) from public, anon, authenticated;
grant execute on function public.fail_conversation(uuid, text, double precision) to service_role;

-- Give out what is to be looked for at the sender; requests that should long have ended are given up with it. In: how many
-- at most, and the lease in seconds. Out: a JSON array of {ref, conversation_id, looks}; the id is there when a callback told
-- it. After a day there is one last look.
create or replace function public.claim_lost_conversations(most integer, lease_seconds double precision) returns jsonb
language sql security invoker set search_path = '' as $$
    with due as materialized (
        select a.ref from private.conversation_calls a
        where a.next_look_at <= now() order by a.next_look_at limit most for update skip locked
    ), claimed as (
        update private.conversation_calls a
        set state = 'lost', request_key = null, looks = a.looks + 1,
            next_look_at = case when a.begun_at > now() - interval '1 day' then now() + make_interval(secs => lease_seconds) end
        from due where a.ref = due.ref
        returning a.ref, a.looks
    ), failed as (
        update public.conversations c set status = 'failed', end_reason = coalesce(c.end_reason, 'never_started')
        from claimed where c.id = claimed.ref and c.status::text is distinct from 'failed'
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'ref', l.ref, 'conversation_id', c.conversation_id, 'looks', l.looks
    ) order by l.ref), '[]')
    from claimed l left join public.conversations c on c.id = l.ref
$$;
revoke execute on function public.claim_lost_conversations(integer, double precision) from public, anon, authenticated;
grant execute on function public.claim_lost_conversations(integer, double precision) to service_role;

-- A look is over; the next is due in so many seconds, and without a number nothing is left to look for.
create or replace function public.finish_look(ref uuid, look_seconds double precision) returns void
language sql security invoker set search_path = '' as $$
    update private.conversation_calls a
    set state = case when look_seconds is null then 'failed' else 'lost' end,
        next_look_at = now() + make_interval(secs => look_seconds)
    where a.ref = finish_look.ref and a.state = 'lost'
$$;
revoke execute on function public.finish_look(uuid, double precision) from public, anon, authenticated;
grant execute on function public.finish_look(uuid, double precision) to service_role;

-- Somebody here ended a conversation. It counts until the sender tells of an end: every end of the sender's outweighs it.
create or replace function public.note_end(conversation_id text) returns void
language plpgsql security invoker set search_path = '' as $$
begin
    perform private.lock_conversation(note_end.conversation_id);
    if private.is_erased(note_end.conversation_id, null, null, null) then
        return;
    end if;
    insert into private.conversation_facts as known (conversation_id, kind, weight, event_key, value)
    values (note_end.conversation_id, 'end', 0, 'ended here',
        jsonb_build_object('status', 'ended', 'reason', 'ended_by_user', 'at', now()))
    on conflict do nothing;
    perform private.apply_conversation(note_end.conversation_id, 'ended here', '{}');
end
$$;
revoke execute on function public.note_end(text) from public, anon, authenticated;
grant execute on function public.note_end(text) to service_role;

-- 26_tool_runs.sql

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

-- 27_reconcile.sql

-- Which conversations are to be looked up at their sender, since a callback of theirs may be lost.
create table if not exists private.reconciliations (
    conversation_id text primary key,
    known_at timestamptz not null default now(),
    due_from timestamptz not null default now(),
    looked_at timestamptz,
    answered_at timestamptz,
    looks integer not null default 0,
    claim_id uuid,
    last_result text,
    settled_at timestamptz
);
comment on column private.reconciliations.known_at is 'When the conversation was made, as far as that is known.';
comment on column private.reconciliations.due_from is 'It is looked up when so many seconds (RECONCILE_AFTER) have gone by since; a claim''s lease moves it on.';
comment on column private.reconciliations.answered_at is 'When the last look began that the sender answered.';
comment on column private.reconciliations.settled_at is 'When nothing was missing any more, or was given up.';

-- The worker asks for the longest due one.
create index if not exists reconciliations_due_idx on private.reconciliations (due_from) where settled_at is null;

alter table private.reconciliations enable row level security;
grant select, insert, update, delete on private.reconciliations to service_role;

-- Watch a conversation from the moment that its sender has named it. Whoever made its row may have no
-- right to this table, so this runs as its owner.
create or replace function private.watch_conversation() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into private.reconciliations (conversation_id, known_at, due_from)
    values (
        new.conversation_id, least(new.created_at::timestamptz, now()), least(new.created_at::timestamptz, now())
    )
    on conflict (conversation_id) do nothing;
    return null;
end
$$;
revoke execute on function private.watch_conversation() from public, anon, authenticated;

create or replace trigger conversations_watch
after insert or update of conversation_id on public.conversations for each row
when (new.conversation_id is not null) execute function private.watch_conversation();

-- Those from before this table.
insert into private.reconciliations (conversation_id, known_at, due_from)
select c.conversation_id, least(c.created_at::timestamptz, now()), least(c.created_at::timestamptz, now())
from public.conversations c where c.conversation_id is not null
on conflict (conversation_id) do nothing;

-- Whether the sender itself has told the end: `ended` alone may be our own note of it.
create or replace function private.has_end(p_conversation public.conversations) returns boolean
language sql stable set search_path = '' as $$
    select private.status_rank(p_conversation.status::text) > private.status_rank('ended')
$$;
revoke execute on function private.has_end(public.conversations) from public, anon, authenticated;
grant execute on function private.has_end(public.conversations) to service_role;

create or replace function private.is_complete(p_conversation public.conversations) returns boolean
language sql stable set search_path = '' as $$
    select private.has_end(p_conversation) and exists (
        select from private.conversation_facts f
        where f.conversation_id = p_conversation.conversation_id and f.kind = 'transcript'
    )
$$;
revoke execute on function private.is_complete(public.conversations) from public, anon, authenticated;
grant execute on function private.is_complete(public.conversations) to service_role;

-- From when on something is missing: from the end, else from the beginning.
create or replace function private.quiet_since(
    p_watched private.reconciliations, p_conversation public.conversations
) returns timestamptz
language sql stable set search_path = '' as $$
    select case
        -- A sender's clock may be wrong.
        when p_conversation.ended_at::timestamptz <= now() then p_conversation.ended_at::timestamptz
        else least(p_watched.known_at, p_conversation.created_at::timestamptz, p_conversation.started_at::timestamptz)
    end
$$;
revoke execute on function private.quiet_since(private.reconciliations, public.conversations) from public, anon, authenticated;
grant execute on function private.quiet_since(private.reconciliations, public.conversations) to service_role;

-- Whether a conversation needs no look now: nothing that ends it is missing, and it was looked up when everything had had the
-- time to come (then it is off the list), or that time has not come yet (then it is due at it). So each gets a last look, by
-- which also what may be absent is found: a lost recording, perception or objective.
create or replace function private.needs_no_look(
    p_watched private.reconciliations, p_conversation public.conversations, p_after double precision
) returns boolean
language plpgsql set search_path = '' as $$
declare
    over_at timestamptz := private.quiet_since(p_watched, p_conversation);
    last_look_at timestamptz := over_at + make_interval(secs => p_after);
    is_looked_up boolean := coalesce(p_watched.answered_at >= last_look_at, false);
begin
    if not private.is_complete(p_conversation) or (not is_looked_up and now() >= last_look_at) then
        return false;
    end if;
    update private.reconciliations r
    set due_from = over_at, settled_at = case when is_looked_up then coalesce(r.settled_at, now()) end
    where r.conversation_id = p_watched.conversation_id;
    return true;
end
$$;
revoke execute on function private.needs_no_look(private.reconciliations, public.conversations, double precision) from public, anon, authenticated;
grant execute on function private.needs_no_look(private.reconciliations, public.conversations, double precision) to service_role;

-- Give one conversation out under a claim. In: {claim, after_seconds, lease_seconds} for the longest due one; for a person who
-- asks, {before} too: each without its end or transcript that was not looked up since that time, given up or not; or
-- {conversation}: this one whatever it has, by the sender's id or our row's. Out: {conversation_id, id, has_end (the sender's),
-- is_over (by anybody's word), age_seconds}, null when none is left. Those that need no look are put off, or taken off the list.
create or replace function public.claim_reconciliation(wanted jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    after_seconds double precision := (wanted ->> 'after_seconds')::double precision;
    watched private.reconciliations;
    conversation public.conversations;
begin
    loop
        if wanted ? 'conversation' then
            select r.* into watched
            from private.reconciliations r join public.conversations c using (conversation_id)
            where c.conversation_id = wanted ->> 'conversation' or c.id::text = wanted ->> 'conversation'
            limit 1 for update of r;
        elsif wanted ? 'before' then
            select r.* into watched
            from private.reconciliations r join public.conversations c using (conversation_id)
            where least(r.known_at, c.created_at::timestamptz, c.started_at::timestamptz)
                    <= now() - make_interval(secs => after_seconds)
                and (r.looked_at is null or r.looked_at < (wanted ->> 'before')::timestamptz)
                and not private.is_complete(c)
            order by r.known_at limit 1 for update of r skip locked;
        else
            select r.* into watched from private.reconciliations r
            where r.settled_at is null and r.due_from <= now() - make_interval(secs => after_seconds)
            order by r.due_from limit 1 for update skip locked;
        end if;
        if watched.conversation_id is null then
            return null;
        end if;
        select * into conversation from public.conversations c where c.conversation_id = watched.conversation_id;
        if conversation.id is null then
            delete from private.reconciliations r where r.conversation_id = watched.conversation_id;
            continue;
        end if;
        exit when wanted ? 'conversation' or not private.needs_no_look(watched, conversation, after_seconds);
    end loop;

    update private.reconciliations r
    set claim_id = (wanted ->> 'claim')::uuid, looked_at = clock_timestamp(), looks = r.looks + 1,
        due_from = now() + make_interval(secs => (wanted ->> 'lease_seconds')::double precision - after_seconds)
    where r.conversation_id = watched.conversation_id;
    return jsonb_build_object(
        'conversation_id', watched.conversation_id, 'id', conversation.id, 'has_end', private.has_end(conversation),
        'is_over', private.status_rank(conversation.status::text) >= private.status_rank('ended'),
        'age_seconds', extract(epoch from now() - private.quiet_since(watched, conversation))
    );
end
$$;
revoke execute on function public.claim_reconciliation(jsonb) from public, anon, authenticated;
grant execute on function public.claim_reconciliation(jsonb) to service_role;

-- Write down what came of a look, and when the next is due: after a quarter of the time that has gone by so far, within a day.
-- In: {claim, conversation_id, after_seconds, give_up_seconds, answered (whether the sender told anything), result}.
-- Out: complete | waiting | given up | lost (somebody else has claimed it since).
create or replace function public.finish_reconciliation(look jsonb) returns text
language plpgsql security invoker set search_path = '' as $$
declare
    after_seconds double precision := (look ->> 'after_seconds')::double precision;
    watched private.reconciliations;
    conversation public.conversations;
    age double precision;
begin
    select * into watched from private.reconciliations r
    where r.conversation_id = look ->> 'conversation_id' and r.claim_id = (look ->> 'claim')::uuid for update;
    if watched.conversation_id is null then
        return 'lost';
    end if;
    select * into conversation from public.conversations c where c.conversation_id = watched.conversation_id;
    update private.reconciliations r
    set last_result = look ->> 'result', claim_id = null,
        answered_at = case when (look ->> 'answered')::boolean then r.looked_at else r.answered_at end
    where r.conversation_id = watched.conversation_id returning r.* into watched;
    if private.needs_no_look(watched, conversation, after_seconds) then
        return 'complete';
    end if;

    age := extract(epoch from now() - private.quiet_since(watched, conversation));
    if age >= (look ->> 'give_up_seconds')::double precision then
        update private.reconciliations r set settled_at = now() where r.conversation_id = watched.conversation_id;
        return 'given up';
    end if;
    update private.reconciliations r
    set due_from = now() + make_interval(secs => greatest(least(age / 4, 86400) - after_seconds, 0)), settled_at = null
    where r.conversation_id = watched.conversation_id;
    return 'waiting';
end
$$;
revoke execute on function public.finish_reconciliation(jsonb) from public, anon, authenticated;
grant execute on function public.finish_reconciliation(jsonb) to service_role;

-- 29_feedback_analyses.sql

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

-- 31_records.sql

-- Rows that events of several senders write, each field by the latest event that told it.

-- The tables that effects may write, and what names a row of them.
create table if not exists private.record_tables (
    name text primary key,
    key_columns text[] not null
);
-- Which event each field of a row is from: {field: [rank, event key]}.
create table if not exists private.record_facts (
    record_table text not null,
    key jsonb not null,
    told jsonb not null default '{}',
    primary key (record_table, key)
);
alter table private.record_tables enable row level security;
alter table private.record_facts enable row level security;
grant select on private.record_tables to service_role;
grant select, insert, update, delete on private.record_facts to service_role;

-- Write what an event tells of one row: {table, key, values, rank}. Of two events that tell the same field
-- the one with the higher rank stays, then the one with the greater key; so any order of the events, and any
-- repetition, ends in the same row. A field that nobody told keeps its default.
create or replace function private.apply_record(p_event_key text, p_record jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    target text := p_record ->> 'table';
    row_key jsonb := p_record -> 'key';
    rank numeric := coalesce((p_record ->> 'rank')::numeric, 0);
    fact jsonb := jsonb_build_array(rank, p_event_key);
    won jsonb := p_record -> 'values';
    key_columns text[];
    held jsonb;
    columns text;
begin
    select t.key_columns into key_columns from private.record_tables t where t.name = target;
    if key_columns is null then
        raise exception 'No effect may write the table %.', target;
    end if;
    perform pg_advisory_xact_lock(hashtextextended(target || row_key::text, 1));

    -- Of a new row every field is the event's: most rows are told of once or twice.
    insert into private.record_facts as f (record_table, key, told)
    values (target, row_key, (select coalesce(jsonb_object_agg(c, fact), '{}') from jsonb_object_keys(won) c))
    on conflict do nothing;
    if not found then
        select f.told into held from private.record_facts f where f.record_table = target and f.key = row_key;
        select coalesce(jsonb_object_agg(v.key, v.value), '{}') into won from jsonb_each(p_record -> 'values') v
        where not held ? v.key
            or (rank, p_event_key collate "C") > ((held -> v.key ->> 0)::numeric, (held -> v.key ->> 1) collate "C");
        update private.record_facts f
        set told = f.told || (select jsonb_object_agg(c, fact) from jsonb_object_keys(won) c)
        where f.record_table = target and f.key = row_key and won <> '{}';
    end if;

    select string_agg(format('%I', c), ', ') into columns from jsonb_object_keys(row_key || won) c;
    execute format(
        'insert into public.%1$I (%2$s) select %2$s from jsonb_populate_record(null::public.%1$I, $1) on conflict (%3$s) do %4$s',
        target,
        columns,
        (select string_agg(format('%I', c), ', ') from unnest(key_columns) c),
        case when won = '{}' then 'nothing'
            else 'update set ' || (select string_agg(format('%1$I = excluded.%1$I', c), ', ') from jsonb_object_keys(won) c) end
    ) using row_key || won;
end
$$;
revoke execute on function private.apply_record(text, jsonb) from public, anon, authenticated;
grant execute on function private.apply_record(text, jsonb) to service_role;

-- 32_phone.sql

-- A phone number of ours: whose it is, and how it answers a call.
create table if not exists public.phone_numbers (
    id uuid primary key default gen_random_uuid()
);
alter table public.phone_numbers
    add column if not exists phone_number text,
    add column if not exists user_id uuid references public.profiles (id) on delete set null,
    add column if not exists name text,
    add column if not exists greeting text,
    add column if not exists greeting_language text,
    add column if not exists record_calls boolean not null default false,
    add column if not exists transcribe_calls boolean not null default false,
    add column if not exists forward_to text,
    add column if not exists created_at timestamptz default now();
comment on column public.phone_numbers.phone_number is 'E.164, as Twilio writes it: +15550000001.';
comment on column public.phone_numbers.greeting is 'What is said first; without it, and without forward_to, a caller hears a short standard sentence.';
comment on column public.phone_numbers.forward_to is 'The number or SIP address that the call is put through to.';
create unique index if not exists phone_numbers_phone_number_key on public.phone_numbers (phone_number);
create index if not exists phone_numbers_user_id_idx on public.phone_numbers (user_id);

alter table public.phone_numbers enable row level security;
revoke all on public.phone_numbers from anon, authenticated;
grant select on public.phone_numbers to authenticated;
grant select, insert, update, delete on public.phone_numbers to service_role;
drop policy if exists "people read their numbers, admins all" on public.phone_numbers;
create policy "people read their numbers, admins all" on public.phone_numbers for select to authenticated
using (user_id = (select auth.uid()) or (select private.is_admin()));

-- What Twilio tells of calls, their recordings and transcriptions, and of short messages.
create table if not exists public.calls (
    id uuid primary key default gen_random_uuid()
);
alter table public.calls
    add column if not exists call_sid text,
    add column if not exists phone_id uuid references public.phone_numbers (id) on delete set null,
    add column if not exists parent_call_sid text,
    add column if not exists direction text,
    add column if not exists from_number text,
    add column if not exists to_number text,
    add column if not exists caller_name text,
    add column if not exists status text,
    add column if not exists started_at timestamptz,
    add column if not exists answered_at timestamptz,
    add column if not exists ended_at timestamptz,
    add column if not exists duration_seconds integer,
    add column if not exists answered_by text,
    add column if not exists error_code text,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
comment on column public.calls.status is 'Twilio''s CallStatus, the latest of a call''s life: ended over in progress over ringing, then by SequenceNumber.';
comment on column public.calls.answered_at is 'As Twilio tells it; else by the end and the duration, to the second.';
comment on column public.calls.parent_call_sid is 'The call that this one is a leg of: a call put through has one for either side.';
comment on column public.calls.duration_seconds is 'Twilio''s CallDuration; its Duration counts minutes.';
create unique index if not exists calls_call_sid_key on public.calls (call_sid);
create index if not exists calls_parent_call_sid_idx on public.calls (parent_call_sid);
create index if not exists calls_phone_id_idx on public.calls (phone_id, created_at);

create table if not exists public.call_recordings (
    id uuid primary key default gen_random_uuid()
);
alter table public.call_recordings
    add column if not exists recording_sid text,
    add column if not exists call_sid text,
    add column if not exists phone_id uuid references public.phone_numbers (id) on delete set null,
    add column if not exists status text,
    add column if not exists recording_url text,
    add column if not exists storage_path text,
    add column if not exists duration_seconds integer,
    add column if not exists channels integer,
    add column if not exists source text,
    add column if not exists started_at timestamptz,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
comment on column public.call_recordings.storage_path is 'Where the copy in Storage is, once it is there.';
create unique index if not exists call_recordings_recording_sid_key on public.call_recordings (recording_sid);
create index if not exists call_recordings_call_sid_idx on public.call_recordings (call_sid);
create index if not exists call_recordings_phone_id_idx on public.call_recordings (phone_id, created_at);

create table if not exists public.call_transcriptions (
    id uuid primary key default gen_random_uuid()
);
alter table public.call_transcriptions
    add column if not exists transcription_key text,
    add column if not exists transcription_sid text,
    add column if not exists call_sid text,
    add column if not exists recording_sid text,
    add column if not exists phone_id uuid references public.phone_numbers (id) on delete set null,
    add column if not exists status text,
    add column if not exists text text,
    add column if not exists confidence double precision,
    add column if not exists track text,
    add column if not exists sequence integer,
    add column if not exists final boolean,
    add column if not exists language text,
    add column if not exists spoken_at timestamptz,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
comment on column public.call_transcriptions.transcription_key is 'The TranscriptionSid; of a real-time one with its SequenceId, a row per piece.';
create unique index if not exists call_transcriptions_transcription_key_key on public.call_transcriptions (transcription_key);
create index if not exists call_transcriptions_call_sid_idx on public.call_transcriptions (call_sid);
create index if not exists call_transcriptions_phone_id_idx on public.call_transcriptions (phone_id, created_at);

create table if not exists public.sms_messages (
    id uuid primary key default gen_random_uuid()
);
alter table public.sms_messages
    add column if not exists message_sid text,
    add column if not exists phone_id uuid references public.phone_numbers (id) on delete set null,
    add column if not exists direction text,
    add column if not exists from_number text,
    add column if not exists to_number text,
    add column if not exists body text,
    add column if not exists media_count integer,
    add column if not exists status text,
    add column if not exists error_code text,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
create unique index if not exists sms_messages_message_sid_key on public.sms_messages (message_sid);
create index if not exists sms_messages_phone_id_idx on public.sms_messages (phone_id, created_at);

-- Tell a row whose phone it is: by its own numbers, or by its call's. The second leg of a call goes from
-- a caller to a number that neither is ours, so it belongs where the first leg does.
create or replace function private.phone_of(p_row jsonb) returns uuid
language sql stable set search_path = '' as $$
    select coalesce(
        (
            -- Of what is between two of our numbers either has a row of its own: who calls the one that goes out.
            select p.id from public.phone_numbers p where p.phone_number = p_row ->> case
                when p_row ->> 'direction' like 'outbound%' and p_row ->> 'parent_call_sid' is null then 'from_number'
                else 'to_number'
            end
        ),
        (
            select c.phone_id from public.calls c
            where c.call_sid = coalesce(p_row ->> 'parent_call_sid', p_row ->> 'call_sid') limit 1
        ),
        -- After its call: a leg comes from whoever called, maybe from a number of somebody else here.
        (
            select p.id from public.phone_numbers p
            where p.phone_number in (p_row ->> 'to_number', p_row ->> 'from_number') limit 1
        )
    )
$$;
revoke execute on function private.phone_of(jsonb) from public, anon, authenticated;
grant execute on function private.phone_of(jsonb) to service_role;

create or replace function private.set_phone() returns trigger
language plpgsql set search_path = '' as $$
declare
    of_call text := to_jsonb(new) ->> case tg_table_name when 'calls' then 'parent_call_sid' else 'call_sid' end;
begin
    if exists (select from public.phone_numbers p where p.id = new.phone_id) then
        return new;
    end if;
    if of_call is not null and not exists (select from public.calls c where c.call_sid = of_call) then
        -- Its call may be in a transaction that has not ended: wait for that, by the lock of `apply_record`.
        perform pg_advisory_xact_lock(hashtextextended('calls' || jsonb_build_object('call_sid', of_call)::text, 1));
    end if;
    -- Whoever names a phone names it from memory: one that is gone must not cost the row.
    new.phone_id := private.phone_of(to_jsonb(new));
    if new.phone_id is null and of_call is not null then
        -- Whoever tells the call's phone at this moment has either ended then, or will see this row.
        perform from public.calls c where c.call_sid = of_call for share;
        new.phone_id := private.phone_of(to_jsonb(new));
    end if;
    return new;
end
$$;
revoke execute on function private.set_phone() from public, anon, authenticated;

-- A number has become known, or a call's phone has: so has the phone of what came before.
create or replace function private.adopt_calls() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update public.calls c set phone_id = new.id
    where c.phone_id is null and new.phone_number in (c.to_number, c.from_number);
    update public.sms_messages m set phone_id = new.id
    where m.phone_id is null and new.phone_number in (m.to_number, m.from_number);
    return null;
end
$$;
revoke execute on function private.adopt_calls() from public, anon, authenticated;

create or replace function private.adopt_recordings() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    -- A leg that came before its call may have gone by the number that it comes from.
    update public.calls c set phone_id = new.phone_id
    where c.parent_call_sid = new.call_sid and c.phone_id is distinct from new.phone_id
        and not exists (select from public.phone_numbers p where p.phone_number = c.to_number);
    update public.call_recordings r set phone_id = new.phone_id where r.call_sid = new.call_sid and r.phone_id is null;
    update public.call_transcriptions t set phone_id = new.phone_id where t.call_sid = new.call_sid and t.phone_id is null;
    return null;
end
$$;
revoke execute on function private.adopt_recordings() from public, anon, authenticated;

create or replace trigger phone_numbers_adopt_calls
after insert or update of phone_number on public.phone_numbers for each row
when (new.phone_number is not null) execute function private.adopt_calls();
create or replace trigger calls_adopt_recordings
after insert or update on public.calls for each row
when (new.phone_id is not null) execute function private.adopt_recordings();

do $$
declare
    kept text;
begin
    foreach kept in array array['calls', 'call_recordings', 'call_transcriptions', 'sms_messages'] loop
        execute format('create or replace trigger a_set_phone before insert or update on public.%I for each row execute function private.set_phone()', kept);
        execute format('create or replace trigger bump_version before update on public.%I for each row execute function private.bump_version()', kept);
        execute format('alter table public.%I enable row level security', kept);
        execute format('revoke all on public.%I from anon, authenticated', kept);
        execute format('grant select on public.%I to authenticated', kept);
        execute format('grant select, insert, update, delete on public.%I to service_role', kept);
        execute format('drop policy if exists "people read what their numbers did, admins all" on public.%I', kept);
        execute format('create policy "people read what their numbers did, admins all" on public.%I for select to authenticated using ('
            'phone_id in (select p.id from public.phone_numbers p where p.user_id = (select auth.uid())) or (select private.is_admin()))', kept);
    end loop;
end
$$;

insert into private.record_tables (name, key_columns) values
    ('calls', '{call_sid}'), ('call_recordings', '{recording_sid}'),
    ('call_transcriptions', '{transcription_key}'), ('sms_messages', '{message_sid}')
on conflict (name) do update set key_columns = excluded.key_columns;

-- Order a copy of a call's recording, in the transaction that tells that it is there.
create or replace function private.order_copy() returns trigger
language plpgsql set search_path = '' as $$
begin
    insert into private.recording_copies (conversation_id, source_url)
    values ('twilio:' || new.recording_sid, new.recording_url)
    on conflict do nothing;
    return null;
end
$$;
revoke execute on function private.order_copy() from public, anon, authenticated;
create or replace trigger call_recordings_order_copy after insert or update on public.call_recordings for each row
when (
    new.recording_url ~* '^https://' and octet_length(new.recording_url) <= 2000 and new.storage_path is null
    and coalesce(new.status, 'completed') = 'completed'
) execute function private.order_copy();

-- 33_bookings.sql

-- Appointments, as Calendly tells of them, and requests for one that a call has made.
create table if not exists public.bookings (
    id uuid primary key default gen_random_uuid()
);
alter table public.bookings
    add column if not exists booking_key text,
    add column if not exists phone_id uuid references public.phone_numbers (id) on delete set null,
    add column if not exists told_phone_id uuid,
    add column if not exists status text,
    add column if not exists event_type text,
    add column if not exists name text,
    add column if not exists invitee_name text,
    add column if not exists invitee_email text,
    add column if not exists invitee_phone text,
    add column if not exists starts_at timestamptz,
    add column if not exists ends_at timestamptz,
    add column if not exists timezone text,
    add column if not exists location text,
    add column if not exists scheduling_url text,
    add column if not exists cancel_url text,
    add column if not exists reschedule_url text,
    add column if not exists cancel_reason text,
    add column if not exists canceled_by text,
    add column if not exists rescheduled_from text,
    add column if not exists rescheduled_to text,
    add column if not exists no_show boolean,
    add column if not exists answers jsonb,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
comment on column public.bookings.booking_key is 'The invitee''s address at Calendly; of a request, its own id: request:<uuid>.';
comment on column public.bookings.status is 'Of a request requested, used or failed; of a booking active, canceled or rescheduled.';
comment on column public.bookings.phone_id is 'The phone that the booking names, else that of the booking which it replaced.';
comment on column public.bookings.told_phone_id is 'The phone that the booking itself names; there need not be one.';
comment on column public.bookings.rescheduled_to is 'The booking_key of the booking that replaced this one.';
create unique index if not exists bookings_booking_key_key on public.bookings (booking_key);
create index if not exists bookings_phone_id_idx on public.bookings (phone_id, created_at);
create index if not exists bookings_rescheduled_from_idx on public.bookings (rescheduled_from);
create index if not exists bookings_told_phone_id_idx on public.bookings (told_phone_id);

-- What the owner of a number is to know.
create table if not exists public.notifications (
    id uuid primary key default gen_random_uuid()
);
alter table public.notifications
    add column if not exists notification_key text,
    add column if not exists phone_id uuid references public.phone_numbers (id) on delete cascade,
    add column if not exists booking_key text,
    add column if not exists kind text,
    add column if not exists title text,
    add column if not exists details jsonb,
    add column if not exists read_at timestamptz,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
comment on column public.notifications.booking_key is 'The booking that it is about: its phone is the notification''s.';
create unique index if not exists notifications_notification_key_key on public.notifications (notification_key);
create index if not exists notifications_phone_id_idx on public.notifications (phone_id, created_at);
create index if not exists notifications_booking_key_idx on public.notifications (booking_key);

-- Tell a booking whose phone it is. Both that and the notifications' phone follow the chain of rescheduled
-- bookings, whichever of them is told first: a new row looks back along it, a changed one tells those after it.
-- The share lock makes them wait for each other where they are told at one moment.
create or replace function private.set_booking_phone() returns trigger
language plpgsql set search_path = '' as $$
begin
    if new.phone_id is not null and (tg_op = 'INSERT' or new.phone_id is distinct from old.phone_id) then
        new.told_phone_id := new.phone_id;
    end if;
    new.phone_id := (select p.id from public.phone_numbers p where p.id = new.told_phone_id);
    if new.phone_id is null and new.rescheduled_from is not null then
        select b.phone_id into new.phone_id from public.bookings b
        where b.booking_key = new.rescheduled_from and b.booking_key is distinct from new.booking_key for share;
    end if;
    return new;
end
$$;
revoke execute on function private.set_booking_phone() from public, anon, authenticated;

create or replace function private.pass_on_booking_phone() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    -- A new link counts too: the booking after it may have been made while this one was not to be seen yet.
    if tg_op = 'UPDATE' and old.phone_id is not distinct from new.phone_id
        and old.rescheduled_to is not distinct from new.rescheduled_to then
        return null;
    end if;
    -- Null lets each look for itself.
    update public.bookings b set phone_id = null
    where b.rescheduled_from = new.booking_key and b.phone_id is distinct from new.phone_id;
    update public.notifications n set phone_id = new.phone_id
    where n.booking_key = new.booking_key and n.phone_id is distinct from new.phone_id;
    return null;
end
$$;
revoke execute on function private.pass_on_booking_phone() from public, anon, authenticated;

create or replace function private.set_notification_phone() returns trigger
language plpgsql set search_path = '' as $$
begin
    select b.phone_id into new.phone_id from public.bookings b where b.booking_key = new.booking_key for share;
    return new;
end
$$;
revoke execute on function private.set_notification_phone() from public, anon, authenticated;

-- A phone that bookings name has come to exist.
create or replace function private.adopt_bookings() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update public.bookings b set phone_id = new.id where b.told_phone_id = new.id;
    return null;
end
$$;
revoke execute on function private.adopt_bookings() from public, anon, authenticated;

create or replace trigger b_set_booking_phone before insert or update on public.bookings
for each row execute function private.set_booking_phone();
-- Not `of phone_id`: it is the trigger above that sets it.
create or replace trigger bookings_pass_on_phone after insert or update on public.bookings
for each row execute function private.pass_on_booking_phone();
create or replace trigger b_set_notification_phone before insert or update on public.notifications
for each row when (new.booking_key is not null) execute function private.set_notification_phone();
create or replace trigger phone_numbers_adopt_bookings after insert on public.phone_numbers
for each row execute function private.adopt_bookings();

-- Payments and what they are for, as Stripe tells of them.
create table if not exists public.payments (
    id uuid primary key default gen_random_uuid()
);
alter table public.payments
    add column if not exists stripe_id text,
    add column if not exists kind text,
    add column if not exists phone_id uuid references public.phone_numbers (id) on delete set null,
    add column if not exists customer text,
    add column if not exists customer_email text,
    add column if not exists status text,
    add column if not exists amount bigint,
    add column if not exists currency text,
    add column if not exists subscription text,
    add column if not exists invoice text,
    add column if not exists payment_intent text,
    add column if not exists period_start timestamptz,
    add column if not exists period_end timestamptz,
    add column if not exists cancel_at timestamptz,
    add column if not exists failure text,
    add column if not exists account text,
    add column if not exists livemode boolean,
    add column if not exists metadata jsonb,
    add column if not exists stripe_created timestamptz,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
comment on column public.payments.stripe_id is 'The id of the checkout session, invoice, subscription or payment intent.';
comment on column public.payments.kind is 'checkout, invoice, subscription or payment_intent.';
comment on column public.payments.amount is 'In the currency''s smallest unit, as Stripe counts.';
create unique index if not exists payments_stripe_id_key on public.payments (stripe_id);
create index if not exists payments_phone_id_idx on public.payments (phone_id, created_at);
create index if not exists payments_customer_idx on public.payments (customer);

-- Whoever names a phone names it from memory: one that is gone must not cost the row.
create or replace function private.check_phone() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.phone_id := (select p.id from public.phone_numbers p where p.id = new.phone_id);
    return new;
end
$$;
revoke execute on function private.check_phone() from public, anon, authenticated;

-- Messages of another system, told by a source of the settings; see docs/senders/sources.md.
create table if not exists public.received_messages (
    id uuid primary key default gen_random_uuid()
);
alter table public.received_messages
    add column if not exists source text,
    add column if not exists message_id text,
    add column if not exists conversation_id text,
    add column if not exists content text,
    add column if not exists content_type text,
    add column if not exists filename text,
    add column if not exists type text,
    add column if not exists channel text,
    add column if not exists status text,
    add column if not exists metadata jsonb,
    add column if not exists created_by text,
    add column if not exists updated_by text,
    add column if not exists sent_at timestamptz,
    add column if not exists changed_at timestamptz,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
create unique index if not exists received_messages_source_message_id_key on public.received_messages (source, message_id);

do $$
declare
    kept text;
begin
    foreach kept in array array['bookings', 'notifications', 'payments', 'received_messages'] loop
        execute format('create or replace trigger bump_version before update on public.%I for each row execute function private.bump_version()', kept);
        execute format('alter table public.%I enable row level security', kept);
        execute format('revoke all on public.%I from anon, authenticated', kept);
        execute format('grant select on public.%I to authenticated', kept);
        execute format('grant select, insert, update, delete on public.%I to service_role', kept);
        execute format('drop policy if exists "people read their own, admins all" on public.%I', kept);
    end loop;
    foreach kept in array array['notifications', 'payments'] loop
        execute format('create or replace trigger a_check_phone before insert or update on public.%I for each row when (new.phone_id is not null) execute function private.check_phone()', kept);
    end loop;
    foreach kept in array array['bookings', 'notifications', 'payments'] loop
        execute format('create policy "people read their own, admins all" on public.%I for select to authenticated using ('
            'phone_id in (select p.id from public.phone_numbers p where p.user_id = (select auth.uid())) or (select private.is_admin()))', kept);
    end loop;
end
$$;
drop policy if exists "people read their own, admins all" on public.received_messages;
create policy "people read their own, admins all" on public.received_messages for select to authenticated
using (
    conversation_id in (select c.conversation_id from public.conversations c where c.user_id = (select auth.uid()))
    or (select private.is_admin())
);

insert into private.record_tables (name, key_columns) values
    ('bookings', '{booking_key}'), ('notifications', '{notification_key}'),
    ('payments', '{stripe_id}'), ('received_messages', '{source,message_id}')
on conflict (name) do update set key_columns = excluded.key_columns;

-- 34_booking_requests.sql

-- A booking names the request whose link made it: then that request is used.
alter table public.bookings
    add column if not exists request_key text;
comment on column public.bookings.request_key is 'The booking_key of the request (request:<uuid>) whose link made this booking.';
create index if not exists bookings_request_key_idx on public.bookings (request_key) where request_key is not null;

-- Whoever books could write another request into the address: only one for the same phone is used up by it.
create or replace function private.use_booking_request() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.bookings b set status = 'used'
    where b.booking_key = new.request_key and b.status = 'requested' and b.phone_id = new.phone_id;
    return null;
end
$$;
revoke execute on function private.use_booking_request() from public, anon, authenticated;
create or replace trigger bookings_use_request after insert or update on public.bookings
for each row when (new.request_key is not null) execute function private.use_booking_request();

-- 35_recording_copies.sql

-- Recordings that are to be copied to Supabase Storage: one row for each https address that an event told.
create table if not exists private.recording_copies (
    conversation_id text not null,
    source_url text not null,
    state text not null default 'waiting' check (state in (
        'waiting', -- waiting -> copied or given up
        'copied', -- copied_url is what conversations.recording_url says
        'given up' -- the sender's address stays
    )),
    tries integer not null default 0,
    due_at timestamptz not null default now(),
    claim_id uuid,
    copied_url text,
    last_error text,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (conversation_id, source_url)
);
comment on column private.recording_copies.conversation_id is 'The conversation, or twilio:<recording_sid>.';
comment on column private.recording_copies.due_at is 'The next try; while it is claimed, the end of the lease.';

create index if not exists recording_copies_due_idx on private.recording_copies (due_at) where state = 'waiting';

alter table private.recording_copies enable row level security;
grant select, insert, update, delete on private.recording_copies to service_role;

-- The address of a conversation's recording if this event is the newest that told one, else null: the copy's, once
-- there is one, also when the event is applied again. A copy is ordered by the same transaction.
create or replace function private.recording(
    p_conversation_id text, p_change jsonb, p_event_key text
) returns text
language plpgsql set search_path = '' as $$
declare
    told text := private.newest(p_conversation_id, p_change, p_event_key, 'recording_url');
begin
    -- An index takes no longer key. Buckets' own addresses (s3://, gs://) stay as they are.
    if told is null or told !~* '^https://' or octet_length(told) > 2000 then
        return told;
    end if;
    insert into private.recording_copies (conversation_id, source_url) values (p_conversation_id, told)
    on conflict do nothing;
    return coalesce((
        select r.copied_url from private.recording_copies r
        where r.conversation_id = p_conversation_id and r.source_url = told
    ), told);
end
$$;
revoke execute on function private.recording(text, jsonb, text) from public, anon, authenticated;
grant execute on function private.recording(text, jsonb, text) to service_role;

-- Give the longest due copy out under a claim. Out: {conversation_id, id (our row's) or
-- recording_id (a phone call's), source_url, tries}, or null.
create or replace function public.claim_recording(claim uuid, lease_seconds double precision) returns jsonb
language sql security invoker set search_path = '' as $$
    with due as materialized (
        select r.conversation_id, r.source_url from private.recording_copies r
        where r.state = 'waiting' and r.due_at <= now()
        order by r.due_at limit 1 for update skip locked
    ), claimed as (
        update private.recording_copies r
        set claim_id = claim, tries = r.tries + 1, due_at = now() + make_interval(secs => lease_seconds)
        from due where r.conversation_id = due.conversation_id and r.source_url = due.source_url
        returning r.*
    )
    select jsonb_build_object('conversation_id', r.conversation_id, 'source_url', r.source_url, 'tries', r.tries, 'id', (
        select c.id from public.conversations c where c.conversation_id = r.conversation_id
    ), 'recording_id', (
        select p.id from public.call_recordings p
        where r.conversation_id like 'twilio:%' and p.recording_sid = substr(r.conversation_id, 8)
    ))
    from claimed r
$$;
revoke execute on function public.claim_recording(uuid, double precision) from public, anon, authenticated;
grant execute on function public.claim_recording(uuid, double precision) to service_role;

-- Make a claim last from now on once more. Returns whether it still holds.
create or replace function public.extend_recording(claim uuid, lease_seconds double precision) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
    update private.recording_copies r set due_at = now() + make_interval(secs => lease_seconds)
    where r.claim_id = claim and r.state = 'waiting';
    return found;
end
$$;
revoke execute on function public.extend_recording(uuid, double precision) from public, anon, authenticated;
grant execute on function public.extend_recording(uuid, double precision) to service_role;

-- Write down what came of a claimed copy. In: {claim, conversation_id, source_url} with {copied_url}, or with {error,
-- retry_seconds?}; without retry_seconds it is given up. A conversation that still has the sender's address gets the
-- copy's. Out: copied | waiting | given up | lost (somebody else has claimed it since).
create or replace function public.finish_recording(copy jsonb) returns text
language plpgsql security invoker set search_path = '' as $$
declare
    held private.recording_copies;
    next_state text := case
        when copy ? 'copied_url' then 'copied' when copy ? 'retry_seconds' then 'waiting' else 'given up'
    end;
begin
    -- The conversation first, then the row: everybody locks in this order.
    perform private.lock_conversation(copy ->> 'conversation_id');
    select * into held from private.recording_copies r
    where r.conversation_id = copy ->> 'conversation_id' and r.source_url = copy ->> 'source_url'
        and r.claim_id = (copy ->> 'claim')::uuid and r.state = 'waiting' for update;
    if held.conversation_id is null then
        return 'lost';
    end if;
    update private.recording_copies r
    set state = next_state, claim_id = null, copied_url = copy ->> 'copied_url', last_error = copy ->> 'error',
        due_at = now() + make_interval(secs => coalesce((copy ->> 'retry_seconds')::double precision, 0)),
        finished_at = case when next_state <> 'waiting' then now() end
    where r.conversation_id = held.conversation_id and r.source_url = held.source_url;

    if next_state = 'copied' then
        update public.call_recordings p set storage_path = copy ->> 'copied_url'
        where held.conversation_id like 'twilio:%' and p.recording_sid = substr(held.conversation_id, 8) and p.storage_path is null;
        update public.conversations c set recording_url = copy ->> 'copied_url'
        where c.conversation_id = held.conversation_id and c.recording_url = held.source_url;
        if found then
            perform private.project('tavus', held.conversation_id || ':recording_copied:' || held.source_url,
                held.conversation_id, 'recording_copied', jsonb_build_object('recording_url', copy ->> 'copied_url'), null);
        end if;
    end if;
    return next_state;
end
$$;
revoke execute on function public.finish_recording(jsonb) from public, anon, authenticated;
grant execute on function public.finish_recording(jsonb) to service_role;

-- 36_webhook_endpoints.sql

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

-- 37_webhook_deliveries.sql

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

-- 38_outgoing_events.sql

-- What happens here that customers are told of. Triggers, so that whoever writes a row tells of it in the same transaction.
-- They run as their owner: an app that writes these tables itself has no right to the outbox.

alter table public.conversation_messages
    add column if not exists content_type text,
    add column if not exists type text,
    add column if not exists channel text,
    add column if not exists status text,
    add column if not exists filename text,
    add column if not exists metadata jsonb,
    add column if not exists created_by text,
    add column if not exists updated_by text,
    add column if not exists updated_at timestamptz;
comment on column public.conversation_messages.origin is 'live, transcript, or api: somebody added it.';

-- A message as customers see it. What was said in a call has only a role; whoever adds a message says the rest.
create or replace function private.message_data(p_message public.conversation_messages, p_conversation public.conversations)
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    kind text := coalesce(p_message.type, case p_message.role when 'user' then 'USER_INPUT' when 'assistant' then 'BOT' else 'SYSTEM' end);
    author text := coalesce(p_message.created_by, case kind
        when 'USER_INPUT' then p_conversation.user_id::text
        when 'BOT' then coalesce(p_conversation.replica_id, p_conversation.persona_id, 'assistant')
        else 'system'
    end);
    made_at timestamptz := coalesce(p_message.timestamp, p_message.created_at, now());
begin
    return jsonb_build_object(
        'id', p_message.id, 'content', coalesce(p_message.content, ''), 'content_type', coalesce(p_message.content_type, 'TEXT'),
        'type', kind, 'channel', coalesce(p_message.channel, 'API'), 'status', coalesce(p_message.status, 'RECEIVED'),
        'metadata', coalesce(p_message.metadata, '{}'),
        'created_by', author, 'updated_by', coalesce(p_message.updated_by, author),
        'created_at', private.iso(made_at), 'updated_at', private.iso(coalesce(p_message.updated_at, made_at))
    ) || case when p_message.filename is null then '{}' else jsonb_build_object('filename', p_message.filename) end;
end
$$;
revoke execute on function private.message_data(public.conversation_messages, public.conversations) from public, anon, authenticated;
grant execute on function private.message_data(public.conversation_messages, public.conversations) to service_role;

-- What begins the name of every word that a browser told of an inference.
create or replace function private.inference_key(p_message public.conversation_messages) returns text
language sql immutable set search_path = '' as $$
    select 'relayed:' || coalesce(p_message.role, '') || ':' || p_message.inference_id || ':'
$$;
revoke execute on function private.inference_key(public.conversation_messages) from public, anon, authenticated;
grant execute on function private.inference_key(public.conversation_messages) to service_role;

-- What names a message. What a browser told of an inference is one of those words of it that its sender's may take the place of.
create or replace function private.message_key(p_message public.conversation_messages) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_message.origin = 'api' then 'api:' || p_message.id
        when p_message.origin = 'transcript' then 'line:' || p_message.message_id
        when p_message.relayed and p_message.inference_id is not null
            then 'live:' || private.inference_key(p_message) || p_message.message_id
        else 'live:' || p_message.message_id
    end
$$;
revoke execute on function private.message_key(public.conversation_messages) from public, anon, authenticated;
grant execute on function private.message_key(public.conversation_messages) to service_role;

-- Whether a browser's word of this message was told already: then that is now this message's.
create or replace function private.takes_place_of_relayed(
    p_message public.conversation_messages, p_conversation uuid, p_prefix text, p_key text
) returns boolean
language plpgsql set search_path = '' as $$
begin
    if p_message.origin <> 'live' or p_message.relayed or p_message.inference_id is null
        or exists (select from private.outgoing_events o where o.key = p_key) then
        return false;
    end if;
    update private.outgoing_events o set key = p_key
    where o.id = (
        select told.id from private.outgoing_events told
        where told.conversation_id = p_conversation
            and starts_with(told.key, p_prefix || 'live:' || private.inference_key(p_message))
        order by told.created_at, told.id limit 1
    );
    return found;
end
$$;
revoke execute on function private.takes_place_of_relayed(public.conversation_messages, uuid, text, text) from public, anon, authenticated;
grant execute on function private.takes_place_of_relayed(public.conversation_messages, uuid, text, text) to service_role;

-- Tell of a message, once for each status. Lines of a transcript only where nothing of the talk was told live.
create or replace function private.emit_message(p_message public.conversation_messages, p_conversation public.conversations)
returns void
language plpgsql set search_path = '' as $$
declare
    status text := coalesce(p_message.status, 'RECEIVED');
    event_type text := case status when 'RECEIVED' then 'message.created' else 'message.processed' end;
    prefix text := 'message:' || p_conversation.id || ':';
    key text := prefix || private.message_key(p_message) || ':' || status;
begin
    if p_conversation.user_id is null
        or not exists (select from private.endpoints_for(p_conversation.user_id, event_type, p_conversation.id))
        or (p_message.origin = 'transcript' and exists (
            select from private.outgoing_events o
            where o.conversation_id = p_conversation.id and starts_with(o.key, prefix || 'live:')
        ))
        or private.takes_place_of_relayed(p_message, p_conversation.id, prefix, key)
    then
        return;
    end if;
    perform private.emit(
        key, event_type, p_conversation.user_id, p_conversation.id,
        jsonb_build_object('conversation_id', p_conversation.id,
            'data', private.message_data(p_message, p_conversation), 'timestamp', private.iso(now()))
    );
end
$$;
revoke execute on function private.emit_message(public.conversation_messages, public.conversations) from public, anon, authenticated;
grant execute on function private.emit_message(public.conversation_messages, public.conversations) to service_role;

create or replace function private.tell_message() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    conversation public.conversations;
begin
    select * into conversation from public.conversations c where c.conversation_id = new.conversation_id;
    perform private.emit_message(new, conversation);
    return null;
end
$$;
revoke execute on function private.tell_message() from public, anon, authenticated;
create or replace trigger conversation_messages_tell after insert or update of status on public.conversation_messages
for each row when (new.origin is not null) execute function private.tell_message();

-- What a conversation's objective found out, each time that it is more.
create or replace function private.emit_qualification(p_row public.qualification_data, p_conversation public.conversations)
returns void
language plpgsql set search_path = '' as $$
begin
    perform private.emit_fact(p_row.id || ':' || p_row.version, 'qualification.updated', p_conversation.user_id, p_conversation.id,
        jsonb_build_object('conversation_id', p_conversation.id, 'provider_conversation_id', p_row.conversation_id)
        || jsonb_build_object('objective_name', p_row.objective_name, 'first_name', p_row.first_name,
            'last_name', p_row.last_name, 'email', p_row.email, 'position', p_row.position,
            'output_variables', p_row.output_variables, 'version', p_row.version));
end
$$;
revoke execute on function private.emit_qualification(public.qualification_data, public.conversations) from public, anon, authenticated;
grant execute on function private.emit_qualification(public.qualification_data, public.conversations) to service_role;

create or replace function private.tell_qualification() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    conversation public.conversations;
begin
    if tg_op = 'UPDATE' and old.version is not distinct from new.version then
        return null;
    end if;
    select * into conversation from public.conversations c where c.conversation_id = new.conversation_id;
    perform private.emit_qualification(new, conversation);
    return null;
end
$$;
revoke execute on function private.tell_qualification() from public, anon, authenticated;
create or replace trigger qualification_data_tell after insert or update on public.qualification_data
for each row when (new.version is not null) execute function private.tell_qualification();

create or replace function private.emit_feedback(p_feedback public.feedback_sessions, p_conversation public.conversations)
returns void
language plpgsql set search_path = '' as $$
begin
    perform private.emit_fact(p_feedback.id::text, 'feedback.created', coalesce(p_conversation.user_id, p_feedback.user_id),
        p_conversation.id, jsonb_build_object(
            'id', p_feedback.id, 'conversation_id', p_conversation.id, 'provider_conversation_id', p_conversation.conversation_id,
            'scenario_id', p_feedback.scenario_id, 'score', p_feedback.score, 'analysis', p_feedback.analysis,
            'analyzer', p_feedback.analyzer, 'duration', p_feedback.duration, 'completed_at', private.iso(p_feedback.completed_at)
        ));
end
$$;
revoke execute on function private.emit_feedback(public.feedback_sessions, public.conversations) from public, anon, authenticated;
grant execute on function private.emit_feedback(public.feedback_sessions, public.conversations) to service_role;

-- A conversation has become known, or somebody's: tell what came before it was. Of one that gets its owner late only the last day, lest
-- a table that is filled in afterwards tell of old times. Named to fire after `conversations_adopt_events`.
create or replace function private.tell_what_waited() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    message public.conversation_messages;
    found_out public.qualification_data;
    scored public.feedback_sessions;
    since timestamptz := '-infinity';
begin
    if tg_op = 'UPDATE' and old.conversation_id is not distinct from new.conversation_id then
        if old.user_id is not null then
            return null;
        end if;
        since := now() - interval '1 day';
    end if;
    for message in
        select * from public.conversation_messages m
        where m.conversation_id = new.conversation_id and m.origin is not null and m.created_at >= since
        order by m.position, m.seq, m.turn_idx, m.timestamp nulls first, m.created_at, m.id
    loop
        perform private.emit_message(message, new);
    end loop;
    for found_out in
        select * from public.qualification_data q
        where q.conversation_id = new.conversation_id and q.version is not null and q.received_at >= since
        order by q.received_at, q.id
    loop
        perform private.emit_qualification(found_out, new);
    end loop;
    for scored in
        select * from public.feedback_sessions f
        where f.conversation_id = new.id and f.version is not null and f.created_at >= since
    loop
        perform private.emit_feedback(scored, new);
    end loop;
    return null;
end
$$;
revoke execute on function private.tell_what_waited() from public, anon, authenticated;
create or replace trigger conversations_tell_what_waited after insert or update of conversation_id, user_id on public.conversations
for each row when (new.conversation_id is not null and new.user_id is not null) execute function private.tell_what_waited();

create or replace function private.tell_conversation() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'INSERT' or old.status::text is distinct from 'completed'
        -- It was over before it was somebody's: see tell_what_waited.
        or (old.user_id is null and greatest(new.created_at, new.started_at, new.ended_at) >= now() - interval '1 day')
    then
        perform private.emit_fact(new.id::text, 'conversation.completed', new.user_id, new.id, jsonb_build_object(
            'conversation_id', new.id, 'provider_conversation_id', new.conversation_id, 'status', new.status,
            'end_reason', new.end_reason, 'started_at', private.iso(new.started_at), 'ended_at', private.iso(new.ended_at),
            'duration_seconds', new.duration_seconds, 'scenario_id', new.scenario_id, 'demo_id', new.demo_id,
            'persona_id', new.persona_id, 'replica_id', new.replica_id, 'conversation_name', new.conversation_name
        ));
    end if;
    return null;
end
$$;
revoke execute on function private.tell_conversation() from public, anon, authenticated;
create or replace trigger conversations_tell_completed after insert or update on public.conversations
for each row when (new.status::text = 'completed' and new.user_id is not null) execute function private.tell_conversation();

create or replace function private.tell_feedback() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform private.emit_feedback(new, c) from public.conversations c where c.id = new.conversation_id;
    return null;
end
$$;
revoke execute on function private.tell_feedback() from public, anon, authenticated;
create or replace trigger feedback_sessions_tell after insert on public.feedback_sessions
for each row when (new.version is not null) execute function private.tell_feedback();

create or replace function private.tell_call() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'UPDATE' and old.status is not distinct from new.status and old.phone_id is not distinct from new.phone_id then
        return null;
    end if;
    perform private.emit_fact(new.id::text, 'call.completed', p.user_id, null, jsonb_build_object(
        'id', new.id, 'call_sid', new.call_sid, 'parent_call_sid', new.parent_call_sid, 'phone_id', new.phone_id,
        'direction', new.direction, 'from_number', new.from_number, 'to_number', new.to_number,
        'caller_name', new.caller_name, 'status', new.status, 'answered_by', new.answered_by,
        'started_at', private.iso(new.started_at), 'answered_at', private.iso(new.answered_at),
        'ended_at', private.iso(new.ended_at), 'duration_seconds', new.duration_seconds
    ))
    from public.phone_numbers p where p.id = new.phone_id;
    return null;
end
$$;
revoke execute on function private.tell_call() from public, anon, authenticated;
create or replace trigger calls_tell_completed after insert or update on public.calls
for each row when (new.status = 'completed' and new.phone_id is not null) execute function private.tell_call();

create or replace function private.tell_booking() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'UPDATE' and old.status is not distinct from new.status and old.phone_id is not distinct from new.phone_id then
        return null;
    end if;
    perform private.emit_fact(new.id::text, 'booking.created', p.user_id, null, jsonb_build_object(
        'id', new.id, 'booking_key', new.booking_key, 'phone_id', new.phone_id, 'status', new.status,
        'event_type', new.event_type, 'name', new.name, 'invitee_name', new.invitee_name,
        'invitee_email', new.invitee_email, 'invitee_phone', new.invitee_phone,
        'starts_at', private.iso(new.starts_at), 'ends_at', private.iso(new.ends_at), 'timezone', new.timezone,
        'location', new.location, 'rescheduled_from', new.rescheduled_from
    ))
    from public.phone_numbers p where p.id = new.phone_id;
    return null;
end
$$;
revoke execute on function private.tell_booking() from public, anon, authenticated;
create or replace trigger bookings_tell_created after insert or update on public.bookings
for each row when (new.status = 'active' and new.phone_id is not null) execute function private.tell_booking();

-- Let browsers hear that an added message is there, or has gone on: messages themselves are not published.
create or replace function private.show_message(p_message public.conversation_messages) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.project(
        'convohooks', concat_ws(':', p_message.conversation_id, 'message', p_message.id, extract(epoch from p_message.updated_at)),
        p_message.conversation_id, 'conversation.message.updated',
        jsonb_build_object('id', p_message.id, 'type', p_message.type, 'status', p_message.status), null
    );
end
$$;
revoke execute on function private.show_message(public.conversation_messages) from public, anon, authenticated;
grant execute on function private.show_message(public.conversation_messages) to service_role;

-- Add a message to a conversation of one's own. In: message_id, content, content_type, type, channel, status, created_by, and
-- perhaps filename, metadata. Out: {outcome: new | duplicate (of the same message_id) | unplaced (its sender has not named the
-- conversation yet), row: the message as customers see it}; null when the conversation is not the owner's.
create or replace function public.add_message(owner uuid, conversation uuid, message jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    into_one public.conversations;
    added public.conversation_messages;
    outcome text := 'new';
begin
    select * into into_one from public.conversations c where c.id = conversation and c.user_id = owner;
    if into_one.id is null then
        return null;
    elsif into_one.conversation_id is null then
        return jsonb_build_object('outcome', 'unplaced');
    end if;
    insert into public.conversation_messages (conversation_id, message_id, role, content, content_length, origin, timestamp,
        content_type, type, channel, status, filename, metadata, created_by, updated_by, updated_at)
    select into_one.conversation_id, m.message_id,
        case m.type when 'USER_INPUT' then 'user' when 'BOT' then 'assistant' else 'system' end,
        m.content, length(m.content), 'api', now(), m.content_type, m.type, m.channel, m.status, m.filename,
        coalesce(m.metadata, '{}'), m.created_by, m.created_by, now()
    from jsonb_populate_record(null::public.conversation_messages, message) m
    on conflict (conversation_id, message_id) where origin is not null do nothing
    returning * into added;
    if added.id is null then
        outcome := 'duplicate';
        select * into added from public.conversation_messages m
        where m.conversation_id = into_one.conversation_id and m.message_id = message ->> 'message_id' and m.origin is not null;
    else
        perform private.show_message(added);
    end if;
    return jsonb_build_object('outcome', outcome, 'row', private.message_data(added, into_one));
end
$$;
revoke execute on function public.add_message(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.add_message(uuid, uuid, jsonb) to service_role;

-- Say that an added message has been processed, or that this failed. In: status, updated_by. Out: the message; null when
-- there is none that was added.
create or replace function public.change_message(owner uuid, conversation uuid, message uuid, change jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    of_one public.conversations;
    changed public.conversation_messages;
begin
    select * into of_one from public.conversations c where c.id = conversation and c.user_id = owner;
    update public.conversation_messages m
    set status = change ->> 'status', updated_by = change ->> 'updated_by', updated_at = now()
    where m.id = message and m.conversation_id = of_one.conversation_id and m.origin = 'api'
    returning * into changed;
    if changed.id is null then
        return null;
    end if;
    perform private.show_message(changed);
    return private.message_data(changed, of_one);
end
$$;
revoke execute on function public.change_message(uuid, uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.change_message(uuid, uuid, uuid, jsonb) to service_role;

-- 39_endpoint_health.sql

-- How each endpoint that the caller may see has done: {endpoint_id, delivered and failed: the attempts since then, last_delivered_at,
-- last_failed_at: of all that are kept}. Row-level security decides what is seen.
create or replace function public.endpoint_health(since timestamptz) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('endpoint_id', e.id, 'delivered', lately.delivered, 'failed', lately.failed,
        'last_delivered_at', good.attempted_at, 'last_failed_at', bad.attempted_at)), '[]')
    from public.webhook_endpoints e
    cross join lateral (
        select count(*) filter (where a.error is null) as delivered, count(*) filter (where a.error is not null) as failed
        from public.delivery_attempts a where a.endpoint_id = e.id and a.attempted_at >= since
    ) lately
    left join lateral (
        select a.attempted_at from public.delivery_attempts a
        where a.endpoint_id = e.id and a.error is null order by a.attempted_at desc limit 1
    ) good on true
    left join lateral (
        select a.attempted_at from public.delivery_attempts a
        where a.endpoint_id = e.id and a.error is not null order by a.attempted_at desc limit 1
    ) bad on true
$$;
revoke execute on function public.endpoint_health(timestamptz) from public, anon, authenticated;
grant execute on function public.endpoint_health(timestamptz) to authenticated;

-- 39_sealed_values.sql

-- What is sealed of endpoints (services/outgoing/vault.py), to be sealed anew when the key changes.

-- A page of it after a place, in the order of places: [{place, value}].
create or replace function public.sealed_values(after text, most integer) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('place', p.place, 'value', p.value) order by p.place collate "C"), '[]')
    from (
        select v.place, v.value
        from (
            select 'secret ' || s.id as place, s.secret as value from private.endpoint_secrets s
            union all
            select 'header ' || h.endpoint_id || ' ' || h.name, h.value from private.endpoint_headers h
        ) v
        where v.place collate "C" > sealed_values.after
        order by v.place collate "C" limit least(sealed_values.most, 1000)
    ) p
$$;
revoke execute on function public.sealed_values(text, integer) from public, anon, authenticated;
grant execute on function public.sealed_values(text, integer) to service_role;

-- Put each {place, was, value} where its place still says what it was; return how many did.
create or replace function public.reseal_values(batch jsonb) returns bigint
language sql volatile security invoker set search_path = '' as $$
    with asked as (
        select a.place, a.was, a.value from jsonb_to_recordset(batch) as a (place text, was text, value text)
    ), secrets as (
        update private.endpoint_secrets s set secret = a.value
        from asked a where a.place = 'secret ' || s.id and s.secret = a.was
        returning 1
    ), headers as (
        update private.endpoint_headers h set value = a.value
        from asked a where a.place = 'header ' || h.endpoint_id || ' ' || h.name and h.value = a.was
        returning 1
    )
    select (select count(*) from secrets) + (select count(*) from headers)
$$;
revoke execute on function public.reseal_values(jsonb) from public, anon, authenticated;
grant execute on function public.reseal_values(jsonb) to service_role;

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

-- 50_apply_effects.sql

-- Merge what an event says about its conversation into the conversation's row.
create or replace function private.apply_conversation(
    p_conversation_id text, p_event_key text, p_change jsonb
) returns void
language plpgsql set search_path = '' as $$
declare
    metadata_key text := p_change ->> 'metadata_key';
    -- What a browser relayed is older than anything that the sender itself told.
    age numeric := private.age_weight((p_change ->> 'at')::timestamptz) - case when p_change ? 'relayed' then 1e11 else 0 end;
    new_metadata jsonb := '{}';
    end_weight numeric;
    part text;
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
        end_weight := private.status_rank(p_change #>> '{end,status}') * 1e12
            - coalesce(extract(epoch from (p_change #>> '{end,at}')::timestamptz), 1e11);
        perform private.wins(p_conversation_id, 'end', end_weight, p_event_key, p_change -> 'end');
        -- What the best end leaves out, the best of those that tell it says.
        foreach part in array array['at', 'reason'] loop
            if p_change -> 'end' ? part then
                perform private.wins(p_conversation_id, 'end:' || part, end_weight, p_event_key,
                    jsonb_build_object(part, p_change #> array['end', part]));
            end if;
        end loop;
    end if;
    -- Of two values under one name the last stays: that of the best end.
    select jsonb_object_agg(told.key, told.value order by f.kind collate "C" desc) into final_end
    from private.conversation_facts f, jsonb_each(f.value) told
    where f.conversation_id = p_conversation_id and f.kind in ('end', 'end:at', 'end:reason');
    select * into conversation from public.conversations c
    where c.conversation_id = p_conversation_id for update;
    if metadata_key = 'application.perception_analysis' and new_metadata <> '{}' then
        conversation.perception_analysis := null; -- what a browser relayed
    end if;
    started_at := least(conversation.started_at, (p_change ->> 'started_at')::timestamptz);

    -- By way of jsonb each value takes the type that its column has; a table from before this schema
    -- may have others than ours.
    conversation := jsonb_populate_record(conversation, jsonb_strip_nulls(jsonb_build_object(
        'status', case
            when p_change ? 'relayed' then conversation.status::text
            when private.status_rank(final_end ->> 'status') > private.status_rank(conversation.status::text)
                then final_end ->> 'status'
            else coalesce(nullif(conversation.status::text, 'starting'), 'active')
        end,
        'started_at', started_at,
        'ended_at', (final_end ->> 'at')::timestamptz,
        'end_reason', final_end ->> 'reason',
        'duration_seconds', coalesce(
            (final_end ->> 'duration_seconds')::integer,
            private.seconds_between(started_at, (final_end ->> 'at')::timestamptz)
        ),
        'perception_analysis', case when new_metadata <> '{}' then p_change ->> 'perception_analysis' end,
        'recording_url', private.recording(p_conversation_id, p_change, p_event_key),
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
    record jsonb;
    unknown text;
begin
    -- Newer code than this schema: the event fails and is tried again, rather than half applied.
    select string_agg(told.name, ', ') into unknown from jsonb_object_keys(p_effects) as told (name)
    where told.name not in (
        'records', 'messages', 'transcript', 'tool_call', 'completion', 'conversation', 'feedback',
        'projections' -- which the caller writes
    );
    if unknown is not null then
        raise exception 'This schema does not know the effects %: it is older than the code', unknown;
    end if;
    for record in select * from jsonb_array_elements(p_effects -> 'records') loop
        perform private.apply_record(p_event_key, record);
    end loop;
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
            when deadlock_detected or serialization_failure or insufficient_resources or system_error or read_only_sql_transaction then
                raise;
            when others then
                -- A new beginning, like a replay: what it took to get here costs none of the retries.
                insert into private.event_attempts (event_id, attempt, error)
                values (waiting.id, waiting.attempts + 1, sqlerrm);
                update private.webhook_inbox i
                set state = 'failed', effects = null, attempts = waiting.attempts + 1, attempts_before = waiting.attempts,
                    last_error = sqlerrm, next_attempt_at = now() + interval '1 second', finished_at = null
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
    from public.conversations c where c.id = p_ref;
    allowed := coalesce(allowed, false);

    if allowed and conversation_id is null and p_conversation_id is not null then
        -- Nobody has named it yet: of two events only one may.
        select c.conversation_id into conversation_id from public.conversations c where c.id = p_ref for update;
    end if;
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
    if private.is_erased(conversation, p_event ->> 'source', p_event ->> 'event_key', p_event -> 'effects') then
        return private.ignore_erased(p_event);
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
    when deadlock_detected or serialization_failure or insufficient_resources or system_error or read_only_sql_transaction then
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
-- poisoned event fails alone. Deadlocks, timeouts, a full disk and a database that only reads are no event's fault: they go to
-- the caller, who sends the batch again.
create or replace function public.receive_events(batch jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    item record;
    results jsonb[] := array_fill(null::jsonb, array[jsonb_array_length(batch)]);
begin
    for item in
        select e.value, e.n from jsonb_array_elements(batch) with ordinality as e (value, n)
        order by e.value ->> 'conversation_id' collate "C",
            -- A conversation's lock holds off all others, so its events stay in the order of their arrival.
            case when not e.value ? 'conversation_id' then e.value ->> 'event_key' end collate "C", e.n
    loop
        begin
            results[item.n] := private.receive_event(item.value);
        exception
            when deadlock_detected or serialization_failure or insufficient_resources or system_error or read_only_sql_transaction then
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
-- longest due first. When a lease ends, its events are due again; claimed anew, they are lost to the claim before.
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
    if private.is_erased(event.conversation_id, event.source, event.event_key, p_item -> 'effects') then
        perform private.erase_event(event.id, false);
        return jsonb_build_object('id', event.id, 'outcome', 'ignored');
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
            when deadlock_detected or serialization_failure or insufficient_resources or system_error or read_only_sql_transaction then
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

-- A body as text, to be searched; one that is no UTF-8 with its odd bytes as \ooo, but for NULs: between the letters of UTF-16.
create or replace function private.body_text(p_body bytea) returns text
language plpgsql immutable set search_path = '' as $$
begin
    return convert_from(p_body, 'UTF8');
exception when character_not_in_repertoire or untranslatable_character then
    return replace(encode(p_body, 'escape'), '\000', '');
end
$$;
revoke execute on function private.body_text(bytea) from public, anon, authenticated;
grant execute on function private.body_text(bytea) to service_role;

-- The events that a filter names, newest first. A filter is a JSON object with any of: id, ids, state, source, event_type,
-- conversation_id, since, until (received_at), error (a part of the last error, in any case), text (the same of the body),
-- from_seq (the least seq).
create or replace function private.events_matching(p_filter jsonb, p_before bigint, p_most integer)
returns setof private.webhook_inbox
-- Planned anew for every filter: a plan for any filter would read the whole inbox for each.
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return query
    select * from private.webhook_inbox i
    where (p_before is null or i.seq < p_before)
        and (not p_filter ? 'id' or i.id = (p_filter ->> 'id')::uuid)
        and (not p_filter ? 'ids' or i.id = any (array(select jsonb_array_elements_text(p_filter -> 'ids'))::uuid[]))
        and (not p_filter ? 'from_seq' or i.seq >= (p_filter ->> 'from_seq')::bigint)
        and (not p_filter ? 'state' or i.state = p_filter ->> 'state')
        and (not p_filter ? 'source' or i.source = p_filter ->> 'source')
        and (not p_filter ? 'event_type' or i.event_type = p_filter ->> 'event_type')
        and (not p_filter ? 'conversation_id' or i.conversation_id = p_filter ->> 'conversation_id')
        and (not p_filter ? 'since' or i.received_at >= (p_filter ->> 'since')::timestamptz)
        and (not p_filter ? 'until' or i.received_at < (p_filter ->> 'until')::timestamptz)
        and (not p_filter ? 'error' or strpos(lower(i.last_error), lower(p_filter ->> 'error')) > 0)
        -- Last: only the bodies of events that are named by all else are read.
        and (not p_filter ? 'text' or strpos(lower(private.body_text(i.body)), lower(p_filter ->> 'text')) > 0)
    order by i.seq desc limit p_most;
end
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

-- How far down a search goes: the last of the `most` newest events before a seq that a filter names; null when
-- there are fewer.
create or replace function public.search_end(filter jsonb, before bigint, most integer) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object('seq', e.seq, 'received_at', e.received_at)
    from private.events_matching(filter - 'text', before, most) e
    order by e.seq desc offset most - 1 limit 1
$$;
revoke execute on function public.search_end(jsonb, bigint, integer) from public, anon, authenticated;
grant execute on function public.search_end(jsonb, bigint, integer) to service_role;

-- The row by which browsers know an event, if it has one.
create or replace function private.projection_of(p_event private.webhook_inbox) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', e.id, 'processed_at', e.processed_at, 'event_data', e.event_data)
    from public.processed_webhook_events e
    where e.source is not null and e.event_hash = encode(sha256(convert_to(concat_ws(E'\n',
        regexp_replace(p_event.source, '-relay$', ''), p_event.event_key, p_event.event_type), 'UTF8')), 'hex')
$$;
revoke execute on function private.projection_of(private.webhook_inbox) from public, anon, authenticated;
grant execute on function private.projection_of(private.webhook_inbox) to service_role;

-- The event of a row that browsers see: none of those that were received in the minutes before is missed, but one that
-- waited longer for its conversation, or for a worker, is.
create or replace function private.event_behind(p_row uuid) returns uuid
language sql stable set search_path = '' as $$
    select i.id
    from public.processed_webhook_events e
    join private.webhook_inbox i on i.pruned_at is null
        and i.received_at between e.processed_at - interval '10 minutes' and e.processed_at + interval '1 minute'
        and i.conversation_id is not distinct from e.conversation_id
    where e.id = p_row and e.source is not null and e.event_hash = encode(sha256(convert_to(concat_ws(E'\n',
        regexp_replace(i.source, '-relay$', ''), i.event_key, e.event_type), 'UTF8')), 'hex')
    limit 1
$$;
revoke execute on function private.event_behind(uuid) from public, anon, authenticated;
grant execute on function private.event_behind(uuid) to service_role;

-- One event with its body (base64), its headers and every attempt that failed; null when there is none.
-- It is named by its id, or by that of the row that browsers see.
create or replace function public.show_event(event_id uuid) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select private.event_summary(i) || jsonb_build_object(
        'event_key', i.event_key, 'path', i.path, 'headers', i.headers,
        'body', translate(encode(i.body, 'base64'), E'\n', ''), 'body_size', length(i.body), 'pruned_at', i.pruned_at,
        'duration_ms', i.duration_ms, 'projection', private.projection_of(i),
        'failures', (
            select coalesce(jsonb_agg(jsonb_build_object('attempt', a.attempt, 'error', a.error, 'at', a.at) order by a.id), '[]')
            from private.event_attempts a where a.event_id = i.id
        )
    )
    from private.webhook_inbox i
    where i.id = coalesce((select own.id from private.webhook_inbox own where own.id = event_id), private.event_behind(event_id))
$$;
revoke execute on function public.show_event(uuid) from public, anon, authenticated;
grant execute on function public.show_event(uuid) to service_role;

-- Make events due again, with all their retries; they keep their ids. What a worker has in hand is left to it,
-- and what has lost its body to its age cannot be handled any more. What is not as it was when it was found (somebody else has had
-- it replayed, or it was handled) is none of those that were meant.
-- Returns how many there were.
create or replace function public.replay_events(filter jsonb) returns integer
language sql security invoker set search_path = '' as $$
    with replayed as (
        update private.webhook_inbox i
        set state = 'received', effects = null, attempts_before = i.attempts, next_attempt_at = now(), finished_at = null
        from private.events_matching(filter, null, null) chosen
        where i.id = chosen.id and i.claim_id is null and i.pruned_at is null
            -- Read again, and with the row's lock.
            and (i.state, i.attempts, i.attempts_before, i.next_attempt_at, i.finished_at) is not distinct from
                (chosen.state, chosen.attempts, chosen.attempts_before, chosen.next_attempt_at, chosen.finished_at)
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
-- and answers of tools (after `days`), deliveries (after `days`, those that did not arrive after `dead_days`), what processes have
-- counted (after `days`) and told of themselves (after one). An event's key stays, so that a late repeat is still known. Out:
-- {bodies, dead, rejected, tool_runs, deliveries, outgoing_events, minutes, realtime_minutes, processes, projections}.
create or replace function public.prune(days integer, dead_days integer, most integer) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    old timestamptz := now() - make_interval(days => days);
    very_old timestamptz := now() - make_interval(days => dead_days);
    counts jsonb := '{}';
    n bigint;
begin
    update private.webhook_inbox i set body = '', headers = '{}', effects = null, last_error = null, pruned_at = now()
    -- Arrays, and one bound on the time: so the indexes serve whatever the numbers are.
    where i.id = any(array(
        select o.id from private.webhook_inbox o
        where o.pruned_at is null and o.received_at < greatest(old, very_old) and (
            (o.received_at < old and o.state in ('processed', 'ignored'))
            or (o.received_at < very_old and o.state = 'unmatched')
        )
        order by o.received_at limit most for update skip locked
    ));
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('bodies', n);

    delete from private.webhook_inbox i
    where i.id = any(array(
        select o.id from private.webhook_inbox o
        where o.state = 'dead' and o.received_at < very_old limit most for update skip locked
    ));
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('dead', n);

    delete from private.rejected_events r
    where r.id = any(array(
        select o.id from private.rejected_events o where o.received_at < very_old order by o.id limit most
    ));
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('rejected', n);

    delete from private.tool_runs r
    where r.ctid = any(array(
        select o.ctid from private.tool_runs o where o.claimed_at < old order by o.claimed_at limit most
    ));
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('tool_runs', n);

    delete from public.webhook_deliveries d
    where d.id = any(array(
        select o.id from public.webhook_deliveries o
        where o.created_at < greatest(old, very_old)
            and ((o.created_at < old and o.state = 'delivered') or o.created_at < very_old)
        order by o.created_at limit most
    ));
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('deliveries', n);

    delete from private.outgoing_events e
    where e.id = any(array(
        select o.id from private.outgoing_events o
        where o.created_at < old and not exists (select from public.webhook_deliveries d where d.event_id = o.id)
        order by o.created_at limit most
    ));
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('outgoing_events', n);

    delete from private.webhook_minutes m
    where m.ctid = any(array(
        select o.ctid from private.webhook_minutes o where o.minute < old order by o.minute limit most
    ));
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('minutes', n);

    delete from private.realtime_minutes m
    where m.minute = any(array(
        select o.minute from private.realtime_minutes o where o.minute < old order by o.minute limit most
    ));
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('realtime_minutes', n);

    delete from private.process_reports r
    where r.process_id = any(array(
        select o.process_id from private.process_reports o
        where o.reported_at < now() - interval '1 day' order by o.reported_at limit most
    ));
    get diagnostics n = row_count;
    counts := counts || jsonb_build_object('processes', n);

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

-- What waits in the inbox, for /metrics and `convohooks doctor`; of each state 100,000 are counted at most.
-- `oldest_due_seconds` is how long the longest due event has waited for a worker, null when none is due.
create or replace function public.inbox_backlog() returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object(
        'received', (select count(*) from (
            select 1 from private.webhook_inbox i where i.state = 'received' limit 100000
        ) counted),
        'failed', (select count(*) from (
            select 1 from private.webhook_inbox i where i.state = 'failed' limit 100000
        ) counted),
        'unmatched', (select count(*) from (
            select 1 from private.webhook_inbox i where i.state = 'unmatched' limit 100000
        ) counted),
        'dead', (select count(*) from (
            select 1 from private.webhook_inbox i where i.state = 'dead' limit 100000
        ) counted),
        'oldest_due_seconds', (
            select extract(epoch from now() - min(i.next_attempt_at)) from private.webhook_inbox i
            where i.state in ('received', 'failed') and i.next_attempt_at <= now()
        )
    )
$$;
revoke execute on function public.inbox_backlog() from public, anon, authenticated;
grant execute on function public.inbox_backlog() to service_role;

-- What this database is, for `convohooks doctor`. The version is the comment on this very function, the last
-- thing that the migration writes.
create or replace function public.describe_schema() returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object(
        'version', obj_description(to_regprocedure('public.describe_schema()'), 'pg_proc'),
        'published', (
            select coalesce(jsonb_agg(t.tablename order by t.tablename), '[]') from pg_publication_tables t
            where t.pubname = 'supabase_realtime' and t.schemaname = 'public'
        ),
        'now', now()
    )
$$;
revoke execute on function public.describe_schema() from public, anon, authenticated;
grant execute on function public.describe_schema() to service_role;

-- Who may do what here, and how long: for `convohooks doctor --target hosted`. Of functions it tells those that
-- reach the schema private and that browsers may call.
create or replace function public.describe_access() returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object(
        'tables', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'role', roles.name, 'table', n.nspname || '.' || c.relname, 'privilege', p.privilege
            ) order by roles.name, n.nspname, c.relname, p.privilege), '[]')
            from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            cross join unnest(array['anon', 'authenticated', 'service_role']) roles (name)
            cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p (privilege)
            where n.nspname in ('public', 'private') and c.relkind in ('r', 'p')
                and pg_catalog.has_table_privilege(roles.name::name, c.oid, p.privilege)
        ),
        'open_tables', (
            select coalesce(jsonb_agg(n.nspname || '.' || c.relname order by n.nspname, c.relname), '[]')
            from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where n.nspname in ('public', 'private') and c.relkind in ('r', 'p') and not c.relrowsecurity
        ),
        'functions', (
            select coalesce(jsonb_agg(distinct roles.name || ' ' || n.nspname || '.' || f.proname), '[]')
            from pg_catalog.pg_proc f
            join pg_catalog.pg_namespace n on n.oid = f.pronamespace
            cross join unnest(array['anon', 'authenticated']) roles (name)
            where n.nspname in ('public', 'private') and (n.nspname = 'private' or f.prosrc like '%private.%')
                and f.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
                and pg_catalog.has_function_privilege(roles.name::name, f.oid, 'EXECUTE')
        ),
        'timeouts', (
            select coalesce(jsonb_object_agg(r.rolname, split_part(s.setting, '=', 2)), '{}')
            from pg_catalog.pg_roles r cross join unnest(r.rolconfig) s (setting)
            where r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
                and s.setting like 'statement_timeout=%'
        ),
        'extensions', (
            select jsonb_object_agg(e.extname, n.nspname)
            from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
        ),
        'server', current_setting('server_version'),
        'reads_only', pg_catalog.pg_is_in_recovery()
    )
$$;
revoke execute on function public.describe_access() from public, anon, authenticated;
grant execute on function public.describe_access() to service_role;

-- As many rows as are asked for, 2,000 at most: how many arrive says what the API cuts off.
create or replace function public.probe_rows(wanted integer) returns setof integer
language sql stable security invoker set search_path = '' as $$
    select g from pg_catalog.generate_series(1, least(wanted, 2000)) g
$$;
revoke execute on function public.probe_rows(integer) from public, anon, authenticated;
grant execute on function public.probe_rows(integer) to service_role;

-- 71_reports.sql

-- What the running processes of the service tell of themselves, every few seconds.
create table if not exists private.process_reports (
    process_id uuid primary key,
    kind text not null check (kind in ('web', 'worker')),
    host text not null,
    started_at timestamptz not null,
    reported_at timestamptz not null default now(),
    facts jsonb not null default '{}'
);
comment on column private.process_reports.facts is 'breaker (closed, half-open, open), spooled, unsendable, spool_bytes; those that it knows.';
create index if not exists process_reports_reported_at_idx on private.process_reports (reported_at);

-- What each process has counted of the calls of a sender in a minute. The counts only rise and are told as they stand, so a
-- report that is told twice changes nothing.
create table if not exists private.webhook_minutes (
    minute timestamptz not null,
    source text not null,
    process_id uuid not null,
    received integer not null default 0, -- answered with 200; the next four are among them
    duplicates integer not null default 0,
    failed integer not null default 0,
    deferred integer not null default 0,
    spooled integer not null default 0,
    rejected integer not null default 0, -- authentic, but not to be read: 400, 404, 413, 415
    unauthentic integer not null default 0, -- 401
    throttled integer not null default 0, -- 429
    unavailable integer not null default 0, -- 5xx
    retried integer not null default 0, -- attempts that a worker has made of stored events
    seconds double precision not null default 0,
    buckets integer[] not null default '{}',
    last_at timestamptz,
    primary key (minute, source, process_id)
);
comment on column private.webhook_minutes.seconds is 'The sum of the times from arrival to answer, of the calls answered with 200.';
comment on column private.webhook_minutes.buckets is 'Calls answered with 200 by that time, one for each bound of services.tally.SECONDS and one for what took longer.';
comment on column private.webhook_minutes.last_at is 'When the last call came that was neither unauthentic nor throttled.';
create index if not exists webhook_minutes_source_idx on private.webhook_minutes (source, minute);

alter table private.process_reports enable row level security;
alter table private.webhook_minutes enable row level security;
grant select, insert, update, delete on private.process_reports to service_role;
grant select, insert, update, delete on private.webhook_minutes to service_role;

-- What was told from ahead before it was left out.
delete from private.webhook_minutes m where m.minute > now() + interval '1 day';

-- Take a process's report: {process_id, kind, host, started_at, facts, minutes: [{minute, source, and the counts}], ended?}. A
-- process that has ended as it should is forgotten; its counts stay. Whose clock is ahead has its minutes left out until they have
-- come: they would count as the latest until then. The same of its start, or it would stand for those that have ended.
create or replace function public.report_process(report jsonb) returns void
language plpgsql security invoker set search_path = '' as $$
begin
    if (report ->> 'ended')::boolean then
        delete from private.process_reports r where r.process_id = (report ->> 'process_id')::uuid;
    else
        insert into private.process_reports as r (process_id, kind, host, started_at, facts)
        values (
            (report ->> 'process_id')::uuid, report ->> 'kind', report ->> 'host', least((report ->> 'started_at')::timestamptz, now()),
            coalesce(report -> 'facts', '{}')
        )
        on conflict (process_id) do update set reported_at = now(), facts = excluded.facts;
    end if;

    insert into private.webhook_minutes as m (minute, source, process_id, received, duplicates, failed, deferred, spooled,
        rejected, unauthentic, throttled, unavailable, retried, seconds, buckets, last_at)
    select told.minute, told.source, (report ->> 'process_id')::uuid, told.received, told.duplicates, told.failed,
        told.deferred, told.spooled, told.rejected, told.unauthentic, told.throttled, told.unavailable, coalesce(told.retried, 0),
        told.seconds, told.buckets, least(told.last_at, told.minute + interval '1 minute')
    from jsonb_to_recordset(coalesce(report -> 'minutes', '[]')) as told (minute timestamptz, source text, received integer,
        duplicates integer, failed integer, deferred integer, spooled integer, rejected integer, unauthentic integer,
        throttled integer, unavailable integer, retried integer, seconds double precision, buckets integer[], last_at timestamptz)
    where told.minute <= now() + interval '1 minute'
    order by told.minute, told.source
    on conflict (minute, source, process_id) do update
    set received = excluded.received, duplicates = excluded.duplicates, failed = excluded.failed,
        deferred = excluded.deferred, spooled = excluded.spooled, rejected = excluded.rejected,
        unauthentic = excluded.unauthentic, throttled = excluded.throttled, unavailable = excluded.unavailable,
        retried = excluded.retried, seconds = excluded.seconds, buckets = excluded.buckets, last_at = excluded.last_at
    -- A report that was late must not take back what a later one has told.
    where excluded.received + excluded.rejected + excluded.unauthentic + excluded.throttled + excluded.unavailable
        + excluded.retried >= m.received + m.rejected + m.unauthentic + m.throttled + m.unavailable + m.retried;
end
$$;
revoke execute on function public.report_process(jsonb) from public, anon, authenticated;
grant execute on function public.report_process(jsonb) to service_role;

-- 72_statistics.sql

-- What the counts and rows say over time: for charts, for the list of senders, for the logs.

-- What went wrong is looked for by its time, and attempts to deliver are counted by theirs.
create index if not exists event_attempts_at_idx on private.event_attempts (at);
create index if not exists rejected_events_received_at_idx on private.rejected_events (received_at);
create index if not exists delivery_attempts_attempted_at_idx
on public.delivery_attempts (attempted_at) include (status, duration_ms);

-- The counts of all processes since a time, by source and step (one step for all without a length). Planned anew for every
-- time: a plan for any time would read the whole table for an hour of it.
create or replace function private.count_minutes(p_since timestamptz, p_step_seconds integer default null)
returns table (
    source text, n integer, received bigint, duplicates bigint, failed bigint, deferred bigint, spooled bigint, rejected bigint,
    unauthentic bigint, throttled bigint, unavailable bigint, retried bigint, seconds double precision, buckets bigint[]
)
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return query
    select m.source, coalesce(floor(extract(epoch from m.minute - p_since) / p_step_seconds)::integer, 0) as step,
        sum(m.received), sum(m.duplicates), sum(m.failed), sum(m.deferred), sum(m.spooled), sum(m.rejected),
        sum(m.unauthentic), sum(m.throttled), sum(m.unavailable), sum(m.retried), sum(m.seconds),
        -- Written out: to unnest them takes seconds for a week of minutes.
        array[
            sum(m.buckets[1]), sum(m.buckets[2]), sum(m.buckets[3]), sum(m.buckets[4]), sum(m.buckets[5]),
            sum(m.buckets[6]), sum(m.buckets[7]), sum(m.buckets[8]), sum(m.buckets[9]), sum(m.buckets[10]),
            sum(m.buckets[11]), sum(m.buckets[12]), sum(m.buckets[13])
        ]
    from private.webhook_minutes m where m.minute >= p_since
    group by m.source, step;
end
$$;
revoke execute on function private.count_minutes(timestamptz, integer) from public, anon, authenticated;
grant execute on function private.count_minutes(timestamptz, integer) to service_role;

-- What happened in each step since a time: {calls: [{source, n (which step), received, failed, retried, buckets}], deliveries: [{n,
-- bucket, delivered, failed}]}. A bucket counts what took longer than so many of the bounds, in seconds.
create or replace function public.webhook_statistics(since timestamptz, step_seconds integer, bounds double precision[])
returns jsonb
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return jsonb_build_object(
        'calls', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'source', c.source, 'n', c.n, 'received', c.received + c.rejected + c.unavailable,
                'failed', c.failed + c.rejected + c.unavailable, 'retried', c.retried, 'buckets', c.buckets
            )), '[]')
            from private.count_minutes(since, step_seconds) c
        ),
        'deliveries', (
            select coalesce(jsonb_agg(to_jsonb(sent)), '[]') from (
                select floor(extract(epoch from a.attempted_at - since) / step_seconds)::integer as n,
                    width_bucket(a.duration_ms / 1000, bounds) as bucket,
                    count(*) filter (where a.status between 200 and 299) as delivered,
                    count(*) filter (where a.status between 200 and 299 is not true) as failed
                from public.delivery_attempts a where a.attempted_at >= since
                group by 1, 2
            ) sent
        )
    );
end
$$;
revoke execute on function public.webhook_statistics(timestamptz, integer, double precision[]) from public, anon, authenticated;
grant execute on function public.webhook_statistics(timestamptz, integer, double precision[]) to service_role;

-- The same of what is the caller's: {calls: [{source, n, bucket, received}], deliveries}. Of their events they see what came, not
-- how often it failed. Row-level security decides; the conditions only name the same rows sooner. Who is signed in may call it by
-- themselves: steps of a minute or more, 200 of them at most, and no more bounds than the service has; 22023 for anything else.
create or replace function public.my_webhook_statistics(since timestamptz, step_seconds integer, bounds double precision[])
returns jsonb
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    if (step_seconds between 60 and 86400 and since >= now() - 200 * make_interval(secs => step_seconds)
        and array_ndims(bounds) = 1 and cardinality(bounds) <= 32) is not true then
        raise exception using errcode = '22023', message = 'Steps of 60 to 86400 seconds, 200 at most, and 1 to 32 bounds are wanted.';
    end if;
    return jsonb_build_object(
        'calls', (
            select coalesce(jsonb_agg(to_jsonb(come)), '[]') from (
                select coalesce(e.source, 'other') as source,
                    floor(extract(epoch from e.processed_at - since) / step_seconds)::integer as n,
                    width_bucket(e.processing_duration_ms / 1000, bounds) as bucket, count(*) as received
                from public.conversations c
                join public.processed_webhook_events e on e.conversation_id = c.conversation_id
                where c.user_id = (select auth.uid()) and e.processed_at >= since
                    -- What the database itself tells browsers is nobody's call.
                    and e.source is distinct from 'convohooks'
                group by 1, 2, 3
            ) come
        ),
        'deliveries', (
            select coalesce(jsonb_agg(to_jsonb(sent)), '[]') from (
                select floor(extract(epoch from a.attempted_at - since) / step_seconds)::integer as n,
                    width_bucket(a.duration_ms / 1000, bounds) as bucket,
                    count(*) filter (where a.status between 200 and 299) as delivered,
                    count(*) filter (where a.status between 200 and 299 is not true) as failed
                from public.delivery_attempts a
                where a.user_id = (select auth.uid()) and a.attempted_at >= since
                group by 1, 2
            ) sent
        )
    );
end
$$;
revoke execute on function public.my_webhook_statistics(timestamptz, integer, double precision[]) from public, anon, authenticated;
grant execute on function public.my_webhook_statistics(timestamptz, integer, double precision[]) to authenticated;

-- How each sender has done since a time: [{source, last_seen_at, and the counts}].
create or replace function public.webhook_senders(sources text[], since timestamptz) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('source', s.source, 'last_seen_at', (
        select m.last_at from private.webhook_minutes m
        where m.source = s.source and m.last_at is not null order by m.minute desc, m.last_at desc limit 1
    )) || coalesce(to_jsonb(c), '{}')), '[]')
    from unnest(sources) s (source)
    left join private.count_minutes(since) c on c.source = s.source
$$;
revoke execute on function public.webhook_senders(text[], timestamptz) from public, anon, authenticated;
grant execute on function public.webhook_senders(text[], timestamptz) to service_role;

-- The kind of an error: its last line, without ids, numbers and what is quoted, so that the same fault counts as one. Quoted names of
-- what belongs to the database stay: they are nobody's words.
create or replace function private.error_kind(p_error text) returns text
language plpgsql immutable set search_path = '' as $$
declare
    line text := regexp_replace(btrim(right(p_error, 4000), E' \t\r\n'), '^.*\n', '');
begin
    -- A name stands between two signs of its own until all else that is quoted is gone.
    line := regexp_replace(
        translate(line, E'\x01\x02', ''),
        '\m(constraint|relation|column|table|index|function|type|trigger|policy|schema) "([A-Za-z_][A-Za-z0-9_]{0,62})"',
        E'\\1 \x01\\2\x02', 'g'
    );
    line := regexp_replace(line, '"[^"]*"', '"…"', 'g');
    line := regexp_replace(line, '(?<![[:alnum:]])''[^'']*''(?![[:alnum:]])', '''…''', 'g');
    line := regexp_replace(line, E'(?<![\x01[:alnum:]_-])[[:alnum:]_-]*[0-9][[:alnum:]_-]*', '#', 'g');
    line := regexp_replace(line, '#([.:,/]#)+', '#', 'g');
    return left(translate(line, E'\x01\x02', '""'), 300);
end
$$;
revoke execute on function private.error_kind(text) from public, anon, authenticated;
grant execute on function private.error_kind(text) to service_role;

-- What the logs of a sender, or of all without one, add up to since a time: {counts: [as private.count_minutes has them, a row for
-- each source], errors: [{error, times, last_at}]}; of the newest 5,000 failed attempts and unreadable calls the ten commonest kinds.
create or replace function public.summarize_logs(wanted_source text, since timestamptz) returns jsonb
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return jsonb_build_object(
        'counts', (
            select coalesce(jsonb_agg(to_jsonb(c)), '[]') from private.count_minutes(since) c
            where wanted_source is null or c.source = wanted_source
        ),
        'errors', (
            select coalesce(jsonb_agg(to_jsonb(kind) order by kind.times desc, kind.last_at desc), '[]') from (
                select private.error_kind(f.error) as error, sum(f.times) as times, max(f.at) as last_at from (
                    (
                        select a.error, 1 as times, a.at from private.event_attempts a
                        join private.webhook_inbox i on i.id = a.event_id
                        where a.at >= since and (wanted_source is null or i.source = wanted_source)
                        order by a.at desc limit 5000
                    )
                    union all
                    (
                        select r.reason, r.times, r.received_at from private.rejected_events r
                        where r.received_at >= since and (wanted_source is null or r.source = wanted_source)
                        order by r.received_at desc limit 5000
                    )
                ) f
                group by 1 order by times desc, last_at desc limit 10
            ) kind
        )
    );
end
$$;
revoke execute on function public.summarize_logs(text, timestamptz) from public, anon, authenticated;
grant execute on function public.summarize_logs(text, timestamptz) to service_role;

-- The events of a sender, or of all without one, that came since a time and have their bodies still; newest first, those before a seq.
create or replace function public.list_logs(
    wanted_source text, wanted_state text, since timestamptz, before bigint, most integer
) returns jsonb
-- Planned anew for every question, as private.events_matching is; of a few hours by their time, of many by seq.
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return (
        select coalesce(jsonb_agg(private.event_summary(page.event) order by (page.event).seq desc), '[]') from (
            select i as event from private.webhook_inbox i
            where i.received_at >= since and i.pruned_at is null
                and (before is null or i.seq < before)
                and (wanted_source is null or i.source = wanted_source)
                and (wanted_state is null or i.state = wanted_state)
            order by i.seq desc limit most
        ) page
    );
end
$$;
revoke execute on function public.list_logs(text, text, timestamptz, bigint, integer) from public, anon, authenticated;
grant execute on function public.list_logs(text, text, timestamptz, bigint, integer) to service_role;

-- 73_realtime_budget.sql

-- How much Realtime has to carry: it can take only so many changes a second, whatever the plan.

-- Where the counters of the published tables stood when they were last read.
create table if not exists private.realtime_reading (
    id boolean primary key default true check (id),
    changes bigint not null,
    read_at timestamptz not null
);
alter table private.realtime_reading add column if not exists unpublished bigint not null default 0;
comment on column private.realtime_reading.unpublished is 'Changes that the counters have or will have, and that were rolled back.';
create table if not exists private.realtime_minutes (
    minute timestamptz primary key,
    changes bigint not null,
    seconds double precision not null,
    peak double precision not null
);
comment on column private.realtime_minutes.seconds is 'How much of time the changes were counted in.';
comment on column private.realtime_minutes.peak is 'The most changes a second between two readings.';
alter table private.realtime_reading enable row level security;
alter table private.realtime_minutes enable row level security;
grant select, insert, update, delete on private.realtime_reading to service_role;
grant select, insert, update, delete on private.realtime_minutes to service_role;

-- The changes a second of the last two minutes, and the most of them in the last hour, or `since` there are readings. Nulls when
-- nothing was read lately.
create or replace function private.realtime_load() returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'changes_per_second', sum(m.changes) filter (where m.minute > now() - interval '2 minutes')
            / sum(m.seconds) filter (where m.minute > now() - interval '2 minutes'),
        'peak_per_second', max(m.peak), 'since', min(m.minute)
    )
    from private.realtime_minutes m where m.minute > now() - interval '1 hour'
$$;
revoke execute on function private.realtime_load() from public, anon, authenticated;
grant execute on function private.realtime_load() to service_role;

-- How many changes of published tables this session has counted and not yet told: the difference between two looks is what happened
-- between them, rolled back or not.
create or replace function private.counted_changes() returns bigint
language sql volatile set search_path = '' as $$
    select coalesce(sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del), 0)
    from pg_stat_xact_user_tables s
    join pg_publication_tables p on p.schemaname = s.schemaname and p.tablename = s.relname
    where p.pubname = 'supabase_realtime'
$$;
revoke execute on function private.counted_changes() from public, anon, authenticated;
grant execute on function private.counted_changes() to service_role;

-- Say that so many changes were rolled back within this transaction: they are counted all the same, and Realtime carries none of them.
create or replace function private.disregard_changes(p_changes bigint) returns void
language plpgsql set search_path = '' as $$
begin
    if p_changes > 0 then
        update private.realtime_reading set unpublished = unpublished + p_changes;
        perform pg_stat_force_next_flush();
    end if;
end
$$;
revoke execute on function private.disregard_changes(bigint) from public, anon, authenticated;
grant execute on function private.disregard_changes(bigint) to service_role;

-- Read the counters of the published tables, and return realtime_load(). However many workers ask, every change is counted once:
-- within five seconds of another's reading nothing is read.
create or replace function public.measure_realtime() returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    last private.realtime_reading;
    total bigint;
    published bigint;
    elapsed double precision;
begin
    insert into private.realtime_reading (changes, read_at) values (0, 'epoch') on conflict (id) do nothing;
    select * into last from private.realtime_reading for update;
    elapsed := extract(epoch from clock_timestamp() - last.read_at);
    if elapsed between 0 and 5 then
        return private.realtime_load();
    end if;
    select coalesce(sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del), 0) into total
    from pg_stat_user_tables s
    join pg_publication_tables p on p.schemaname = s.schemaname and p.tablename = s.relname
    where p.pubname = 'supabase_realtime';
    published := greatest(total - last.changes - last.unpublished, 0);
    update private.realtime_reading
    set changes = total, read_at = clock_timestamp(), unpublished = greatest(last.unpublished - greatest(total - last.changes, 0), 0);
    -- After a pause nobody knows when they were; after a reset of the counters, or of the clock, how many.
    if elapsed between 5 and 60 and total >= last.changes then
        insert into private.realtime_minutes as m (minute, changes, seconds, peak)
        values (date_trunc('minute', now()), published, elapsed, published / elapsed)
        on conflict (minute) do update
        set changes = m.changes + excluded.changes, seconds = m.seconds + excluded.seconds, peak = greatest(m.peak, excluded.peak);
    end if;
    return private.realtime_load();
end
$$;
revoke execute on function public.measure_realtime() from public, anon, authenticated;
grant execute on function public.measure_realtime() to service_role;

-- 74_incidents.sql

-- What is wrong, found out by the workers together: each turn one of them reads, judges what it has read by the settings'
-- thresholds, and says so here. An incident is opened once and ended once, and its messages are queued in the same transaction.
create table if not exists private.alert_watch (
    id boolean primary key default true check (id),
    read_at timestamptz not null default '-infinity',
    judged_at timestamptz not null default '-infinity',
    next_outage uuid not null default gen_random_uuid()
);
comment on column private.alert_watch.judged_at is 'When what was judged last was read: who comes later with an older reading is not heard.';
comment on column private.alert_watch.next_outage is 'What workers call the next time that the database is away, when none of them can ask.';

-- Since when something has been wrong, or right again, whether or not that is long enough.
create table if not exists private.alert_signs (
    name text primary key,
    wrong_since timestamptz,
    right_since timestamptz,
    clear_seconds double precision not null
);

create table if not exists private.incidents (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    severity text not null,
    title text not null,
    detail text not null,
    figures jsonb not null default '{}',
    began_at timestamptz not null,
    opened_at timestamptz not null default now(),
    ended_at timestamptz
);
alter table private.incidents add column if not exists worst_detail text;
comment on column private.incidents.detail is 'How it is; once it is over, how it was at its worst.';
comment on column private.incidents.figures is 'The value that was found last, the worst of all, and the threshold that they were judged by.';
create unique index if not exists incidents_open_key on private.incidents (name) where ended_at is null;
create index if not exists incidents_began_at_idx on private.incidents (began_at desc);

-- The messages about them: one at the beginning and one at the end, for each place that is told.
create table if not exists private.incident_notices (
    id uuid primary key default gen_random_uuid(),
    incident_id uuid not null references private.incidents (id) on delete cascade,
    target text not null,
    kind text not null check (kind in ('began', 'ended')),
    due_at timestamptz not null default now(),
    tries integer not null default 0,
    claim_id uuid,
    sent_at timestamptz,
    given_up_at timestamptz,
    last_error text
);
comment on column private.incident_notices.due_at is 'Of a claimed one the end of its lease.';
create unique index if not exists incident_notices_key on private.incident_notices (incident_id, target, kind);
create index if not exists incident_notices_due_idx on private.incident_notices (due_at) where sent_at is null and given_up_at is null;

alter table private.alert_watch enable row level security;
alter table private.alert_signs enable row level security;
alter table private.incidents enable row level security;
alter table private.incident_notices enable row level security;
grant select, insert, update, delete on private.alert_watch to service_role;
grant select, insert, update, delete on private.alert_signs to service_role;
grant select, insert, update, delete on private.incidents to service_role;
grant select, insert, update, delete on private.incident_notices to service_role;

-- How often each sender has called: [{source, last_hour, day_ago, week_ago, fortnight_ago (the same hour then), last_at}], of those
-- that have called within a fortnight and an hour. A call that did not verify is none of theirs.
create or replace function private.calls_by_hour() returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('source', s.source) || s.calls || jsonb_build_object('last_at', (
        select m.last_at from private.webhook_minutes m
        where m.source = s.source and m.last_at is not null order by m.minute desc, m.last_at desc limit 1
    ))), '[]')
    from (
        select w.source, jsonb_object_agg(back.name, w.calls) as calls
        from (values ('last_hour', '0'::interval), ('day_ago', '1 day'), ('week_ago', '7 days'), ('fortnight_ago', '14 days'))
            back (name, ago)
        cross join lateral (
            select m.source, sum(m.received + m.rejected + m.throttled + m.unavailable) as calls
            from private.webhook_minutes m
            where m.minute >= date_trunc('minute', now()) - back.ago - interval '60 minutes'
                -- The minute that is not over counts for the hour that is not over.
                and m.minute < date_trunc('minute', now()) - back.ago + case when back.name = 'last_hour' then interval '1 day' else '0' end
            group by m.source
        ) w
        group by w.source
    ) s
$$;
revoke execute on function private.calls_by_hour() from public, anon, authenticated;
grant execute on function private.calls_by_hour() to service_role;

-- Which senders had something to say all the time until they fell silent: [{source, last_at, least (calls in any quarter of the three
-- hours before their last call), as_usual (a day ago it was the same quarter of an hour that had none)}], of the last six hours.
create or replace function private.fallen_silent() returns jsonb
language sql stable set search_path = '' as $$
    with called as (
        select m.source, m.minute, sum(m.received + m.rejected + m.throttled + m.unavailable) as calls
        from private.webhook_minutes m where m.minute > now() - interval '10 hours' group by m.source, m.minute
        having sum(m.received + m.rejected + m.throttled + m.unavailable) > 0
    ), ended as (
        select c.source, max(c.minute) as last_at from called c group by c.source
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'source', e.source, 'last_at', e.last_at, 'least', coalesce((
            select min(quarter.calls) from (
                select sum(c.calls) as calls from called c
                where c.source = e.source and c.minute > e.last_at - interval '3 hours'
                group by floor(extract(epoch from e.last_at - c.minute) / 900)
            ) quarter having count(*) = 12
        ), 0),
        'as_usual', exists (
            select from private.webhook_minutes m where m.minute < e.last_at - interval '1 day'
        ) and not exists (
            select from private.webhook_minutes m
            where m.source = e.source and m.minute > e.last_at - interval '1 day'
                and m.minute <= e.last_at - interval '1 day' + interval '15 minutes'
                and m.received + m.rejected + m.throttled + m.unavailable > 0
        )
    )), '[]')
    from ended e where e.last_at > now() - interval '6 hours'
$$;
revoke execute on function private.fallen_silent() from public, anon, authenticated;
grant execute on function private.fallen_silent() to service_role;

-- What there is to judge; only {next_outage} where somebody has read it within so many seconds. {read_at, next_outage, calls: [{source,
-- received, failed, rejected, unavailable, unauthentic, buckets}] of the last 10 minutes, calls_now (the same of this minute and the one
-- before), unauthentic_before (source -> in 10 minutes of the day before, on average), retried, retried_now, retried_before (in the last
-- 15 minutes; likewise), hours: calls_by_hour(), silent: fallen_silent(), deliveries: {attempts, failed} of the last 15 minutes and
-- {attempts_now, failed_now} of the last three, operations: operations()}.
create or replace function public.read_alerts(every_seconds double precision) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    watch private.alert_watch;
begin
    insert into private.alert_watch default values on conflict (id) do nothing;
    update private.alert_watch w set read_at = clock_timestamp()
    where w.read_at <= clock_timestamp() - make_interval(secs => every_seconds)
        -- A clock that was set back must not stop the watch.
        or w.read_at > clock_timestamp() + make_interval(secs => every_seconds)
    returning w.* into watch;
    if watch.id is null then
        return (select jsonb_build_object('next_outage', w.next_outage) from private.alert_watch w);
    end if;
    return jsonb_build_object(
        'read_at', watch.read_at, 'next_outage', watch.next_outage,
        'calls', (
            select coalesce(jsonb_agg(to_jsonb(c)), '[]')
            from private.count_minutes(date_trunc('minute', now()) - interval '10 minutes') c
        ),
        'calls_now', (
            select coalesce(jsonb_agg(to_jsonb(c)), '[]')
            from private.count_minutes(date_trunc('minute', now()) - interval '1 minute') c
        ),
        'unauthentic_before', (
            select coalesce(jsonb_object_agg(before.source, before.average), '{}') from (
                select m.source, sum(m.unauthentic) / 144.0 as average from private.webhook_minutes m
                where m.minute >= now() - interval '1450 minutes' and m.minute < now() - interval '10 minutes' and m.unauthentic > 0
                group by m.source
            ) before
        ),
        'retried', (
            select coalesce(sum(m.retried), 0) from private.webhook_minutes m where m.minute >= now() - interval '15 minutes'
        ),
        'retried_now', (
            select coalesce(sum(m.retried), 0) from private.webhook_minutes m
            where m.minute >= date_trunc('minute', now()) - interval '1 minute'
        ),
        'retried_before', (
            select coalesce(sum(m.retried) / 96.0, 0) from private.webhook_minutes m
            where m.minute >= now() - interval '1455 minutes' and m.minute < now() - interval '15 minutes'
        ),
        'hours', private.calls_by_hour(),
        'silent', private.fallen_silent(),
        'deliveries', (
            select jsonb_build_object(
                'attempts', count(*), 'failed', count(*) filter (where a.error is not null),
                'attempts_now', count(*) filter (where a.attempted_at > now() - interval '3 minutes'),
                'failed_now', count(*) filter (where a.attempted_at > now() - interval '3 minutes' and a.error is not null)
            )
            from public.delivery_attempts a where a.attempted_at > now() - interval '15 minutes'
        ),
        'operations', public.operations()
    );
end
$$;
revoke execute on function public.read_alerts(double precision) from public, anon, authenticated;
grant execute on function public.read_alerts(double precision) to service_role;

-- Say what a reading comes to: {read_at, targets (who is told), keep_days, verdicts: [{name, state (wrong, right, or unsure: neither
-- wrong enough to begin with nor right enough to end), hold_seconds, clear_seconds, severity, title, detail, figures}]}. What is wrong
-- for hold_seconds is an incident, until it is right for clear_seconds; what is not named is right. While it lasts it tells how it is,
-- and in the end how it was at its worst. Out: {began, ended}: their names.
create or replace function public.judge_alerts(judgement jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    verdict jsonb;
    incident private.incidents;
    began jsonb := '[]';
    ended jsonb := '[]';
begin
    update private.alert_watch w set judged_at = (judgement ->> 'read_at')::timestamptz
    where w.judged_at < (judgement ->> 'read_at')::timestamptz or w.judged_at > clock_timestamp();
    if not found then
        return jsonb_build_object('began', began, 'ended', ended);
    end if;

    for verdict in select v.value from jsonb_array_elements(judgement -> 'verdicts') v loop
        insert into private.alert_signs as s (name, wrong_since, right_since, clear_seconds)
        select verdict ->> 'name', case when verdict ->> 'state' = 'wrong' then now() end,
            case when verdict ->> 'state' = 'right' then now() end, (verdict ->> 'clear_seconds')::double precision
        -- Of what has been right all the time there is no sign.
        where verdict ->> 'state' = 'wrong' or exists (select from private.alert_signs o where o.name = verdict ->> 'name')
        on conflict (name) do update
        set wrong_since = case when excluded.wrong_since is not null then coalesce(s.wrong_since, excluded.wrong_since) end,
            right_since = case when excluded.right_since is not null then coalesce(s.right_since, excluded.right_since) end,
            clear_seconds = excluded.clear_seconds;

        update private.incidents i
        set detail = verdict ->> 'detail',
            figures = (verdict -> 'figures') || jsonb_build_object('worst', greatest(
                (verdict #>> '{figures,value}')::double precision, (i.figures ->> 'worst')::double precision
            )),
            worst_detail = case when (verdict #>> '{figures,value}')::double precision
                < (i.figures ->> 'worst')::double precision then i.worst_detail else verdict ->> 'detail' end
        where i.name = verdict ->> 'name' and i.ended_at is null and verdict ->> 'state' <> 'right'
            and (i.detail, i.figures -> 'value') is distinct from (verdict ->> 'detail', verdict #> '{figures,value}');

        insert into private.incidents (name, severity, title, detail, worst_detail, figures, began_at)
        select s.name, verdict ->> 'severity', verdict ->> 'title', verdict ->> 'detail', verdict ->> 'detail',
            (verdict -> 'figures') || jsonb_build_object('worst', verdict #> '{figures,value}'), s.wrong_since
        from private.alert_signs s
        where s.name = verdict ->> 'name'
            and s.wrong_since <= now() - make_interval(secs => (verdict ->> 'hold_seconds')::double precision)
        on conflict (name) where ended_at is null do nothing
        returning * into incident;
        if found then
            began := began || to_jsonb(incident.name);
            insert into private.incident_notices (incident_id, target, kind)
            select incident.id, t.value, 'began' from jsonb_array_elements_text(judgement -> 'targets') t;
        end if;
    end loop;

    update private.alert_signs s set wrong_since = null, right_since = coalesce(s.right_since, now())
    where s.name not in (select v.value ->> 'name' from jsonb_array_elements(judgement -> 'verdicts') v)
        and (s.wrong_since is not null or s.right_since is null);
    for incident in
        update private.incidents i set ended_at = s.right_since, detail = coalesce(i.worst_detail, i.detail)
        from private.alert_signs s
        where s.name = i.name and i.ended_at is null and s.right_since <= now() - make_interval(secs => s.clear_seconds)
        returning i.*
    loop
        ended := ended || to_jsonb(incident.name);
        -- Who was told of its beginning.
        insert into private.incident_notices (incident_id, target, kind)
        select n.incident_id, n.target, 'ended' from private.incident_notices n
        where n.incident_id = incident.id and n.kind = 'began';
    end loop;
    delete from private.alert_signs s
    where s.wrong_since is null and not exists (select from private.incidents i where i.name = s.name and i.ended_at is null);
    delete from private.incidents i where i.ended_at < now() - make_interval(days => (judgement ->> 'keep_days')::integer);
    return jsonb_build_object('began', began, 'ended', ended);
end
$$;
revoke execute on function public.judge_alerts(jsonb) from public, anon, authenticated;
grant execute on function public.judge_alerts(jsonb) to service_role;

-- Write down, once it is over, that the database was away: {id, name, severity, title, detail, figures, began_at, ended_at, told (the
-- targets that a worker has told)}. Workers that were told of the same outage say the same id; their targets are told once that it is over.
create or replace function public.record_outage(outage jsonb) returns void
language plpgsql security invoker set search_path = '' as $$
begin
    insert into private.incidents (id, name, severity, title, detail, figures, began_at, ended_at)
    values (
        (outage ->> 'id')::uuid, outage ->> 'name', outage ->> 'severity', outage ->> 'title', outage ->> 'detail',
        outage -> 'figures', (outage ->> 'began_at')::timestamptz, (outage ->> 'ended_at')::timestamptz
    )
    on conflict (id) do update
    set began_at = least(private.incidents.began_at, excluded.began_at),
        ended_at = greatest(private.incidents.ended_at, excluded.ended_at);
    insert into private.incident_notices (incident_id, target, kind, sent_at)
    select (outage ->> 'id')::uuid, t.value, k.kind, case when k.kind = 'began' then now() end
    from jsonb_array_elements_text(outage -> 'told') t cross join (values ('began'), ('ended')) k (kind)
    on conflict (incident_id, target, kind) do nothing;
    update private.alert_watch w set next_outage = gen_random_uuid() where w.next_outage = (outage ->> 'id')::uuid;
end
$$;
revoke execute on function public.record_outage(jsonb) from public, anon, authenticated;
grant execute on function public.record_outage(jsonb) to service_role;

-- Give one message out that is due, under a claim, for as long as its lease lasts: {id, target, kind, tries, incident}; null when none
-- is. An end is told after its beginning.
create or replace function public.claim_notice(claim uuid, targets text[], lease_seconds double precision) returns jsonb
language sql security invoker set search_path = '' as $$
    with due as materialized (
        select n.id from private.incident_notices n
        where n.sent_at is null and n.given_up_at is null and n.due_at <= now() and n.target = any(targets)
            and (n.kind = 'began' or not exists (
                select from private.incident_notices b
                where b.incident_id = n.incident_id and b.target = n.target and b.kind = 'began'
                    and b.sent_at is null and b.given_up_at is null
            ))
        order by n.due_at limit 1 for update skip locked
    ), claimed as (
        update private.incident_notices n
        set claim_id = claim, tries = n.tries + 1, due_at = now() + make_interval(secs => lease_seconds)
        from due where n.id = due.id
        returning n.*
    )
    select jsonb_build_object(
        'id', c.id, 'target', c.target, 'kind', c.kind, 'tries', c.tries,
        'incident', to_jsonb(i) || case when c.kind = 'began' then '{"ended_at": null}' else '{}'::jsonb end
    )
    from claimed c join private.incidents i on i.id = c.incident_id
$$;
revoke execute on function public.claim_notice(uuid, text[], double precision) from public, anon, authenticated;
grant execute on function public.claim_notice(uuid, text[], double precision) to service_role;

-- Write down what came of a claimed message: {claim, id, error? (none: it was sent), retry_seconds? (none: it is given up)}. Out: sent |
-- waiting | given up | lost (its lease ended, and somebody else has it).
create or replace function public.finish_notice(outcome jsonb) returns text
language sql security invoker set search_path = '' as $$
    with finished as (
        update private.incident_notices n
        set claim_id = null, last_error = outcome ->> 'error',
            sent_at = case when outcome ->> 'error' is null then now() end,
            given_up_at = case when outcome ->> 'error' is not null and outcome ->> 'retry_seconds' is null then now() end,
            due_at = coalesce(now() + make_interval(secs => (outcome ->> 'retry_seconds')::double precision), n.due_at)
        where n.id = (outcome ->> 'id')::uuid and n.claim_id = (outcome ->> 'claim')::uuid
        returning n.*
    )
    select coalesce((
        select case when f.sent_at is not null then 'sent' when f.given_up_at is not null then 'given up' else 'waiting' end from finished f
    ), 'lost')
$$;
revoke execute on function public.finish_notice(jsonb) from public, anon, authenticated;
grant execute on function public.finish_notice(jsonb) to service_role;

-- Incidents, open ones first, then the newest: [{id, name, severity, title, detail, figures, began_at, opened_at, ended_at, notices:
-- [{target, kind, sent_at, tries, last_error, given_up_at}]}].
create or replace function public.list_incidents(most integer) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(to_jsonb(i) - 'worst_detail' || jsonb_build_object('notices', (
        select coalesce(jsonb_agg(jsonb_build_object(
            'target', n.target, 'kind', n.kind, 'sent_at', n.sent_at, 'tries', n.tries, 'last_error', n.last_error,
            'given_up_at', n.given_up_at
        ) order by n.kind, n.target), '[]')
        from private.incident_notices n where n.incident_id = i.id
    )) order by i.ended_at is not null, i.began_at desc, i.id), '[]')
    from (
        select o.* from private.incidents o order by o.ended_at is not null, o.began_at desc, o.id limit most
    ) i
$$;
revoke execute on function public.list_incidents(integer) from public, anon, authenticated;
grant execute on function public.list_incidents(integer) to service_role;

-- 75_erase.sql

-- Erasing a person. What is to go is written down first, so that whoever is killed in the middle is followed by another.

alter table private.webhook_inbox add column if not exists erased_at timestamptz;
comment on column private.webhook_inbox.erased_at is 'When all but the key was removed, because the person it told of was.';

-- What names things that were erased, as SHA-256: a late call about one of them is to bring nothing back.
create table if not exists private.erased (
    mark bytea primary key,
    erased_at timestamptz not null default now()
);

-- Each erasure, and afterwards how many rows it took out of which table.
create table if not exists private.erasures (
    id uuid primary key default gen_random_uuid(),
    begun_at timestamptz not null default now(),
    finished_at timestamptz,
    counts jsonb not null default '{}'
);

-- What is still to be erased: {kind: conversation, conversation_id?, ref?, source?} | {kind: event, id, rename?} | {kind: row, table, key}.
create table if not exists private.erasure_items (
    id bigint generated always as identity primary key,
    erasure_id uuid not null references private.erasures (id) on delete cascade,
    item jsonb not null
);
create index if not exists erasure_items_erasure_id_idx on private.erasure_items (erasure_id);

-- Folders of Storage that are still to be emptied.
create table if not exists private.erased_files (
    id bigint generated always as identity primary key,
    bucket text,
    folder text not null,
    due_at timestamptz not null default now(),
    settles_at timestamptz not null default now(),
    tries integer not null default 0,
    last_error text
);
comment on column private.erased_files.bucket is 'Null for RECORDINGS_BUCKET.';
comment on column private.erased_files.settles_at is 'Until then a copy that was on its way may still arrive: it is emptied once more.';
create index if not exists erased_files_due_at_idx on private.erased_files (due_at);

alter table private.erased enable row level security;
alter table private.erasures enable row level security;
alter table private.erasure_items enable row level security;
alter table private.erased_files enable row level security;
grant select, insert, update, delete on private.erased to service_role;
grant select, insert, update, delete on private.erasures to service_role;
grant select, insert, update, delete on private.erasure_items to service_role;
grant select, insert, update, delete on private.erased_files to service_role;

create or replace function private.mark_of(p_kind text, p_name text) returns bytea
language sql immutable set search_path = '' as $$
    select sha256(convert_to(p_kind || ':' || p_name, 'UTF8'))
$$;
revoke execute on function private.mark_of(text, text) from public, anon, authenticated;
grant execute on function private.mark_of(text, text) to service_role;

-- What names the thing that a record is of, or belongs to; not its request_key, which whoever books can choose. In: the record's key and values.
create or replace function private.names_of(p_told jsonb) returns setof text
language sql immutable set search_path = '' as $$
    select p_told ->> name
    from unnest(array['call_sid', 'parent_call_sid', 'recording_sid', 'transcription_sid', 'transcription_key', 'message_sid',
        'booking_key', 'rescheduled_from', 'stripe_id', 'payment_intent', 'invoice', 'subscription',
        'notification_key']) name
    where p_told ->> name is not null
    union all
    select concat_ws('/', p_told ->> 'source', p_told ->> 'message_id') where p_told ? 'message_id'
$$;
revoke execute on function private.names_of(jsonb) from public, anon, authenticated;
grant execute on function private.names_of(jsonb) to service_role;

-- Whether an event is about something that was erased.
create or replace function private.is_erased(
    p_conversation_id text, p_source text, p_event_key text, p_effects jsonb
) returns boolean
language plpgsql set search_path = '' as $$
begin
    -- Where nobody was ever erased, this is all that it costs.
    if not exists (select from private.erased) then
        return false;
    end if;
    if exists (
        select from private.erased e where e.mark in (
            private.mark_of('conversation', p_conversation_id), private.mark_of('talk', p_source || ':' || p_conversation_id),
            private.mark_of('event', p_source || ':' || p_event_key)
        )
    ) then
        return true;
    elsif not coalesce(p_effects ? 'records', false) then
        return false;
    end if;
    -- An array, so that the index serves: a join might read the whole table.
    return exists (
        select from private.erased e where e.mark = any(array(
            select private.mark_of('record', name) from jsonb_array_elements(p_effects -> 'records') told (record)
            cross join lateral private.names_of((told.record -> 'values') || (told.record -> 'key')) name
        ))
    );
end
$$;
revoke execute on function private.is_erased(text, text, text, jsonb) from public, anon, authenticated;
grant execute on function private.is_erased(text, text, text, jsonb) to service_role;

-- Take note that a call came about something erased, without what it said: its key and its type can name somebody too.
create or replace function private.ignore_erased(p_event jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    kept uuid;
begin
    if not exists (
        select from private.erased e
        where e.mark = private.mark_of('event', (p_event ->> 'source') || ':' || (p_event ->> 'event_key'))
    ) and not exists (
        select from private.webhook_inbox i where i.source = p_event ->> 'source' and i.event_key = p_event ->> 'event_key'
    ) then
        insert into private.webhook_inbox
            (source, event_key, event_type, body, body_sha256, state, attempts, received_at, finished_at, pruned_at, erased_at)
        values (p_event ->> 'source', 'sha256:' || encode(sha256(convert_to(p_event ->> 'event_key', 'UTF8')), 'hex'), 'erased',
            '', '', 'ignored', 1, (p_event ->> 'received_at')::timestamptz, now(), now(), now())
        on conflict (source, event_key) do nothing returning id into kept;
    end if;
    return jsonb_strip_nulls(jsonb_build_object(
        'outcome', case when kept is null then 'duplicate' else 'new' end, 'known', false, 'id', kept, 'state', 'ignored'
    ));
end
$$;
revoke execute on function private.ignore_erased(jsonb) from public, anon, authenticated;
grant execute on function private.ignore_erased(jsonb) to service_role;

-- Delete the rows of a table that a condition on $1 and $2 chooses. Out: {table: rows}, empty for none.
create or replace function private.erase_where(p_table text, p_condition text, p_id text, p_ref uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
    n bigint;
begin
    execute format('delete from %s where %s', p_table, p_condition) using p_id, p_ref;
    get diagnostics n = row_count;
    return case when n = 0 then '{}' else jsonb_build_object(p_table, n) end;
end
$$;
revoke execute on function private.erase_where(text, text, text, uuid) from public, anon, authenticated;
grant execute on function private.erase_where(text, text, text, uuid) to service_role;

-- The sum of two objects of counts.
create or replace function private.add_counts(p_some jsonb, p_more jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_object_agg(name, n), '{}') from (
        select c.key as name, sum(c.value::bigint) as n
        from (select * from jsonb_each_text(p_some) union all select * from jsonb_each_text(p_more)) c group by c.key
    ) summed
$$;
revoke execute on function private.add_counts(jsonb, jsonb) from public, anon, authenticated;
grant execute on function private.add_counts(jsonb, jsonb) to service_role;

-- Take out what an event said, and what was said of it; its key stays, so that a repeat is known. `p_rename` says that the key
-- itself names the person.
create or replace function private.erase_event(p_event uuid, p_rename boolean) returns jsonb
language plpgsql set search_path = '' as $$
declare
    counts jsonb := private.erase_where('private.event_attempts', 'event_id = $2', null, p_event);
    n bigint;
begin
    if p_rename then
        insert into private.erased (mark)
        select private.mark_of('event', i.source || ':' || i.event_key) from private.webhook_inbox i where i.id = p_event
        on conflict do nothing;
    end if;
    update private.webhook_inbox i
    set body = '', body_sha256 = '', headers = '{}', effects = null, last_error = null, conversation_id = null, path = null,
        state = 'ignored', claim_id = null, next_attempt_at = null, pruned_at = coalesce(i.pruned_at, now()),
        finished_at = coalesce(i.finished_at, now()), erased_at = now(),
        -- Senders of one's own choose it.
        event_type = 'erased', event_key = case when p_rename then 'erased:' || i.id else i.event_key end
    where i.id = p_event and (p_rename or i.erased_at is null);
    get diagnostics n = row_count;
    return private.add_counts(counts, case when n = 0 then '{}' else jsonb_build_object('private.webhook_inbox', n) end);
end
$$;
revoke execute on function private.erase_event(uuid, boolean) from public, anon, authenticated;
grant execute on function private.erase_event(uuid, boolean) to service_role;

-- Have what was copied to Storage removed: the copies of a conversation (or `twilio:<recording_sid>`), which lie in `p_folder`.
create or replace function private.erase_copies(p_conversation_id text, p_folder text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    n bigint;
begin
    insert into private.erased_files (bucket, folder, settles_at)
    select substring(max(r.copied_url) from '/object/authenticated/([^/]+)/'), p_folder,
        -- No copy takes longer than an hour, and its lease.
        case when bool_or(r.claim_id is not null) then now() + interval '65 minutes' else now() end
    from private.recording_copies r where r.conversation_id = p_conversation_id and r.tries > 0
    having count(*) > 0;
    get diagnostics n = row_count;
    return private.add_counts(
        case when n = 0 then '{}' else jsonb_build_object('storage folders', n) end,
        private.erase_where('private.recording_copies', 'conversation_id = $1', p_conversation_id, null)
    );
end
$$;
revoke execute on function private.erase_copies(text, text) from public, anon, authenticated;
grant execute on function private.erase_copies(text, text) to service_role;

-- Remove what customers were told, or were to be told: by event, or all about a conversation.
create or replace function private.erase_told(p_event uuid, p_conversation uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
    event uuid;
    counts jsonb := '{}';
begin
    for event in
        select o.id from private.outgoing_events o where o.id = p_event or o.conversation_id = p_conversation order by o.id
    loop
        counts := private.add_counts(counts, private.erase_where('public.delivery_attempts',
            'delivery_id in (select d.id from public.webhook_deliveries d where d.event_id = $2)', null, event));
        counts := private.add_counts(counts, private.erase_where('public.webhook_deliveries', 'event_id = $2', null, event));
        counts := private.add_counts(counts, private.erase_where('private.outgoing_events', 'id = $2', null, event));
    end loop;
    return counts;
end
$$;
revoke execute on function private.erase_told(uuid, uuid) from public, anon, authenticated;
grant execute on function private.erase_told(uuid, uuid) to service_role;

-- Erase a conversation, by its sender's id, our row's, or both.
create or replace function private.erase_conversation(p_conversation_id text, p_ref uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
    named text := coalesce(p_conversation_id, (select c.conversation_id from public.conversations c where c.id = p_ref));
    our_row uuid := coalesce(p_ref, (select c.id from public.conversations c where c.conversation_id = p_conversation_id));
    counts jsonb := '{}';
    event uuid;
    step record;
begin
    if named is not null then
        perform private.lock_conversation(named);
        insert into private.erased (mark) values (private.mark_of('conversation', named)) on conflict do nothing;
    end if;
    perform from public.conversations c where c.id = our_row for update;
    counts := private.erase_copies(named, coalesce(our_row::text, named));
    for event in select i.id from private.webhook_inbox i where i.conversation_id = named order by i.seq loop
        counts := private.add_counts(counts, private.erase_event(event, false));
    end loop;
    counts := private.add_counts(counts, private.erase_told(null, our_row));
    for step in
        select * from (values
            ('public.webhook_endpoints', 'conversation_id = $2'),
            ('private.feedback_analyses', 'conversation_id = $2'),
            ('public.feedback_sessions', 'conversation_id = $2'),
            ('public.qualification_data', 'conversation_id = $1'),
            ('private.objective_completions', 'conversation_id = $1'),
            ('public.tool_calls', 'conversation_id = $1'),
            ('private.tool_runs', 'conversation_id = $1'),
            ('private.message_annotations', 'conversation_id = $1'),
            ('public.conversation_messages', 'conversation_id = $1'),
            ('private.record_facts', '(record_table, key) in (select ''received_messages'', jsonb_build_object('
                '''source'', m.source, ''message_id'', m.message_id) from public.received_messages m where m.conversation_id = $1)'),
            ('public.received_messages', 'conversation_id = $1'),
            ('private.conversation_facts', 'conversation_id = $1'),
            ('public.processed_webhook_events', 'conversation_id = $1'),
            -- One that may still run at its sender is looked for, to be ended there; the row holds nothing of what was said.
            ('private.conversation_calls', 'ref = $2 and next_look_at is null'),
            ('public.conversations', 'id = $2'),
            -- After the conversation, whose trigger makes it.
            ('private.reconciliations', 'conversation_id = $1')
        ) as steps (place, condition)
    loop
        counts := private.add_counts(counts, private.erase_where(step.place, step.condition, named, our_row));
    end loop;
    update private.conversation_calls a set request_key = null, request_hash = null where a.ref = our_row;
    return counts;
end
$$;
revoke execute on function private.erase_conversation(text, uuid) from public, anon, authenticated;
grant execute on function private.erase_conversation(text, uuid) to service_role;

-- Erase what one source of one's own has told of a conversation that it names itself: others may mean another by that name.
create or replace function private.erase_talk(p_conversation_id text, p_source text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    theirs constant text := format('conversation_id = $1 and source = %L', p_source);
    counts jsonb := '{}';
    event uuid;
    step record;
begin
    perform private.lock_conversation(p_conversation_id);
    insert into private.erased (mark) values (private.mark_of('talk', p_source || ':' || p_conversation_id))
    on conflict do nothing;
    for event in
        select i.id from private.webhook_inbox i where i.conversation_id = p_conversation_id and i.source = p_source order by i.seq
    loop
        counts := private.add_counts(counts, private.erase_event(event, false));
    end loop;
    for step in
        select * from (values
            ('private.record_facts', '(record_table, key) in (select ''received_messages'', jsonb_build_object('
                '''source'', m.source, ''message_id'', m.message_id) from public.received_messages m where ' || theirs || ')'),
            ('public.received_messages', theirs),
            ('public.processed_webhook_events', theirs)
        ) as steps (place, condition)
    loop
        counts := private.add_counts(counts, private.erase_where(step.place, step.condition, p_conversation_id, null));
    end loop;
    return counts;
end
$$;
revoke execute on function private.erase_talk(text, text) from public, anon, authenticated;
grant execute on function private.erase_talk(text, text) to service_role;

-- The tables that are searched for a person, and whose rows may go one by one.
create or replace function private.searched_places() returns text[]
language sql immutable set search_path = '' as $$
    select array[
        'private.webhook_inbox', 'private.event_attempts', 'private.rejected_events', 'private.outgoing_events',
        'public.webhook_deliveries', 'public.delivery_attempts', 'public.conversations', 'public.conversation_messages',
        'public.tool_calls', 'private.tool_runs', 'public.qualification_data', 'private.objective_completions',
        'public.feedback_sessions', 'private.feedback_analyses', 'public.processed_webhook_events',
        'private.conversation_facts', 'private.reconciliations', 'public.calls', 'public.call_recordings',
        'public.call_transcriptions', 'public.sms_messages', 'private.recording_copies', 'public.bookings',
        'public.notifications', 'public.payments', 'public.received_messages'
    ]
$$;
revoke execute on function private.searched_places() from public, anon, authenticated;
grant execute on function private.searched_places() to service_role;

-- Delete one row of a table, with what hangs on it. In: the table, and the columns that name the row.
create or replace function private.erase_row(p_table text, p_key jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    counts jsonb := '{}';
    gone jsonb;
    facts_key jsonb;
begin
    if not p_table = any(private.searched_places()) or p_table = 'private.webhook_inbox' or p_key = '{}' then
        raise exception 'No row of % is erased alone.', p_table;
    end if;
    if p_table = 'private.outgoing_events' then
        return private.erase_told((p_key ->> 'id')::uuid, null);
    elsif p_table = 'private.recording_copies' then
        return private.erase_copies(p_key ->> 'conversation_id', coalesce(
            (select c.id::text from public.conversations c where c.conversation_id = p_key ->> 'conversation_id'),
            (select r.id::text from public.call_recordings r where 'twilio:' || r.recording_sid = p_key ->> 'conversation_id'),
            p_key ->> 'conversation_id'
        ));
    end if;
    execute format('delete from %1$s t using jsonb_populate_record(null::%1$s, $1) k where %2$s returning to_jsonb(t)', p_table,
        (select string_agg(format('t.%1$I = k.%1$I', c), ' and ') from jsonb_object_keys(p_key) c)) using p_key into gone;
    if gone is null then
        return counts;
    end if;
    counts := jsonb_build_object(p_table, 1);
    if p_table = 'public.call_recordings' then
        counts := private.add_counts(counts, private.erase_copies('twilio:' || (gone ->> 'recording_sid'), gone ->> 'id'));
    end if;
    select jsonb_object_agg(c, gone -> c) into facts_key
    from private.record_tables t, unnest(t.key_columns) c where t.name = split_part(p_table, '.', 2);
    if facts_key is not null then
        delete from private.record_facts f where f.record_table = split_part(p_table, '.', 2) and f.key = facts_key;
        if found then
            counts := private.add_counts(counts, '{"private.record_facts": 1}');
        end if;
    end if;
    return counts;
end
$$;
revoke execute on function private.erase_row(text, jsonb) from public, anon, authenticated;
grant execute on function private.erase_row(text, jsonb) to service_role;

create or replace function private.erase_item(p_item jsonb) returns jsonb
language plpgsql set search_path = '' as $$
begin
    return case p_item ->> 'kind' || case when p_item ? 'source' then ' of a source' else '' end
        when 'conversation of a source' then private.erase_talk(p_item ->> 'conversation_id', p_item ->> 'source')
        when 'conversation' then private.erase_conversation(p_item ->> 'conversation_id', (p_item ->> 'ref')::uuid)
        when 'event' then private.erase_event((p_item ->> 'id')::uuid, coalesce((p_item ->> 'rename')::boolean, false))
        else private.erase_row(p_item ->> 'table', p_item -> 'key')
    end;
end
$$;
revoke execute on function private.erase_item(jsonb) from public, anon, authenticated;
grant execute on function private.erase_item(jsonb) to service_role;

-- Say how many rows of which table some items would take away, by taking them away and thinking better of it.
create or replace function public.rehearse_erasure(items jsonb) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    item jsonb;
    counts jsonb := '{}';
    counted bigint := private.counted_changes();
begin
    begin
        for item in select * from jsonb_array_elements(items) loop
            counts := private.add_counts(counts, private.erase_item(item));
        end loop;
        raise exception using errcode = 'ER000';
    exception when sqlstate 'ER000' then
        null;
    end;
    perform private.disregard_changes(private.counted_changes() - counted);
    return counts;
end
$$;
revoke execute on function public.rehearse_erasure(jsonb) from public, anon, authenticated;
grant execute on function public.rehearse_erasure(jsonb) to service_role;

-- Write down what is to be erased. In: the items, in the order in which they are to go, and the names of records (see names_of)
-- that are not to come back. Out: the erasure's id.
create or replace function public.begin_erasure(items jsonb, names jsonb) returns uuid
language plpgsql security invoker set search_path = '' as $$
declare
    begun uuid;
begin
    insert into private.erasures default values returning id into begun;
    insert into private.erasure_items (erasure_id, item) select begun, i.value from jsonb_array_elements(items) i;
    insert into private.erased (mark)
    select private.mark_of('record', n.value) from jsonb_array_elements_text(names) n
    union
    select case when i.value ? 'source' then private.mark_of('talk', (i.value ->> 'source') || ':' || (i.value ->> 'conversation_id'))
        else private.mark_of('conversation', i.value ->> 'conversation_id') end
    from jsonb_array_elements(items) i where i.value ->> 'conversation_id' is not null
    on conflict do nothing;
    return begun;
end
$$;
revoke execute on function public.begin_erasure(jsonb, jsonb) from public, anon, authenticated;
grant execute on function public.begin_erasure(jsonb, jsonb) to service_role;

-- Erase the next items of whatever was begun, `most` at most. Out: {counts, left}; counts of this call alone. Who is in the
-- middle of it elsewhere is waited for.
create or replace function public.continue_erasures(most integer) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    next_one record;
    gone jsonb;
    gone_in_all jsonb := '{}';
begin
    perform pg_advisory_xact_lock(hashtextextended('erasures', 3));
    for next_one in select i.* from private.erasure_items i order by i.id limit most loop
        gone := private.erase_item(next_one.item);
        gone_in_all := private.add_counts(gone_in_all, gone);
        update private.erasures e set counts = private.add_counts(e.counts, gone) where e.id = next_one.erasure_id;
        delete from private.erasure_items i where i.id = next_one.id;
        exit when clock_timestamp() > now() + interval '3 seconds';
    end loop;
    update private.erasures e set finished_at = now()
    where e.finished_at is null and not exists (select from private.erasure_items i where i.erasure_id = e.id);
    return jsonb_build_object('counts', gone_in_all, 'left', (select count(*) from private.erasure_items));
end
$$;
revoke execute on function public.continue_erasures(integer) from public, anon, authenticated;
grant execute on function public.continue_erasures(integer) to service_role;

-- Forget that something of this name was erased: what comes about it from now on is kept. Out: how many marks there were.
create or replace function public.lift_erasure(name text) returns integer
language plpgsql security invoker set search_path = '' as $$
declare
    n integer;
begin
    delete from private.erased e where e.mark = any(array(
        select private.mark_of(kind, lift_erasure.name) from unnest(array['conversation', 'record', 'event']) kind
        union all
        select private.mark_of('talk', s.source || ':' || lift_erasure.name)
        from (select distinct i.source from private.webhook_inbox i) s
    ));
    get diagnostics n = row_count;
    return n;
end
$$;
revoke execute on function public.lift_erasure(text) from public, anon, authenticated;
grant execute on function public.lift_erasure(text) to service_role;

-- Folders of Storage that are due to be emptied, given out for five minutes. Out: a JSON array of {id, bucket, folder}.
create or replace function public.claim_erased_files(most integer) returns jsonb
language sql security invoker set search_path = '' as $$
    with due as materialized (
        select f.id from private.erased_files f where f.due_at <= now() order by f.due_at limit most for update skip locked
    ), claimed as (
        update private.erased_files f set due_at = now() + interval '5 minutes', tries = f.tries + 1
        from due where f.id = due.id returning f.*
    )
    select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'bucket', c.bucket, 'folder', c.folder) order by c.id), '[]')
    from claimed c
$$;
revoke execute on function public.claim_erased_files(integer) from public, anon, authenticated;
grant execute on function public.claim_erased_files(integer) to service_role;

-- A folder is empty, or could not be emptied. Out: how many folders are left in all.
create or replace function public.finish_erased_files(file bigint, error text) returns bigint
language plpgsql security invoker set search_path = '' as $$
begin
    delete from private.erased_files f where f.id = file and error is null and f.settles_at <= now();
    update private.erased_files f
    set last_error = error, due_at = case
        when error is null then f.settles_at
        else now() + least(f.tries * f.tries, 60) * interval '1 minute'
    end
    where f.id = file;
    return (select count(*) from private.erased_files);
end
$$;
revoke execute on function public.finish_erased_files(bigint, text) from public, anon, authenticated;
grant execute on function public.finish_erased_files(bigint, text) to service_role;

-- The columns of a table's primary key, in its order, each with its type.
create or replace function private.key_of(p_table text) returns table (name text, type text)
language sql stable set search_path = '' as $$
    select a.attname::text, format_type(a.atttypid, null)
    from pg_index i cross join unnest(i.indkey::smallint[]) with ordinality k (attnum, n)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = p_table::regclass and i.indisprimary order by k.n
$$;
revoke execute on function private.key_of(text) from public, anon, authenticated;
grant execute on function private.key_of(text) to service_role;

-- The query for the rows of a table after a key in which a pattern ($1) occurs, so many as may be read without looking at the
-- time: 200 at most, and a megabyte, or one that is larger. By the key, since a row that is rewritten meanwhile keeps that, and
-- not its place on the disk. Of what holds bodies only the columns that can name somebody are searched: a row as JSON would
-- have its body in hexadecimal. Out: {rows: [{table, row}], last: the key of the last one that was looked at, null for none}.
create or replace function private.search_query(p_table text, p_after jsonb) returns text
language sql stable set search_path = '' as $$
    with keys as (select string_agg(format('t.%I', k.name), ', ') as names, string_agg(format('t.%I desc', k.name), ', ') as backwards,
        string_agg(format('t.%I::text', k.name), ', ') as texts,
        string_agg(format('%L::%s', p_after ->> (k.n - 1)::integer, k.type), ', ' order by k.n) as bound
        from (select x.*, row_number() over () as n from private.key_of(p_table) x) k
    ), cols (cells, size) as (
        select string_agg(case when a.atttypid = 'bytea'::regtype
            then format('translate(encode(t.%1$I, ''base64''), E''\n'', '''') as %1$I', a.attname) else format('t.%I', a.attname) end, ', ') as cells,
        -- What a value takes unpacked is told for texts and bytes alone; the others pack well.
        string_agg(format(case when a.atttypid in ('bytea'::regtype, 'text'::regtype)
            then 'coalesce(octet_length(t.%I), 0)' else 'coalesce(pg_column_size(t.%I), 0) * 8' end, a.attname), ' + ')
            filter (where a.attlen = -1) as size
        from pg_attribute a where a.attrelid = p_table::regclass and a.attnum > 0 and not a.attisdropped
    )
    select format(
        'with ahead as materialized (select t.* from %1$s t %2$s order by %3$s limit 200), '
        'measured as (select t.*, row_number() over w as searched_n, sum(%4$s) over w as searched_bytes '
        'from ahead t window w as (order by %3$s)), '
        'taken as materialized (select * from measured where searched_n = 1 or searched_bytes <= 1000000) '
        'select jsonb_build_object(''rows'', (select coalesce(jsonb_agg(jsonb_build_object(''table'', %5$L, '
        '''row'', (select to_jsonb(r) from (select %6$s) r))), ''[]'') from taken t where %7$s ~* $1), '
        '''last'', (select jsonb_build_array(%8$s) from taken t order by %9$s limit 1))',
        p_table, case when p_after is null then '' else format('where (%s) > (%s)', keys.names, keys.bound) end, keys.names,
        cols.size, p_table, cols.cells,
        case p_table
            when 'private.webhook_inbox' then 'concat_ws(E''\n'', t.event_key, t.event_type, t.path, t.conversation_id, t.headers, '
                't.effects, t.last_error, private.body_text(t.body))'
            when 'private.rejected_events' then 'concat_ws(E''\n'', t.path, t.reason, t.headers, private.body_text(t.body))'
            else format('(select to_jsonb(r) from (select %s) r)::text', cols.cells)
        end,
        keys.texts, keys.backwards
    ) from keys, cols
$$;
revoke execute on function private.search_query(text, jsonb) from public, anon, authenticated;
grant execute on function private.search_query(text, jsonb) to service_role;

-- The rows in which a pattern occurs, table by table in the order of their keys, for so many seconds and 4 MB or a little more.
-- The pattern may find too much: the caller looks closer. In: the place to go on from, the first being 1 and null. Out: {rows:
-- [{table, row}], a `body` in base64, next: {place, after}, null at the end}.
drop function if exists public.search_rows(text, integer, bigint, double precision);
drop function if exists private.search_query(text);
create or replace function public.search_rows(pattern text, place integer, after jsonb, seconds double precision) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
    places constant text[] := private.searched_places();
    until constant timestamptz := clock_timestamp() + make_interval(secs => seconds);
    here jsonb := nullif(after, 'null');
    step jsonb;
    found_rows jsonb[] := '{}';
    bytes bigint := 0;
begin
    for n in place .. array_length(places, 1) loop
        loop
            if clock_timestamp() >= until or bytes > 4000000 then
                return jsonb_build_object('rows', to_jsonb(found_rows), 'next', jsonb_build_object('place', n, 'after', here));
            end if;
            execute private.search_query(places[n], here) using pattern into step;
            here := nullif(step -> 'last', 'null');
            exit when here is null;
            if step -> 'rows' <> '[]' then
                found_rows := found_rows || array(select jsonb_array_elements(step -> 'rows'));
                bytes := bytes + octet_length(step::text);
            end if;
        end loop;
    end loop;
    return jsonb_build_object('rows', to_jsonb(found_rows), 'next', null);
end
$$;
revoke execute on function public.search_rows(text, integer, jsonb, double precision) from public, anon, authenticated;
grant execute on function public.search_rows(text, integer, jsonb, double precision) to service_role;

-- The endpoints in whose settings a pattern occurs; it may find too much. They are their owners' and not erased. Out: an array of rows.
create or replace function public.search_endpoints(pattern text) returns jsonb
language sql security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(to_jsonb(e) order by e.created_at), '[]')
    from public.webhook_endpoints e where to_jsonb(e)::text ~* pattern
$$;
revoke execute on function public.search_endpoints(text) from public, anon, authenticated;
grant execute on function public.search_endpoints(text) to service_role;

-- The accounts with an address or number. It reads what only Auth may.
create or replace function private.accounts_with(p_email text, p_phone text) returns setof uuid
language sql stable security definer set search_path = '' as $$
    select u.id from auth.users u
    where lower(u.email) = lower(p_email) or ltrim(to_jsonb(u) ->> 'phone', '+') = ltrim(p_phone, '+')
$$;
revoke execute on function private.accounts_with(text, text) from public, anon, authenticated;
grant execute on function private.accounts_with(text, text) to service_role;

-- The conversations of a name (the sender's id, or our row's), or of the accounts with an address or number. Out: a JSON array
-- of {conversation_id, ref, user_id}; and whether a number is one of ours.
create or replace function public.find_conversations(name text, email text, phone text) returns jsonb
language plpgsql security invoker set search_path = '' as $$
begin
    return jsonb_build_object(
        'conversations', (
            select coalesce(jsonb_agg(jsonb_build_object('conversation_id', c.conversation_id, 'ref', c.id, 'user_id', c.user_id)), '[]')
            from public.conversations c
            where c.conversation_id = name or c.id::text = lower(name)
                or c.user_id in (select private.accounts_with(find_conversations.email, find_conversations.phone))
        ),
        'is_ours', exists (select from public.phone_numbers p where p.phone_number = find_conversations.phone)
    );
end
$$;
revoke execute on function public.find_conversations(text, text, text) from public, anon, authenticated;
grant execute on function public.find_conversations(text, text, text) to service_role;

-- The rows of conversations, each by its sender's id or our row's. Out: a JSON array of {conversation_id, ref, user_id}.
create or replace function public.conversations_named(names jsonb) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('conversation_id', c.conversation_id, 'ref', c.id, 'user_id', c.user_id)), '[]')
    from public.conversations c
    where c.conversation_id = any(array(select jsonb_array_elements_text(names)))
        or c.id = any(array(
            select n::uuid from jsonb_array_elements_text(names) n where n ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        ))
$$;
revoke execute on function public.conversations_named(jsonb) from public, anon, authenticated;
grant execute on function public.conversations_named(jsonb) to service_role;

-- 76_operations.sql

-- How it stands at this moment, for /api/operations and /metrics: {database: inbox_backlog(), deliveries: {waiting,
-- oldest_due_seconds, disabled_endpoints}, processes: [{kind, host, started_at, reported_at, silent_seconds, alive, facts}], realtime:
-- realtime_load()}. Waiting deliveries are counted up to 100,000. A process that has not ended as it should is told of for a day,
-- unless a younger one has taken its place.
create or replace function public.operations() returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object(
        'database', public.inbox_backlog(),
        'deliveries', jsonb_build_object(
            'waiting', (select count(*) from (select 1 from private.delivery_queue limit 100000) counted),
            'oldest_due_seconds', (
                select extract(epoch from now() - min(q.next_attempt_at)) from private.delivery_queue q where q.next_attempt_at <= now()
            ),
            'disabled_endpoints', (select count(*) from public.webhook_endpoints e where e.disabled)
        ),
        'processes', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'kind', p.kind, 'host', p.host, 'started_at', p.started_at, 'reported_at', p.reported_at,
                'silent_seconds', extract(epoch from now() - p.reported_at),
                'alive', p.reported_at > now() - interval '30 seconds', 'facts', p.facts
            ) order by p.kind, p.host, p.started_at), '[]')
            from private.process_reports p
            where p.reported_at > now() - interval '30 seconds' or (
                p.reported_at > now() - interval '1 day' and not exists (
                    select from private.process_reports y
                    where y.kind = p.kind and y.host = p.host and y.started_at > p.started_at
                )
            )
        ),
        'realtime', private.realtime_load()
    )
$$;
revoke execute on function public.operations() from public, anon, authenticated;
grant execute on function public.operations() to service_role;

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
    foreach live in array array['processed_webhook_events', 'conversations', 'feedback_sessions', 'qualification_data',
        'webhook_endpoints', 'webhook_deliveries', 'delivery_attempts'] loop
        if not exists (
            select from pg_publication_tables
            where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = live
        ) then
            execute format('alter publication supabase_realtime add table public.%I', live);
        end if;
    end loop;
end
$$;

-- 99_version.sql

-- Made by `make migration`: names the schema of all files before this one, for `convohooks doctor`.
comment on function public.describe_schema() is '20261121000000-b6c55dc62700';
