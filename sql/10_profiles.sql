-- One row per account. `role` makes an admin; nobody but the service can write it.
create table if not exists public.profiles (
    id uuid primary key references auth.users (id) on delete cascade
);
alter table public.profiles
    add column if not exists email text,
    add column if not exists role text default 'user',
    add column if not exists created_at timestamptz default now();
comment on column public.profiles.role is 'user or admin; an admin reads every row. Written by service_role only.';

alter table public.profiles enable row level security;
revoke all on public.profiles from anon, authenticated;
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
    insert into public.profiles (id, email) values (new.id, new.email) on conflict (id) do nothing;
    return new;
exception when others then
    raise warning 'no profile for user %: %', new.id, sqlerrm;
    return new;
end
$$;
revoke execute on function private.create_profile() from public, anon, authenticated;

create or replace trigger convohooks_create_profile
after insert on auth.users for each row execute function private.create_profile();

insert into public.profiles (id, email) select u.id, u.email from auth.users u on conflict (id) do nothing;
