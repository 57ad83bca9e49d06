"""Checks of the addresses of a hosted project, by their looks alone."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from services.doctor.finding import Finding, fail, ok, skip, warn
from services.doctor.keys import HOSTED
from services.doctor.patient import Patient
from services.reach.public_url import is_loopback

PROJECT, DATABASE = "project URL", "database URL"
WHOLE = "Set SUPABASE_URL to https://<ref>.supabase.co, or to the project's own domain."
CHECKED = frozenset({"require", "verify-ca", "verify-full"})
TRANSACTIONS = 6543
"""The pooler's port on which each transaction may meet another session."""


def check_project_url(patient: Patient) -> Finding:
    """SUPABASE_URL is the API of a hosted project, and nothing else of it."""
    url = patient.settings.supabase_url
    parts, host = urlsplit(url), urlsplit(url).hostname or ""
    if is_loopback(url):
        return fail(PROJECT, f"{url} is this machine's own", WHOLE)
    if parts.scheme != "https":
        return fail(PROJECT, f"{url}: the keys would travel in the open", WHOLE)
    if parts.path or parts.username:
        return fail(PROJECT, f"{parts.scheme}://{host} has more behind or before it", WHOLE)
    if host in ("supabase.com", "app.supabase.com"):
        return fail(PROJECT, f"{host} is the dashboard's", WHOLE)
    if host.endswith(HOSTED) and "." in host.removesuffix(HOSTED):
        return fail(PROJECT, f"{host} is no API: db.… is the database's name", WHOLE)
    ref = ref_of(url)
    return ok(PROJECT, f"project {ref}" if ref else f"{host}, a domain of its own")


def check_database_url(patient: Patient) -> Finding:
    """DATABASE_URL, which only tools use, leads to this project by TLS, to a whole session."""
    url = patient.settings.database_url
    if url is None:
        return skip(DATABASE, "not set; the service needs none, `supabase db push` does")
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or 5432
    except ValueError:  # whose words quote what may be a piece of the password
        mend = "Percent-encode what a password has of / ? # [ ] @ :"
        return fail(DATABASE, "its host and port cannot be read", mend)
    if is_loopback(url):
        return fail(DATABASE, f"{host} is this machine's own", "Take the project's, or none.")
    ours, told = ref_of(patient.settings.supabase_url), _ref_in(host, unquote(parts.username or ""))
    if ours and told and ours != told:
        return fail(DATABASE, f"it is of the project {told!r}", "Take the one of this project.")
    mode = parse_qs(parts.query).get("sslmode", ["prefer"])[-1]
    if mode not in CHECKED:
        mend = "Add sslmode=require (or verify-full with the project's certificate)."
        return warn(DATABASE, f"sslmode is {mode}: the password may travel in the open", mend)
    if port == TRANSACTIONS:
        mend = "Take port 5432 of the same pooler for `supabase db push` and pg_dump."
        return warn(DATABASE, "port 6543 pools transactions: sessions do not hold", mend)
    way = (
        "the direct way, which is IPv6 only without the add-on" if host.startswith("db.") else host
    )
    return ok(DATABASE, f"{way}, port {port}, sslmode={mode}")


def ref_of(url: str) -> str | None:
    """Return a project's ref; None where it has a domain of its own."""
    host = urlsplit(url).hostname or ""
    return host.removesuffix(HOSTED) if host.endswith(HOSTED) else None


def _ref_in(host: str, user: str) -> str | None:
    """Return the ref that a database's address names: in the host, or in the pooler's user."""
    if host.startswith("db.") and host.endswith(HOSTED):
        return host.removeprefix("db.").removesuffix(HOSTED)
    return user.partition(".")[2] or None
