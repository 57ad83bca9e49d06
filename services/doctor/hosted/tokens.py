"""Checks of keys and tokens: of the kind that stays, signed by what nobody else has."""

from __future__ import annotations

import time

import jwt
import requests

from services.doctor.finding import Finding, fail, ok, skip, warn
from services.doctor.hosted.asking import ask, json_of
from services.doctor.patient import Patient

KINDS, SIGNING = "key kinds", "token signing"
NEWER = (
    "Make a publishable and a secret key in the dashboard (Settings, API keys), set them, restart,"
    " then disable the legacy ones."
)
SIGN = (
    "Dashboard, Settings, JWT keys: migrate, then rotate; tokens of before stay good until they"
    " expire."
)
SOON = 30 * 86400.0
JWKS = "/auth/v1/.well-known/jwks.json"


def check_kinds(patient: Patient) -> Finding:
    """The keys can be revoked one by one, and do not end soon."""
    settings = patient.settings
    keys = {
        "SUPABASE_SECRET_KEY": settings.supabase_secret_key,
        "SUPABASE_PUBLISHABLE_KEY": settings.supabase_publishable_key,
    }
    older = {name: key for name, key in keys.items() if not key.startswith("sb_")}
    ended = [name for name, key in older.items() if (_seconds_left(key) or SOON) <= 0]
    if ended:
        return fail(KINDS, f"{' and '.join(ended)} expired", NEWER)
    if older:
        seen = f"{' and '.join(older)}: legacy JWT, revoked only with all tokens of the project"
        return warn(KINDS, seen + _ends_soon(older.values()), NEWER)
    return ok(KINDS, "sb_secret_… and sb_publishable_…, each can be revoked alone")


def _ends_soon(keys: object) -> str:
    left = [_seconds_left(str(key)) for key in keys]  # type: ignore[attr-defined]
    days = [seconds / 86400 for seconds in left if seconds is not None and seconds < SOON]
    return f"; one expires in {min(days):.0f} days" if days else ""


def _seconds_left(key: str) -> float | None:
    """Return how long a key is good for; None where it does not say."""
    try:
        ends = jwt.decode(key, options={"verify_signature": False}).get("exp")
    except jwt.InvalidTokenError:
        return None
    return float(ends) - time.time() if isinstance(ends, int | float) else None


def check_signing(patient: Patient) -> Finding:
    """People's tokens are signed with a key that the project alone has, and publishes one half."""
    try:
        answer = ask(patient, JWKS, patient.settings.supabase_publishable_key)
    except requests.RequestException as error:
        return skip(SIGNING, f"the published keys could not be asked for ({type(error).__name__})")
    told = json_of(answer)
    if answer.status_code != 200 or not isinstance(told, dict):
        seen = f"no published keys at {JWKS} ({answer.status_code})"
        return warn(SIGNING, seen, "Check SUPABASE_URL; a self-hosted Auth may be too old.")
    keys = [key for key in told.get("keys") or [] if isinstance(key, dict)]
    names = sorted({str(key.get("alg") or key.get("kty")) for key in keys if _has_halves(key)})
    if names:
        return ok(SIGNING, f"{', '.join(names)}; the service asks Supabase Auth about each token")
    seen = "HS256: whoever learns the shared secret makes tokens of anybody, and of service_role"
    return warn(SIGNING, seen, SIGN)


def _has_halves(key: dict[str, object]) -> bool:
    return key.get("kty") in ("EC", "RSA", "OKP") and "d" not in key
