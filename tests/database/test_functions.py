"""Who may call which function, and what a function may reach."""

from __future__ import annotations

import psycopg
import pytest

from tests.database.events import rows
from tests.database.personas import Persona, acting, is_denied, sign_up

# Every function of ours by who may call it; a new one fails the tests until it is entered here.
CALLED_BY = {
    "nobody: triggers": [
        "adopt_bookings",
        "adopt_calls",
        "adopt_events",
        "adopt_recordings",
        "bump_version",
        "check_phone",
        "create_profile",
        "order_copy",
        "pass_on_booking_phone",
        "set_booking_phone",
        "set_notification_phone",
        "set_phone",
        "tell_booking",
        "tell_call",
        "tell_conversation",
        "tell_feedback",
        "tell_message",
        "tell_qualification",
        "tell_what_waited",
        "use_booking_request",
        "watch_conversation",
    ],
    "policies": ["is_admin"],
    "people": ["endpoint_health", "my_webhook_statistics"],
    "the service": [
        "add_message",
        "begin_conversation",
        "begin_erasure",
        "change_endpoint",
        "change_message",
        "check_readiness",
        "claim_analyses",
        "claim_deliveries",
        "claim_erased_files",
        "claim_events",
        "claim_lost_conversations",
        "claim_notice",
        "claim_reconciliation",
        "claim_recording",
        "claim_tool_run",
        "configure_conversation_webhook",
        "continue_erasures",
        "conversations_named",
        "create_endpoint",
        "delete_endpoint",
        "describe_access",
        "describe_schema",
        "extend_claim",
        "extend_recording",
        "fail_analysis",
        "fail_conversation",
        "find_conversations",
        "finish_analysis",
        "finish_deliveries",
        "finish_erased_files",
        "finish_events",
        "finish_look",
        "finish_notice",
        "finish_reconciliation",
        "finish_recording",
        "finish_tool_run",
        "inbox_backlog",
        "judge_alerts",
        "lift_erasure",
        "list_events",
        "list_incidents",
        "list_logs",
        "measure_realtime",
        "note_end",
        "operations",
        "place_conversation",
        "probe_rows",
        "prune",
        "purge_events",
        "read_alerts",
        "receive_events",
        "record_outage",
        "rehearse_erasure",
        "remove_conversation_webhook",
        "replay_events",
        "report_process",
        "reseal_values",
        "resend_delivery",
        "resend_failed_deliveries",
        "rotate_endpoint_secret",
        "sealed_values",
        "search_end",
        "search_endpoints",
        "search_rows",
        "show_event",
        "summarize_logs",
        "test_endpoint",
        "tidy_deliveries",
        "webhook_senders",
        "webhook_statistics",
        "webhook_totals",
    ],
    "the functions above": [
        "accounts_with",
        "add_counts",
        "age_weight",
        "annotate_transcript",
        "apply_completion",
        "apply_conversation",
        "apply_effects",
        "apply_event",
        "apply_feedback",
        "apply_messages",
        "apply_record",
        "apply_tool_call",
        "apply_transcript",
        "await_analysis",
        "bind_conversation",
        "body_text",
        "calls_by_hour",
        "claim_of_endpoint",
        "count_minutes",
        "counted_changes",
        "disable_endpoint",
        "disregard_changes",
        "emit",
        "emit_fact",
        "emit_feedback",
        "emit_message",
        "emit_qualification",
        "enable_endpoint",
        "endpoints_due",
        "endpoints_for",
        "erase_conversation",
        "erase_copies",
        "erase_event",
        "erase_item",
        "erase_row",
        "erase_talk",
        "erase_told",
        "erase_where",
        "error_kind",
        "event_behind",
        "event_summary",
        "events_matching",
        "fail_event",
        "fallen_silent",
        "finish_delivery",
        "finish_event",
        "fold",
        "follow_clock",
        "forget_relayed_call",
        "free_places",
        "furnish_endpoint",
        "has_end",
        "header_names",
        "held_analysis",
        "held_event",
        "ignore_erased",
        "inference_key",
        "insert_conversation",
        "is_complete",
        "is_empty",
        "is_erased",
        "iso",
        "keep_endpoint_headers",
        "key_of",
        "lock_conversation",
        "mark_of",
        "message_data",
        "message_key",
        "names_of",
        "needs_no_look",
        "newest",
        "note_health",
        "phone_of",
        "project",
        "projection_of",
        "queue_delivery",
        "quiet_since",
        "realtime_load",
        "receive_event",
        "recording",
        "reject",
        "search_query",
        "searched_places",
        "seconds_between",
        "send_again",
        "show_message",
        "status_rank",
        "store",
        "store_failed",
        "takes_place_of_relayed",
        "told_outcome",
        "wins",
        "words_md5",
    ],
}
ROLES = {
    "nobody: triggers": set(),
    "policies": {"authenticated", "service_role"},
    "people": {"authenticated"},
    "the service": {"service_role"},
    "the functions above": {"service_role"},
}
# What must see more than its caller.
DEFINERS = {
    "private.accounts_with",
    "private.adopt_bookings",
    "private.adopt_calls",
    "private.adopt_events",
    "private.adopt_recordings",
    "private.create_profile",
    "private.is_admin",
    "private.pass_on_booking_phone",
    "private.tell_booking",
    "private.tell_call",
    "private.tell_conversation",
    "private.tell_feedback",
    "private.tell_message",
    "private.tell_qualification",
    "private.tell_what_waited",
    "private.watch_conversation",
}

FUNCTIONS = """
    select n.nspname || '.' || p.proname as name, p.proname, n.nspname, p.prosecdef, p.proconfig,
        array(
            select r.rolname::text from pg_roles r
            where r.rolname in ('anon', 'authenticated', 'service_role')
                and has_function_privilege(r.oid, p.oid, 'execute')
        ) as callers
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'private')
"""


def test_every_function_is_called_by_whom_it_is_for(db: psycopg.Connection) -> None:
    decided = {name: ROLES[kind] for kind, names in CALLED_BY.items() for name in names}

    found = rows(db, FUNCTIONS)

    assert decided == {row["proname"]: set(row["callers"]) for row in found}


def test_only_what_the_service_and_people_call_is_exposed(db: psycopg.Connection) -> None:
    exposed = [row["proname"] for row in rows(db, FUNCTIONS) if row["nspname"] == "public"]

    assert sorted(exposed) == sorted([*CALLED_BY["the service"], *CALLED_BY["people"]])


def test_every_function_has_an_empty_search_path(db: psycopg.Connection) -> None:
    open_ended = [
        row["name"]
        for row in rows(db, FUNCTIONS)
        if 'search_path=""' not in (row["proconfig"] or [])
    ]

    assert open_ended == []


def test_functions_run_as_their_caller_but_for_few(db: psycopg.Connection) -> None:
    assert {row["name"] for row in rows(db, FUNCTIONS) if row["prosecdef"]} == DEFINERS


@pytest.mark.parametrize(
    "call",
    [
        "public.receive_events('[]')",
        "public.webhook_totals()",
        "public.check_readiness()",
        "public.claim_deliveries(gen_random_uuid(), 1, 1, 1, 1, 1)",
        "public.create_endpoint(gen_random_uuid(), '{}', 'x', 1)",
        "private.project('tavus', 'key', 'c', 'type', '{}', 1)",
        "private.wins('c', 'kind', 1, 'key')",
    ],
)
def test_browsers_call_nothing(db: psycopg.Connection, call: str) -> None:
    person = sign_up(db)

    assert is_denied(db, Persona("anon"), f"select {call}")
    assert is_denied(db, person, f"select {call}")


def test_anon_cannot_ask_who_is_an_admin(db: psycopg.Connection) -> None:
    assert is_denied(db, Persona("anon"), "select private.is_admin()")


def test_service_is_no_admin_but_may_ask(db: psycopg.Connection) -> None:
    with acting(db, Persona("service_role")):
        [answer] = rows(db, "select private.is_admin() as is_admin")

    assert answer["is_admin"] is False


def test_nothing_of_ours_is_granted_to_public_or_anon(db: psycopg.Connection) -> None:
    found = rows(
        db,
        """
        select c.oid::regclass::text as name from pg_class c, aclexplode(c.relacl) acl
        where c.relnamespace::regnamespace::text in ('public', 'private')
            and acl.grantee in (0, 'anon'::regrole)
        union all
        select p.oid::regprocedure::text
        from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl
        where p.pronamespace::regnamespace::text in ('public', 'private')
            and acl.grantee in (0, 'anon'::regrole)
        union all
        select a.attrelid::regclass || '.' || a.attname
        from pg_attribute a, aclexplode(a.attacl) acl
        where acl.grantee in (0, 'anon'::regrole)
            and a.attrelid in (
                select c.oid from pg_class c
                where c.relnamespace::regnamespace::text in ('public', 'private')
            )
        union all
        select n.nspname from pg_namespace n, aclexplode(n.nspacl) acl
        where n.nspname = 'private' and acl.grantee in (0, 'anon'::regrole)
        """,
    )

    assert found == []
