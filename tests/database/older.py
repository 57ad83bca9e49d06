"""A database from before our schema: tables as apps on Supabase have them, with rows."""

from __future__ import annotations

import json
from typing import Any

import psycopg

OWNER = "00000000-0000-4000-8000-00000000000a"
SCENARIO = "00000000-0000-4000-8000-00000000000b"
CONVERSATION = "00000000-0000-4000-8000-00000000000c"

SCHEMA = """
create table profiles (id uuid primary key);
create table scenarios (id uuid primary key);

CREATE TABLE qualification_data (
  id UUID DEFAULT gen_random_uuid() PRIMARY KEY,
  conversation_id TEXT NOT NULL,
  first_name TEXT,
  last_name TEXT,
  email TEXT,
  position TEXT,
  objective_name TEXT NOT NULL,
  event_type TEXT NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
  raw_payload JSONB,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE TABLE conversations (
  id UUID PRIMARY KEY,
  conversation_id TEXT UNIQUE, -- Tavus conversation ID
  user_id UUID REFERENCES profiles(id),
  scenario_id UUID REFERENCES scenarios(id),
  started_at TIMESTAMPTZ,
  ended_at TIMESTAMPTZ,
  status TEXT, -- 'active', 'completed', 'ended', 'failed'
  tavus_metadata JSONB, -- Full webhook payload
  recording_url TEXT,
  created_at TIMESTAMPTZ,
  updated_at TIMESTAMPTZ
);

create table feedback_sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references profiles (id),
  scenario_id uuid references scenarios (id),
  score integer,
  completed_at timestamptz,
  duration integer,
  transcript jsonb,
  analysis jsonb
);
ALTER TABLE feedback_sessions
ADD COLUMN conversation_id UUID REFERENCES conversations(id);

create table processed_webhook_events (
  id uuid primary key default gen_random_uuid(),
  conversation_id text not null,
  event_type text,
  event_data jsonb,
  event_hash text,
  processed_at timestamptz,
  processing_duration_ms integer
);

create table demo_videos (
  id uuid primary key default gen_random_uuid(),
  title text,
  storage_url text,
  duration_seconds integer
);

create table conversation_messages (
  conversation_id text,
  message_id text,
  role text,
  content_length integer,
  timestamp timestamptz,
  sentiment text,
  intent text,
  confidence double precision
);

alter table conversations enable row level security;
create policy "Users see their own" on conversations for select using (auth.uid() = user_id);
create policy "Users add their own" on conversations for insert to authenticated
with check (auth.uid() = user_id);
alter publication supabase_realtime add table conversations;
"""

ID_LIST = """
drop table processed_webhook_events;
create table processed_webhook_events (event_id text primary key, processed_at timestamptz);
"""

ROWS = f"""
insert into auth.users (id, email) values ('{OWNER}', 'owner@example.com') on conflict do nothing;
insert into profiles (id) values ('{OWNER}') on conflict do nothing;
insert into scenarios (id) values ('{SCENARIO}');

insert into conversations (id, conversation_id, user_id, scenario_id, status, tavus_metadata) values
    ('{CONVERSATION}', 'old', '{OWNER}', '{SCENARIO}', 'active', '{{"status": "active"}}');
insert into conversations (id, conversation_id, user_id, scenario_id, started_at) values
    (gen_random_uuid(), 'older', '{OWNER}', '{SCENARIO}', now()),
    (gen_random_uuid(), 'oldest', '{OWNER}', '{SCENARIO}', now());

insert into qualification_data
    (conversation_id, first_name, objective_name, event_type, raw_payload)
select 'old', name, 'contact', 'conversation.objective_completed', '{{"a": 1}}'
from unnest(array['Ada', 'Ada', null]) name;

insert into conversation_messages (conversation_id, message_id, role, content_length) values
    ('old', 'm1', 'user', 5);
"""

FEEDBACK = f"""
insert into feedback_sessions
    (user_id, scenario_id, conversation_id, score, duration, transcript{{}})
select '{OWNER}', '{SCENARIO}', '{CONVERSATION}', 75, 420, '[]'{{}} from generate_series(1, 2)
"""

# What tables without a key may hold as well; one with a key refuses it.
REPEATED_ROWS = """
insert into conversation_messages (conversation_id, message_id, role, content_length) values
    ('old', 'm1', 'user', 5), (null, null, null, null)
"""
UNNAMED_ROWS = """
insert into conversations (id) values (gen_random_uuid()), (gen_random_uuid());
insert into feedback_sessions (score) values (null), (null);
"""
EVENT = """
insert into processed_webhook_events
    (id, conversation_id, event_type, event_data, event_hash, processed_at)
values (gen_random_uuid(), 'old', 'conversation.ended', '{"b": 2}', 'h', now())
"""
ID = "insert into processed_webhook_events (event_id, processed_at) values (%s, now())"
VIDEO = "insert into demo_videos (id, title) values (%s, 'Pricing')"


def fill(db: psycopg.Connection) -> None:
    """Put rows into the old tables, with repeats and nulls where they allow them."""
    is_numbered = _type_of(db, "feedback_sessions", "id") == "bigint"
    db.execute(ROWS)
    db.execute(FEEDBACK.format(*("", "") if is_numbered else (", id", ", gen_random_uuid()")))
    db.execute(VIDEO, ["7" if _type_of(db, "demo_videos", "id") == "bigint" else OWNER])
    for statement in (EVENT, EVENT, REPEATED_ROWS, UNNAMED_ROWS):
        _try(db, statement)
    _try(db, ID, OWNER)


def old_rows(db: psycopg.Connection, columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return every row of these tables by these columns alone."""
    return {table: _rows(db, table, names) for table, names in columns.items()}


def old_columns(db: psycopg.Connection) -> dict[str, list[str]]:
    """Return the tables of public and their columns."""
    found = db.execute(
        "select table_name, array_agg(column_name::text) from information_schema.columns"
        " where table_schema = 'public' group by table_name"
    )
    return dict(found.fetchall())


def _rows(db: psycopg.Connection, table: str, columns: list[str]) -> list[str]:
    found = db.execute(f"select to_jsonb(t) from public.{table} t").fetchall()
    return sorted(json.dumps(_only(row[0], columns), sort_keys=True) for row in found)


def _only(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    return {name: row[name] for name in columns}


def _type_of(db: psycopg.Connection, table: str, column: str) -> str:
    found = db.execute(
        "select data_type from information_schema.columns"
        " where table_schema = 'public' and table_name = %s and column_name = %s",
        [table, column],
    ).fetchone()
    return found[0] if found else ""


def _try(db: psycopg.Connection, statement: str, *values: str) -> None:
    """Insert rows unless this variant of the table cannot hold them."""
    try:
        with db.transaction():
            db.execute(statement, values)
    except (psycopg.errors.IntegrityError, psycopg.errors.UndefinedColumn):
        pass
