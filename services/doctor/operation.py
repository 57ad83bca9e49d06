"""Checks of how it goes: workers, deliveries, and whether anybody is told when it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.doctor.finding import Finding, fail, ok, warn
from services.doctor.patient import Patient
from services.errors import ConvohooksError
from services.reach.public_url import is_loopback

PATIENCE = 60.0
"""Seconds after which what is due, or a report that does not come, says that no worker is there."""
RUN = "Run `convohooks worker`."


def check_worker(patient: Patient) -> Finding | None:
    """Some worker is alive: it has reported, and what is due is claimed."""
    if isinstance(patient.backlog, ConvohooksError):
        return None
    seconds = patient.backlog["oldest_due_seconds"]
    alive = _alive(patient)
    if seconds is not None and seconds > PATIENCE:
        who = f"{alive} workers report" if alive else "no worker claims it"
        return fail("worker", f"an event has been due for {seconds:.0f} s, and {who}", RUN)
    if alive:
        return ok("worker", f"{alive} have reported within {PATIENCE:.0f} s")
    if alive is None:
        return ok("worker", "nothing is overdue; whether one runs, this database cannot tell")
    return fail("worker", f"none has reported within {PATIENCE:.0f} s; nothing is overdue", RUN)


def check_deliveries(patient: Patient) -> Finding | None:
    """What customers are to be told goes out, and no endpoint is left out."""
    if not isinstance(patient.operations, Mapping):
        return None
    told = patient.operations["deliveries"]
    overdue, disabled = told["oldest_due_seconds"], told["disabled_endpoints"]
    if overdue is not None and overdue > PATIENCE:
        return fail("deliveries", f"one has been due for {overdue:.0f} s", RUN)
    if disabled:
        mend = "See /dashboard/endpoints; whose endpoint answers again may enable it."
        return warn("deliveries", f"{disabled} endpoints are disabled", mend)
    return ok("deliveries", f"{told['waiting']} wait, no endpoint is disabled")


def check_alerts(patient: Patient) -> Finding:
    """Somebody is told when something is wrong."""
    settings = patient.settings
    ways = {
        "ALERT_WEBHOOK_URL": settings.alert_webhook_url,
        "ALERT_SLACK_URL": settings.alert_slack_url,
        "Prometheus, by its rules": settings.metrics_tokens or settings.metrics_port,
    }
    told = [name for name, way in ways.items() if way]
    if told:
        return ok("alerts", "told by " + ", ".join(told))
    if is_loopback(settings.supabase_url):
        return ok("alerts", "nobody is told; here Supabase is this machine's own")
    mend = "Set ALERT_WEBHOOK_URL or ALERT_SLACK_URL, or let Prometheus read /metrics."
    return warn("alerts", "nobody is told when something is wrong", mend)


def check_telling(patient: Patient) -> Finding | None:
    """What is told to others for looking into errors is meant for them."""
    settings = patient.settings
    if settings.debug_requests and not is_loopback(settings.supabase_url):
        seen = "DEBUG_REQUESTS prints what callers say"
        return warn("debugging", seen, "Take DEBUG_REQUESTS out, but on a developer's machine.")
    to = {"Sentry": settings.sentry_dsn, "OpenTelemetry": settings.otlp_endpoint}
    on = [name for name, address in to.items() if address]
    return ok("debugging", "errors and traces go to " + ", ".join(on)) if on else None


def _alive(patient: Patient) -> int | None:
    """Return how many workers have reported lately; None where the database cannot tell."""
    if not isinstance(patient.operations, Mapping):
        return None
    processes: list[Mapping[str, Any]] = patient.operations["processes"]
    workers = (one for one in processes if one["kind"] == "worker")
    return len([one for one in workers if one["silent_seconds"] <= PATIENCE])
