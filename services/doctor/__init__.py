"""Finds out what is wrong before a sender does. A new check is one function and one entry here."""

from __future__ import annotations

from services.doctor import host, keys, operation, outside, project, realtime, setup
from services.doctor.finding import Check, Finding, fail, ok
from services.doctor.patient import Patient, meet
from services.errors import SettingsError
from services.settings import load_settings, raw_settings

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


def examine() -> list[Finding]:
    """Run every check on what the settings name; without good settings there is only theirs."""
    texts = raw_settings()
    try:
        settings = load_settings(texts)
    except SettingsError as error:
        return [fail("settings", error.detail, "See .env.example for what each of them takes.")]
    return [ok("settings", "complete and well-formed"), *diagnose(meet(settings, texts))]


def diagnose(patient: Patient) -> list[Finding]:
    """Return what the checks found, each that has something to say."""
    return [finding for check in CHECKS if (finding := check(patient))]
