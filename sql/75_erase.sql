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
