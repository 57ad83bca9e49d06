"""Checks of who may read and write: asked of the database, and tried with the key of browsers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import requests

from services.doctor.finding import Finding, fail, ok, skip, warn
from services.doctor.hosted.asking import ask, call, json_of
from services.doctor.patient import Patient
from services.errors import ConvohooksError

ANONYMOUS, PRIVATE, GRANTS, EXTENSIONS = (
    "anonymous reading",
    "private schema",
    "grants",
    "extensions",
)
TABLES = (
    "bookings",
    "call_recordings",
    "call_transcriptions",
    "calls",
    "conversation_messages",
    "conversations",
    "delivery_attempts",
    "feedback_sessions",
    "notifications",
    "payments",
    "phone_numbers",
    "processed_webhook_events",
    "profiles",
    "qualification_data",
    "received_messages",
    "sms_messages",
    "tool_calls",
    "webhook_deliveries",
    "webhook_endpoints",
)
"""Ours in public that anon may never read."""
YOURS = ("demo_videos", "scenarios")
"""Ours too, but where there are policies of somebody else, those decide."""
WRITTEN_BY_PEOPLE = ("profiles", *YOURS)
FUNCTIONS = ("describe_schema", "operations", "inbox_backlog")
FOR_PEOPLE = frozenset({"endpoint_health", "is_admin", "my_webhook_statistics"})
REFUSED = frozenset({"42501", "42P01", "PGRST202", "PGRST205"})
"""What PostgREST says of what may not be read, or is not there."""
PUSH = "Take the grants back by pushing the migrations again, and look who gave them: "


def check_anonymous(patient: Patient) -> Finding:
    """The key that every browser has reads no table of ours, and calls no function of ours."""
    try:
        answers = dict(_tries(patient, patient.settings.supabase_publishable_key))
    except requests.RequestException as error:
        return skip(ANONYMOUS, f"could not be tried ({type(error).__name__})")
    if opened := [name for name, answer in answers.items() if answer.status_code < 300]:
        mend = f"{PUSH}`revoke all on … from anon`."
        return fail(ANONYMOUS, f"the publishable key opens {', '.join(opened)}", mend)
    odd = [f"{name} ({one.status_code})" for name, one in answers.items() if not _refuses(one)]
    if odd:
        return skip(ANONYMOUS, f"could not be tried: {odd[0]}")
    return ok(ANONYMOUS, f"refused at all of {len(answers)} tables and functions that were tried")


def _tries(patient: Patient, key: str) -> Iterator[tuple[str, requests.Response]]:
    for table in TABLES:
        yield table, ask(patient, f"/rest/v1/{table}?select=*&limit=1", key)
    for function in FUNCTIONS:
        yield f"{function}()", call(patient, function, key)


def _refuses(answer: requests.Response) -> bool:
    """Whether it is PostgREST that refuses; a gateway that does not take the key proves nothing."""
    told = json_of(answer)
    return isinstance(told, dict) and told.get("code") in REFUSED


def check_schema_private(patient: Patient) -> Finding:
    """The schema with the inbox and the secrets is no part of the API."""
    key = patient.settings.supabase_publishable_key
    try:
        path = "/rest/v1/webhook_inbox?select=id&limit=1"
        answer = ask(patient, path, key, Accept_Profile="private")
    except requests.RequestException as error:
        return skip(PRIVATE, f"could not be tried ({type(error).__name__})")
    told = json_of(answer)
    code = told.get("code") if isinstance(told, dict) else None
    mend = "Dashboard, Settings, Data API: take private out of the exposed schemas."
    if answer.status_code == 200:
        return fail(PRIVATE, "the publishable key reads the inbox", mend)
    if code == "PGRST106":
        return ok(PRIVATE, "the API does not know it")
    if code in ("42501", "PGRST205", "42P01"):
        return warn(PRIVATE, "the API exposes it, though its tables are closed", mend)
    return skip(PRIVATE, f"the API answered {answer.status_code} {code or ''}".rstrip())


def check_grants(patient: Patient) -> Finding | None:
    """anon, authenticated and service_role may do what the migrations say, no more, no less."""
    told = access_of(patient)
    if told is None:
        return None
    if told["reads_only"]:
        return fail(GRANTS, "the database only reads: it is a replica", "Set the primary's URL.")
    too_much = [*_too_much(told), *(f"{table} has no RLS" for table in _open_tables(told))]
    if too_much:
        seen = "; ".join(too_much[:8]) + (" …" if len(too_much) > 8 else "")
        return fail(GRANTS, seen, f"{PUSH}default privileges, or the dashboard.")
    readable = {one["table"] for one in told["tables"] if _is(one, "service_role", "SELECT")}
    missing = [table for table in (*TABLES, *YOURS) if f"public.{table}" not in readable]
    if missing:
        seen = f"service_role may not read {', '.join(missing)}"
        return fail(GRANTS, seen, "Push the migrations: grants are not given by themselves.")
    return ok(GRANTS, "as the migrations give them, row-level security on")


def _is(one: Mapping[str, str], role: str, privilege: str) -> bool:
    return one["role"] == role and one["privilege"] == privilege


def _too_much(told: Mapping[str, Any]) -> Iterator[str]:
    ours = {f"public.{table}" for table in TABLES}
    yours = {f"public.{table}" for table in WRITTEN_BY_PEOPLE}
    for one in told["tables"]:
        role, table, privilege = one["role"], one["table"], one["privilege"]
        is_ours = table in ours or table.startswith("private.")
        reads = role == "authenticated" and privilege == "SELECT" and table in ours
        edits = role == "authenticated" and table in yours and privilege != "TRUNCATE"
        if role != "service_role" and is_ours and not reads and not edits:
            yield f"{role} may {privilege} {table}"
    for line in told["functions"]:
        role, _, name = line.partition(" ")
        if role == "anon" or name.partition(".")[2] not in FOR_PEOPLE:
            yield f"{role} may call {name}"


def _open_tables(told: Mapping[str, Any]) -> list[str]:
    ours = {f"public.{table}" for table in (*TABLES, *YOURS)}
    return [t for t in told["open_tables"] if t in ours or t.startswith("private.")]


def check_extensions(patient: Patient) -> Finding | None:
    """Nothing of ours waits for an extension; what lies in public is open to the API."""
    told = access_of(patient)
    if told is None:
        return None
    extensions: Mapping[str, str] = told["extensions"]
    exposed = sorted(name for name, schema in extensions.items() if schema == "public")
    if exposed:
        mend = "`alter extension … set schema extensions`; its functions are callable by the API."
        return warn(EXTENSIONS, f"{', '.join(exposed)} in public", mend)
    cron = (
        "; pg_cron is there, nothing of ours is scheduled in it" if "pg_cron" in extensions else ""
    )
    return ok(EXTENSIONS, f"none is needed{cron}")


def access_of(patient: Patient) -> Mapping[str, Any] | None:
    """Return what the database says of rights and limits; None where it would not."""
    told = patient.access
    # check_schema says that a database is too old to be asked.
    return None if told is None or isinstance(told, ConvohooksError) else told
