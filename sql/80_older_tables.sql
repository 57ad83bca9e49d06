-- What a table from before this schema may lack: defaults of columns that our functions leave out.
do $$
declare
    missing record;
begin
    for missing in
        select c.table_name, c.column_name, c.data_type, wanted.default_value
        from information_schema.columns c
        join (values
            ('conversations', 'id', 'gen_random_uuid()'),
            ('conversations', 'status', '''active'''),
            ('conversations', 'created_at', 'now()'),
            ('conversations', 'updated_at', 'now()'),
            ('conversation_messages', 'id', 'gen_random_uuid()'),
            ('tool_calls', 'id', 'gen_random_uuid()'),
            ('qualification_data', 'id', 'gen_random_uuid()'),
            ('feedback_sessions', 'id', 'gen_random_uuid()'),
            ('processed_webhook_events', 'id', 'gen_random_uuid()'),
            -- Some apps keep this table as a list of ids.
            ('processed_webhook_events', 'event_id', 'gen_random_uuid()'),
            ('processed_webhook_events', 'processed_at', 'now()')
        ) as wanted (table_name, column_name, default_value) using (table_name, column_name)
        where c.table_schema = 'public' and c.column_default is null and c.is_identity = 'NO'
            and c.data_type in (
                'uuid', 'text', 'character varying', 'timestamp with time zone', 'timestamp without time zone'
            )
    loop
        execute format(
            'alter table public.%I alter column %I set default (%s)::%s',
            missing.table_name, missing.column_name, missing.default_value, missing.data_type
        );
    end loop;
end
$$;

-- And the right to the sequences that number its rows.
do $$
declare
    numbers regclass;
begin
    for numbers in
        select d.objid::regclass
        from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S'
        where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype = 'a'
            and d.refobjid in (
                'public.conversations'::regclass, 'public.conversation_messages'::regclass,
                'public.tool_calls'::regclass, 'public.qualification_data'::regclass,
                'public.feedback_sessions'::regclass, 'public.processed_webhook_events'::regclass
            )
    loop
        execute format('grant usage on sequence %s to service_role', numbers);
    end loop;
end
$$;

-- And a key: Realtime shows no row of a table without one, and published rows without one cannot be changed.
do $$
declare
    keyless regclass;
begin
    for keyless in
        select c.oid::regclass from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relname in (
            'conversations', 'conversation_messages', 'tool_calls', 'qualification_data', 'feedback_sessions',
            'processed_webhook_events'
        ) and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p')
    loop
        begin
            execute format('alter table %s add primary key (id)', keyless);
        exception when others then
            execute format('alter table %s replica identity full', keyless);
        end;
    end loop;
end
$$;
