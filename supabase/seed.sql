-- The demo that `make dev` shows: a scenario, videos to fetch, a conversation of the demo's person.
insert into public.scenarios (id, title, description, metrics)
values (
    '5eed0000-0000-4000-8000-000000000001', 'Product demo',
    'Show the product, find out what the visitor needs.', '{"qualification": ["budget", "team size"]}'
)
on conflict (id) do nothing;

-- The service serves the two videos; where it is, `make dev` says.
insert into public.demo_videos (id, title, storage_url, duration_seconds)
select
    video.id::uuid, video.title,
    coalesce(nullif(current_setting('convohooks.base_url', true), ''), 'http://127.0.0.1:8000')
    || '/static/demo/' || video.file,
    4
from (
    values
        ('5eed0000-0000-4000-8000-000000000011', 'Product Demo Overview', 'overview.webm'),
        ('5eed0000-0000-4000-8000-000000000012', 'Pricing and Plans', 'pricing.webm')
) as video (id, title, file)
on conflict (id) do nothing;

insert into public.conversations (id, conversation_id, user_id, scenario_id, conversation_name)
select
    '5eed0000-0000-4000-8000-000000000021', 'c0ffee0000000001', u.id,
    '5eed0000-0000-4000-8000-000000000001', 'Demo conversation'
from auth.users u where u.email = 'demo@example.test'
on conflict (id) do nothing;
