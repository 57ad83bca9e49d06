"""Checks of what is right on a developer's machine and wrong before the world."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from services.doctor.finding import Finding, fail, ok, skip, warn
from services.doctor.hosted.asking import ask, json_of
from services.doctor.patient import Patient

LOCAL, PROXIES, DEMO = "local addresses", "proxies", "demo rows"
SEEDS = {
    "scenarios": "5eed0000-0000-4000-8000-000000000001",
    "demo_videos": "5eed0000-0000-4000-8000-000000000011",
    "conversations": "5eed0000-0000-4000-8000-000000000021",
}
"""Rows of supabase/seed.sql."""


def check_local_addresses(patient: Patient) -> Finding:
    """Customers' endpoints cannot name what only this network reaches."""
    if patient.settings.webhook_allow_local:
        seen = "WEBHOOK_ALLOW_LOCAL lets customers' endpoints name this machine and its network"
        return fail(LOCAL, seen, "Take WEBHOOK_ALLOW_LOCAL out.")
    return ok(LOCAL, "refused as endpoints")


def check_proxies(patient: Patient) -> Finding:
    """Behind the proxy that ends TLS the service still knows who calls."""
    settings = patient.settings
    if urlsplit(settings.public_base_url).scheme == "https" and not settings.trusted_proxies:
        seen = "TRUSTED_PROXIES is 0: every caller seems to be the proxy, and shares its limits"
        return warn(PROXIES, seen, "Set it to how many proxies of yours a call passes, usually 1.")
    return ok(PROXIES, f"{settings.trusted_proxies} of them are believed")


def check_demo(patient: Patient) -> Finding:
    """The demo's rows have stayed at home."""
    try:
        found = [table for table, row in SEEDS.items() if _is_there(patient, table, row)]
    except requests.RequestException as error:
        return skip(DEMO, f"could not be looked for ({type(error).__name__})")
    if found:
        mend = "delete from … where id::text like '5eed0000-0000-4000-8000-%'"
        return warn(DEMO, f"supabase/seed.sql was run here: {', '.join(found)}", mend)
    return ok(DEMO, "none")


def _is_there(patient: Patient, table: str, row: str) -> bool:
    path = f"/rest/v1/{table}?select=id&id=eq.{row}"
    answer = ask(patient, path, patient.settings.supabase_secret_key)
    return answer.status_code == 200 and bool(json_of(answer))
