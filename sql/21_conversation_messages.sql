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
