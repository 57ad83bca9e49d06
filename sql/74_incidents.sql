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
