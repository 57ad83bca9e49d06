-- One row per account. `role` makes an admin; nobody but the service can write it.
create table if not exists public.profiles (
    id uuid primary key references auth.users (id) on delete cascade
);
alter table public.profiles
    add column if not exists role text default 'user',
    add column if not exists created_at timestamptz default now();
comment on column public.profiles.role is 'user or admin; an admin reads every row. Written by service_role only.';

alter table public.profiles enable row level security;
-- An app that lets people write their profiles by policies of its own goes on doing so, but for the role.
do $$
declare
    writable text := (
        select string_agg(quote_ident(a.attname), ', ') from pg_attribute a
        where a.attrelid = 'public.profiles'::regclass and a.attnum > 0 and not a.attisdropped and a.attname <> 'role'
    );
    kept text[] := array(
        select command from unnest(array['INSERT', 'UPDATE']) command
        where has_any_column_privilege('authenticated', 'public.profiles', command) and exists (
            select from pg_policies p
            where p.schemaname = 'public' and p.tablename = 'profiles' and p.cmd in (command, 'ALL')
        )
    );
    command text;
begin
    revoke all on public.profiles from anon, authenticated;
    foreach command in array kept loop
        execute format('grant %s (%s) on public.profiles to authenticated', command, writable);
    end loop;
end
$$;
grant select on public.profiles to authenticated;
grant select, insert, update, delete on public.profiles to service_role;

-- Whether the reader is an admin. It reads profiles past their own policy, which would ask it again.
create or replace function private.is_admin() returns boolean
language sql stable security definer set search_path = '' as $$
    select exists (
        select 1 from public.profiles p where p.id = (select auth.uid()) and p.role::text = 'admin'
    )
$$;
revoke execute on function private.is_admin() from public, anon;
grant execute on function private.is_admin() to authenticated, service_role;

drop policy if exists "people read their profile, admins all" on public.profiles;
create policy "people read their profile, admins all" on public.profiles for select to authenticated
using (id = (select auth.uid()) or (select private.is_admin()));

-- Make the profile of a new account. A profile that cannot be made must not stop a sign-up.
create or replace function private.create_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into public.profiles (id) values (new.id) on conflict do nothing;
    return new;
exception when others then
    raise warning 'no profile for user %: %', new.id, sqlerrm;
    return new;
end
$$;
revoke execute on function private.create_profile() from public, anon, authenticated;

-- Triggers fire in the order of their names: an app's own, which may know more, makes the profile first.
create or replace trigger zz_convohooks_create_profile
after insert on auth.users for each row execute function private.create_profile();

-- Accounts from before the trigger.
do $$
begin
    insert into public.profiles (id) select u.id from auth.users u on conflict do nothing;
exception when others then
    raise warning 'accounts without a profile stay so: %', sqlerrm;
end
$$;
