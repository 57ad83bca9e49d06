"""Checks of what lies between the service and the tables: HTTP, PostgREST's limits, timeouts."""

from __future__ import annotations

import re

import requests

from services.doctor.finding import Finding, ok, skip, warn
from services.doctor.hosted.access import access_of
from services.doctor.hosted.asking import call, json_of
from services.doctor.patient import Patient
from services.errors import ConvohooksError

PROTOCOL, ROWS, TIMEOUTS = "HTTP", "row limit", "statement timeout"
NEEDED_ROWS = 1000
"""What one answer may have to hold: services/database.py MAX_VIDEOS, and a page of a client's."""
ASKED_ROWS = 1500
PATIENCE = 8.0
"""Seconds that services/database.py waits for an answer."""
UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "": 0.001}


def check_protocol(patient: Patient) -> Finding | None:
    """HTTP/1.1: a shared HTTP/2 connection loses requests (supabase-py issue 1064)."""
    if patient.protocol is None or isinstance(patient.protocol, ConvohooksError):
        return None
    if patient.protocol != "HTTP/1.1":
        mend = "A defect of this version: services/database.py must ask for http2=False."
        return warn(PROTOCOL, f"the service speaks {patient.protocol}", mend)
    return ok(PROTOCOL, "the service speaks HTTP/1.1")


def check_rows(patient: Patient) -> Finding | None:
    """An answer holds as many rows as the code asks for at once."""
    if isinstance(patient.schema, ConvohooksError):
        return None
    try:
        key = patient.settings.supabase_secret_key
        answer = call(patient, "probe_rows", key, wanted=ASKED_ROWS)
    except requests.RequestException as error:
        return skip(ROWS, f"could not be tried ({type(error).__name__})")
    told = json_of(answer)
    if answer.status_code != 200 or not isinstance(told, list):
        return skip(ROWS, f"could not be tried ({answer.status_code})")
    if len(told) < NEEDED_ROWS:
        mend = f"Dashboard, Settings, Data API: set Max rows to {NEEDED_ROWS} or more."
        return warn(ROWS, f"PostgREST cuts answers off at {len(told)} rows", mend)
    return ok(ROWS, f"{len(told)} rows" if len(told) < ASKED_ROWS else f"{ASKED_ROWS} or more")


def check_timeouts(patient: Patient) -> Finding | None:
    """Postgres lets a batch take as long as the service waits for it."""
    told = access_of(patient)
    if told is None:
        return None
    # PostgREST logs in as authenticator, and takes over what the role of a request sets.
    limits = {role: seconds(text) for role, text in told["timeouts"].items()}
    limit = limits.get("service_role", limits.get("authenticator"))
    if limit is None or limit == 0:
        return ok(TIMEOUTS, "none for the service; its own patience is 8 s")
    if limit < PATIENCE:
        mend = "alter role service_role set statement_timeout = '8s'; notify pgrst, 'reload config'"
        return warn(TIMEOUTS, f"{limit:g} s for the service, which would wait {PATIENCE:g}", mend)
    return ok(TIMEOUTS, f"{limit:g} s for the service")


def seconds(text: str) -> float | None:
    """Return the seconds of a duration as Postgres writes it; None for another text."""
    found = re.fullmatch(r"'?(\d+)\s*(ms|s|min|h|d|)'?", text.strip())
    return int(found[1]) * UNITS[found[2]] if found else None
