"""Finds out what is wrong before a sender does. A new check is one function and one entry here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from services.doctor import host, hosted, keys, operation, outside, project, realtime, setup
from services.doctor.finding import Check, Finding, fail, ok
from services.doctor.patient import Patient, meet
from services.errors import SettingsError
from services.settings import given, load_settings, raw_settings
from services.settings.files import Given

Target: TypeAlias = Literal["any", "hosted"]

CHECKS: tuple[Check, ...] = (
    setup.check_secrets,
    setup.check_callbacks,
    setup.check_public_url,
    setup.check_metrics,
    project.check_address,
    project.check_service_key,
    keys.check_publishable_key,
    project.check_schema,
    project.check_realtime,
    realtime.check_load,
    project.check_clock,
    operation.check_worker,
    project.check_dead_letters,
    operation.check_deliveries,
    operation.check_alerts,
    operation.check_telling,
    outside.check_reach,
    outside.check_tavus,
    outside.check_tavus_callbacks,
    host.check_service,
    host.check_spool_place,
    host.check_spool_room,
    host.check_spool_rows,
    host.check_rate_limits,
)


def examine(target: Target = "any") -> list[Finding]:
    """Run every check on what the settings name; without good settings there is only theirs."""
    texts = raw_settings()
    try:
        settings = load_settings(texts)
    except SettingsError as error:
        return [fail("settings", error.detail, "See .env.example for what each of them takes.")]
    found = given(texts)
    patient = meet(settings, found.texts, is_hosted=target == "hosted")
    checks = (*CHECKS, *hosted.CHECKS) if target == "hosted" else CHECKS
    found_well = ok("settings", "complete and well-formed" + _of_files(found))
    return [found_well, *diagnose(patient, checks)]


def _of_files(found: Given) -> str:
    """Return which settings came from files; of what those say, nothing."""
    told = (f"{name} from {path}" for name, path in sorted(found.files.items()))
    return "".join(f"; {line}" for line in told)


def diagnose(patient: Patient, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Return what the checks found, each that has something to say."""
    return [finding for check in checks if (finding := check(patient))]
