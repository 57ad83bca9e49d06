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
