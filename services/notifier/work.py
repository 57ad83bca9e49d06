"""What is measured of the work behind the calls, and of the processes that do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.notifier.thresholds import Thresholds
from services.notifier.verdict import Found, Measure, Reading, alive, lasting

LEAST_FAILED_DELIVERIES = 20
WINDOW = 15
"""Minutes in which attempts are counted; the last ones say whether it is still so."""
USUAL = 3.0
"""How many times the average of the day before is more than usual."""


def retries(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield how many events were tried again."""
    retried, usual = reading["retried"], float(reading["retried_before"])
    rate = WINDOW * float(reading["retried_now"])
    yield Found(
        value=retried,
        detail=f"{retried} events were tried again in the last 15 minutes; in the day before it "
        f"were {usual:.1f} on average.",
        state=lasting(retried, rate, thresholds.retries) if retried > USUAL * usual else "right",
    )


def dead_letters(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield how many events have failed too often."""
    dead = reading["operations"]["database"]["dead"]
    yield Found(value=dead, detail=f"{dead} events have failed too often and wait for somebody.")


def worker_behind(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield how long the longest due event waits for a worker."""
    seconds = reading["operations"]["database"]["oldest_due_seconds"] or 0.0
    yield Found(value=seconds, detail=f"The longest due event has waited {seconds:.0f} seconds.")


def deliveries_failing(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield what share of the attempts to deliver to customers failed."""
    told = reading["deliveries"]
    attempts, failed = told["attempts"], told["failed"]
    share = failed / attempts if attempts else 0.0
    now = told["failed_now"] / told["attempts_now"] if told["attempts_now"] else None
    state = lasting(share, now, thresholds.deliveries_failing)
    yield Found(
        value=share,
        detail=f"{failed} of {attempts} attempts of the last 15 minutes failed: {share:.1%}.",
        state=state if failed >= LEAST_FAILED_DELIVERIES else "right",
    )


def deliveries_waiting(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield how long the longest due delivery waits."""
    seconds = reading["operations"]["deliveries"]["oldest_due_seconds"] or 0.0
    yield Found(value=seconds, detail=f"The longest due delivery has waited {seconds:.0f} seconds.")


def process_gone(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield for how long the processes of each kind and host have not reported."""
    silent: dict[str, float] = {}
    # Who reads is a worker. Is none alive, it was suspended or has just begun, and neither it nor
    # what was suspended beside it has come to report since.
    is_awake = any(process["kind"] == "worker" for process in alive(reading))
    for process in reading["operations"]["processes"]:
        subject = f"{process['kind']} on {process['host']}"
        seconds = 0.0 if _is_replaced(process, reading) else process["silent_seconds"]
        silent[subject] = max(silent.get(subject, 0.0), seconds)
    for subject, seconds in silent.items():
        detail = f"Its last report is {seconds:.0f} seconds old, and it did not say that it ends."
        found = Found(subject=subject, value=seconds, detail=detail)
        yield found if is_awake else replace(found, state="unsure")


def realtime(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield what share of its limit Realtime carries."""
    changes = reading["operations"]["realtime"]["changes_per_second"] or 0.0
    limit = reading["realtime_limit"]
    yield Found(
        value=changes / limit,
        detail=f"{changes:.1f} changes a second are published, {changes / limit:.0%} of the "
        f"{limit:.0f} that Realtime carries.",
    )


def of_host(fact: str, sentence: str) -> Measure:
    """Return what yields the most of a fact that the processes of each host tell."""

    def measure(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
        for host, processes in _by_host(reading).items():
            # Those of a host share its spool.
            count = max(process["facts"].get(fact) or 0 for process in processes)
            yield Found(subject=host, value=count, detail=sentence.format(count))

    return measure


def circuit(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Whether a process has given up on Supabase, though others reach it."""
    detail = "Commits failed in a row; calls are spooled, or refused where there is no spool."
    for host, processes in _by_host(reading).items():
        is_open = any(p["facts"].get("breaker") == "open" for p in processes)
        yield Found(subject=host, value=float(is_open), detail=detail)


def spool(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Whether a process has a spool and cannot read it."""
    detail = "Should Supabase go away now, calls are refused; who calls once is not heard."
    for host, processes in _by_host(reading).items():
        is_broken = any(p["facts"].get("spooled", 0) is None for p in processes)
        yield Found(subject=host, value=float(is_broken), detail=detail)


def _is_replaced(process: Mapping[str, Any], reading: Reading) -> bool:
    """Whether another process began after its last report: in a container, under another name."""
    last_at = datetime.fromisoformat(process["reported_at"])
    return any(
        other["kind"] == process["kind"] and datetime.fromisoformat(other["started_at"]) > last_at
        for other in alive(reading)
    )


def _by_host(reading: Reading) -> dict[str, list[Mapping[str, Any]]]:
    hosts: dict[str, list[Mapping[str, Any]]] = {}
    for process in alive(reading):
        hosts.setdefault(process["host"], []).append(process)
    return hosts
