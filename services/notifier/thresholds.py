"""From where on something is wrong: the setting ALERT_THRESHOLDS."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What is reached begins an incident; 0 turns the rule off."""

    error_rate: float = 0.05
    """Share of a sender's calls within 10 minutes that failed."""
    slow_answers: float = 1.0
    """Seconds in which 19 of 20 calls are answered."""
    least_calls: float = 20.0
    """Calls within 10 minutes from which on there is a share, or a percentile, to speak of."""
    signature_failures: float = 30.0
    """Calls of a sender within 10 minutes without a valid token or signature."""
    silence: float = 10.0
    """Calls of a sender that make an hour usual."""
    went_silent: float = 10.0
    """Calls in each quarter of an hour that make a sender busy."""
    retries: float = 30.0
    """Events tried again within 15 minutes."""
    dead_letters: float = 1.0
    worker_behind: float = 60.0
    """Seconds that the longest due event has waited."""
    spool_not_empty: float = 1.0
    """Events on a host's disk, for five minutes."""
    unsendable: float = 1.0
    spool_broken: float = 1.0
    circuit_open: float = 1.0
    deliveries_failing: float = 0.5
    """Share of the attempts within 15 minutes to deliver to customers that failed."""
    deliveries_waiting: float = 300.0
    """Seconds that the longest due delivery has waited."""
    process_gone: float = 60.0
    """Seconds since a process has reported."""
    realtime_near_limit: float = 0.7
    """Changes a second, as a share of REALTIME_CHANGES_PER_SECOND."""
    database_away: float = 120.0
    """Seconds for which the worker has not reached Supabase."""


NAMES = tuple(field.name for field in fields(Thresholds))


def read_thresholds(text: str) -> Thresholds:
    """Return the thresholds of a text `name=number,…`; the others are the defaults.

    Raises ValueError, whose words follow the setting's name.
    """
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    return Thresholds(**{_name(name.strip()): _number(value) for name, _, value in pairs})


def _name(text: str) -> str:
    if text not in NAMES:
        raise ValueError(f"names {text!r}, which is none of {', '.join(NAMES)}")
    return text


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1e9:
        raise ValueError("is no list of name=number (0 or more)")
    return number
