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
