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
