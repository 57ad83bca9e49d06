-- The videos that the tool fetch_video may show.
create table if not exists public.demo_videos (
    id uuid primary key default gen_random_uuid()
);
alter table public.demo_videos
    add column if not exists demo_id text,
    add column if not exists title text,
    add column if not exists storage_url text,
    add column if not exists duration_seconds numeric,
    add column if not exists created_at timestamptz default now();
comment on column public.demo_videos.demo_id is 'The demo it belongs to; null means every demo.';

-- A tool call reads the videos of its conversation's demo.
create index if not exists demo_videos_demo_id_idx on public.demo_videos (demo_id);

alter table public.demo_videos enable row level security;
grant select, insert, update, delete on public.demo_videos to service_role;
do $$
begin
    -- An app that has policies of its own decides itself who reads and writes its videos.
    if exists (
        select from pg_policies p
        where p.schemaname = 'public' and p.tablename = 'demo_videos' and p.policyname <> 'signed-in people read videos'
    ) then
        return;
    end if;
    revoke all on public.demo_videos from anon, authenticated;
    grant select on public.demo_videos to authenticated;
    drop policy if exists "signed-in people read videos" on public.demo_videos;
    create policy "signed-in people read videos" on public.demo_videos for select to authenticated using (true);
end
$$;
