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
