-- What a hosted project has before its first migration: roles, their usage grants and the publication.
-- Tables in public are granted to nobody here, as on hosted projects since October 2026.
do $$
declare
    wanted text[] := array[
        'create role anon nologin noinherit',
        'create role authenticated nologin noinherit',
        'create role service_role nologin noinherit bypassrls',
        'create role authenticator login noinherit',
        'create role supabase_auth_admin nologin noinherit'
    ];
    statement text;
begin
    foreach statement in array wanted loop
        if not exists (select from pg_roles where rolname = split_part(statement, ' ', 3)) then
            execute statement;
        end if;
    end loop;
end
$$;

grant anon, authenticated, service_role to authenticator;
grant usage on schema public to anon, authenticated, service_role;

create schema if not exists auth;
grant usage on schema auth to anon, authenticated, service_role;
grant all on schema auth to supabase_auth_admin;

do $$
begin
    if not exists (select from pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
end
$$;
