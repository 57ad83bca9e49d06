-- What Realtime carries. Little on purpose: it can take some 30 to 60 changes a second.
do $$
declare
    live text;
begin
    if not exists (select from pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
    foreach live in array array['processed_webhook_events', 'conversations', 'feedback_sessions', 'qualification_data',
        'webhook_endpoints', 'webhook_deliveries', 'delivery_attempts'] loop
        if not exists (
            select from pg_publication_tables
            where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = live
        ) then
            execute format('alter publication supabase_realtime add table public.%I', live);
        end if;
    end loop;
end
$$;
