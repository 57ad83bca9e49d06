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
