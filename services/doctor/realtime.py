"""Checks of what Realtime has to carry."""

from __future__ import annotations

from services.doctor.finding import Finding, ok, skip, warn
from services.doctor.patient import Patient
from services.errors import ConvohooksError
from services.telemetry.realtime import NEAR, load_of

NAME = "realtime load"
MEND = "Show fewer events (REALTIME_EVENTS: docs/realtime.md), or broadcast: docs/broadcast.md."


def check_load(patient: Patient) -> Finding | None:
    """Realtime carries well less than it can."""
    if patient.operations is None or isinstance(patient.operations, ConvohooksError):
        return None
    limit = patient.settings.realtime_changes_per_second
    load = load_of(patient.operations["realtime"], limit)
    if load.share is None:
        return skip(NAME, "no worker has measured it in the last minutes")
    peak = f"{load.peak_per_second:g} at most in the last hour"
    seen = f"{load.changes_per_second:g} changes a second of {limit}, {peak}"
    is_near = max(load.share, (load.peak_per_second or 0) / limit) > NEAR
    return warn(NAME, seen, MEND) if is_near else ok(NAME, seen)
