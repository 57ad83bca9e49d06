"""Is anything wrong? The rules, and what they come to. Pure; the thresholds are the settings'.

The same is asked of Prometheus by alerts/convohooks.rules.yml. A rule, its threshold and its
heading in docs/operations/alerts.md have the same name.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.notifier import senders, work
from services.notifier.thresholds import Thresholds
from services.notifier.verdict import Reading, Rule, Verdict, verdict

LASTING = 180.0
"""Seconds for which calls must be wrong: what lasted a minute has left the last two by then."""
LASTING_WORK = 240.0
"""The same of attempts: what failed is tried again for half a minute, and of deliveries the last
three minutes count."""


def judge(reading: Reading, thresholds: Thresholds, realtime_limit: float) -> Iterator[Verdict]:
    """Yield a verdict on everything that can be measured."""
    reading = {**reading, "realtime_limit": realtime_limit}
    for rule in RULES:
        threshold = getattr(thresholds, rule.name)
        if threshold:
            for found in rule.measure(reading, thresholds):
                yield verdict(rule, found, threshold)


RULES = (
    Rule(
        name="error_rate",
        title="Calls of {} fail",
        measure=senders.errors,
        severity="critical",
        hold_seconds=LASTING,
        clear_seconds=120,
    ),
    Rule(
        name="slow_answers",
        title="Calls of {} are answered slowly",
        measure=senders.slow,
        hold_seconds=LASTING,
        clear_seconds=120,
    ),
    Rule(
        name="signature_failures",
        title="Calls in the name of {} do not verify",
        measure=senders.unauthentic,
        hold_seconds=LASTING,
        clear_seconds=120,
    ),
    Rule(
        name="silence",
        title="{} has not called for an hour",
        measure=senders.silence,
        severity="critical",
        hold_seconds=300,
        clear_seconds=0,
    ),
    Rule(
        name="went_silent",
        title="{} was busy and has stopped calling",
        measure=senders.went_silent,
        clear_seconds=0,
    ),
    Rule(
        name="retries",
        title="Events are tried again far more often than usual",
        measure=work.retries,
        hold_seconds=LASTING_WORK,
        clear_seconds=120,
    ),
    Rule(
        name="dead_letters",
        title="Events have failed too often",
        measure=work.dead_letters,
        clear_seconds=0,
    ),
    Rule(
        name="worker_behind",
        title="No worker takes the events that are due",
        measure=work.worker_behind,
        severity="critical",
        hold_seconds=60,
    ),
    Rule(
        name="spool_not_empty",
        title="{} holds events that Supabase does not have yet",
        measure=work.of_host("spooled", "{} events wait on the disk."),
        hold_seconds=300,
    ),
    Rule(
        name="unsendable",
        title="{} holds events that Supabase would not store",
        measure=work.of_host(
            "unsendable", "{} events stay on the disk until somebody looks at them."
        ),
        severity="critical",
    ),
    Rule(
        name="circuit_open",
        title="{} has given up on Supabase for now",
        measure=work.circuit,
        severity="critical",
        hold_seconds=120,
    ),
    Rule(
        name="spool_broken",
        title="The spool of {} cannot be read",
        measure=work.spool,
        severity="critical",
        hold_seconds=60,
    ),
    Rule(
        name="deliveries_failing",
        title="Webhooks to customers fail",
        measure=work.deliveries_failing,
        hold_seconds=LASTING_WORK,
        clear_seconds=120,
    ),
    Rule(
        name="deliveries_waiting",
        title="Webhooks to customers wait",
        measure=work.deliveries_waiting,
        hold_seconds=120,
    ),
    Rule(
        name="process_gone",
        title="The {} reports no more",
        measure=work.process_gone,
        severity="critical",
        clear_seconds=0,
    ),
    Rule(
        name="realtime_near_limit",
        title="Realtime nears its limit",
        measure=work.realtime,
        hold_seconds=300,
        clear_seconds=300,
    ),
)
