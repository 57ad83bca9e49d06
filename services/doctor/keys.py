"""Checks of the publishable key: browsers show it, so it must be that one and no other."""

from __future__ import annotations

from urllib.parse import urlsplit

import jwt
import requests

from services.doctor.finding import Finding, fail, ok, skip
from services.doctor.patient import Patient
from services.errors import Unavailable

NAME = "publishable key"
MEND = "Set SUPABASE_PUBLISHABLE_KEY to the project's publishable key (sb_publishable_… or anon)."
TIMEOUT = (3.05, 10.0)
HOSTED = ".supabase.co"


def check_publishable_key(patient: Patient) -> Finding:
    """Browsers are given a key that Supabase takes, and that opens nothing."""
    settings = patient.settings
    key = settings.supabase_publishable_key
    if problem := problem_of_key(key, settings.supabase_url, "anon", "sb_publishable_"):
        return fail(NAME, problem, MEND)
    if isinstance(patient.schema, Unavailable):
        return skip(NAME, "well-formed; Supabase could not be asked about it")
    try:
        answer = requests.get(
            f"{settings.supabase_url}/auth/v1/settings", headers={"apikey": key}, timeout=TIMEOUT
        )
    except requests.RequestException as error:
        return skip(NAME, f"Supabase Auth could not be asked about it ({type(error).__name__})")
    if answer.status_code in (401, 403):
        return fail(NAME, "Supabase does not take it: a key of another project, or removed", MEND)
    if answer.status_code != 200:
        return skip(NAME, f"Supabase Auth answered {answer.status_code}")
    return ok(NAME, "Supabase takes it")


def problem_of_key(key: str, url: str, role: str, prefix: str) -> str | None:
    """Return what is wrong with a key by its looks: another's role, another project's."""
    if key.startswith(prefix):
        return None
    if key.startswith("sb_"):
        return f"it is another kind of key than {prefix}…"
    try:
        claims = jwt.decode(key, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return f"it is neither an {prefix} key nor a JWT"
    if claims.get("role") != role:
        return f"it is the key of {str(claims.get('role'))[:40]!r}"
    host = urlsplit(url).hostname or ""
    project, told = host.removesuffix(HOSTED), claims.get("ref")
    if host.endswith(HOSTED) and told is not None and told != project:
        return f"it is a key of the project {str(told)[:40]!r}, SUPABASE_URL is of {project!r}"
    return None
