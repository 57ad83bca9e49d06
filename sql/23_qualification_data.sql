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
