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
