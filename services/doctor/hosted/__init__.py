"""What matters where Supabase is a hosted project: `convohooks doctor --target hosted`.

Each check stands in the table of docs/hosted.md under the name that it prints.
"""

from __future__ import annotations

from services.doctor.finding import Check
from services.doctor.hosted import access, address, ahead, connection, live, tokens

CHECKS: tuple[Check, ...] = (
    address.check_project_url,
    address.check_database_url,
    tokens.check_kinds,
    tokens.check_signing,
    access.check_anonymous,
    access.check_schema_private,
    access.check_grants,
    access.check_extensions,
    connection.check_protocol,
    connection.check_rows,
    connection.check_timeouts,
    live.check_join,
    live.check_plan,
    ahead.check_local_addresses,
    ahead.check_proxies,
    ahead.check_demo,
)
