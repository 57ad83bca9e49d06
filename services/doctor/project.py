"""Checks of the Supabase project."""

from __future__ import annotations

from services.database import DatabaseRefused
from services.doctor.finding import Finding, fail, ok, skip, warn
from services.doctor.keys import problem_of_key
from services.doctor.patient import Patient
from services.errors import ConvohooksError, Unavailable
from services.reach.public_url import is_loopback
from services.schema_version import SCHEMA_VERSION

PUBLISHED = (
    "conversations",
    "delivery_attempts",
    "feedback_sessions",
    "processed_webhook_events",
    "qualification_data",
    "webhook_deliveries",
    "webhook_endpoints",
)
SKEW, FAR = 5.0, 60.0
"""Seconds between the clocks that are odd, and that break tokens."""
PUSH = "Run `npx supabase db push --db-url 'postgresql://…'` from this version of the code."

# PostgREST's codes: no such function; no such schema; a token it does not take, and what Postgres
# says of somebody who may not. https://docs.postgrest.org/en/stable/references/errors.html
_NO_FUNCTION = frozenset({"PGRST202", "PGRST106", "42883"})
_NOT_ALLOWED = frozenset({"42501", "401", "403"})


def check_address(patient: Patient) -> Finding:
    """Supabase answers at SUPABASE_URL."""
    url, answer = patient.settings.supabase_url, patient.schema
    if isinstance(answer, Unavailable):
        mend = "Check SUPABASE_URL, and in the dashboard that the project is not paused."
        return fail("supabase", f"{url}: {answer.detail}", mend)
    if isinstance(answer, DatabaseRefused) and _is_strange(answer):
        seen = f"what answers at {url} is no Supabase"
        return fail("supabase", seen, "Set SUPABASE_URL to the project's URL.")
    if not url.startswith("https://") and not is_loopback(url):
        return fail("supabase", f"{url}: the key travels in the open", "Use its https:// address.")
    return ok("supabase", f"{url} answers")


def check_service_key(patient: Patient) -> Finding:
    """The key is one that may write, and Supabase takes it."""
    name, answer = "service key", patient.schema
    mend = "Set SUPABASE_SECRET_KEY to the project's secret key (sb_secret_… or service_role)."
    settings = patient.settings
    problem = problem_of_key(
        settings.supabase_secret_key, settings.supabase_url, "service_role", "sb_secret_"
    )
    if problem:
        return fail(name, problem, mend)
    if isinstance(answer, DatabaseRefused) and _is_of_key(answer):
        return fail(name, f"Supabase does not take it ({answer.code or 'no code'})", mend)
    if isinstance(answer, ConvohooksError):
        return skip(name, "well-formed; Supabase could not be asked about it")
    return ok(name, "may call what only the service may")


def _is_strange(error: DatabaseRefused) -> bool:
    # The gateway's refusal of a key has no code, but names what it refuses.
    return error.code == "404" or not (error.code or "key" in error.detail)


def _is_of_key(error: DatabaseRefused) -> bool:
    if _is_strange(error):
        return False
    return not error.code or error.code in _NOT_ALLOWED or error.code.startswith("PGRST30")


def check_schema(patient: Patient) -> Finding | None:
    """The database has the schema that this code is written for."""
    answer = patient.schema
    if isinstance(answer, DatabaseRefused) and answer.code in _NO_FUNCTION:
        return fail("schema", "it is not there, or older than this check", PUSH)
    if isinstance(answer, ConvohooksError):
        return None
    if answer.version == SCHEMA_VERSION:
        return ok("schema", f"{answer.version}, as the code wants it")
    seen = f"the database has {answer.version}, the code is for {SCHEMA_VERSION}"
    if _migration(answer.version) > _migration(SCHEMA_VERSION):
        # A release's migrations leave to the code before it what that needs.
        return warn("schema", f"{seen}, which is older", "Deploy the code of that version.")
    return fail("schema", seen, PUSH)


def _migration(version: str | None) -> int:
    """Return the number of the newest migration of a schema; 0 where it has no such name."""
    number = (version or "").partition("-")[0]
    return int(number) if number.isdecimal() else 0


def check_realtime(patient: Patient) -> Finding | None:
    """Realtime carries what browsers follow."""
    if isinstance(patient.schema, ConvohooksError):
        return None
    missing = [table for table in PUBLISHED if table not in patient.schema.published]
    if missing:
        mend = "; ".join(f"alter publication supabase_realtime add table {t}" for t in missing)
        return fail("realtime", f"does not carry {', '.join(missing)}", f"In SQL: {mend}")
    return ok("realtime", f"carries {', '.join(PUBLISHED)}")


def check_clock(patient: Patient) -> Finding | None:
    """This machine and the database agree on the time."""
    if isinstance(patient.schema, ConvohooksError):
        return None
    off = max(abs(patient.schema.ahead) - patient.schema.precision, 0.0)
    seen = f"{off:.1f} s apart from the database's"
    if off <= SKEW:
        return ok("clock", seen)
    judge = fail if off > FAR else warn
    return judge("clock", seen, "Have this machine's clock set by NTP.")


def check_dead_letters(patient: Patient) -> Finding | None:
    """Nothing waits for somebody to look at it."""
    if isinstance(patient.backlog, ConvohooksError):
        return None
    dead = patient.backlog["dead"]
    if dead:
        mend = "`convohooks events list`, then `convohooks replay --all`."
        return warn("dead letters", f"{dead} events failed too often", mend)
    return ok("dead letters", "none")
