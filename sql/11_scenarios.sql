-- What a conversation practises; `metrics` says what its feedback is to score.
create table if not exists public.scenarios (
    id uuid primary key default gen_random_uuid()
);
alter table public.scenarios
    add column if not exists title text,
    add column if not exists description text,
    add column if not exists metrics jsonb,
    add column if not exists created_at timestamptz default now();
comment on column public.scenarios.metrics is 'What feedback on this scenario scores, by name.';

alter table public.scenarios enable row level security;
grant select, insert, update, delete on public.scenarios to service_role;
do $$
begin
    -- An app that has policies of its own decides itself who reads and writes its scenarios.
    if exists (
        select from pg_policies p
        where p.schemaname = 'public' and p.tablename = 'scenarios' and p.policyname <> 'signed-in people read scenarios'
    ) then
        return;
    end if;
    revoke all on public.scenarios from anon, authenticated;
    grant select on public.scenarios to authenticated;
    drop policy if exists "signed-in people read scenarios" on public.scenarios;
    create policy "signed-in people read scenarios" on public.scenarios for select to authenticated using (true);
end
$$;
