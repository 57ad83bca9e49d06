"""What is measured of the senders' calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.notifier.thresholds import Thresholds
from services.notifier.verdict import Found, Reading, alive, lasting
from services.telemetry.tally import SECONDS

LEAST_ERRORS = 5
SHARE_OF_UNAUTHENTIC = 0.1
WINDOW = 10
"""Minutes that are looked at; whether it is so now is seen in the last minute or two of them."""
USUAL = 3.0
"""How many times the average of the day before is more than usual."""


def errors(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield what share of each sender's calls came to nothing."""
    for calls, lately in _with_lately(reading):
        total, failed = _calls(calls), _failed(calls)
        share, now = _share(calls) or 0.0, _share(lately)
        is_enough = total >= thresholds.least_calls and failed >= LEAST_ERRORS
        yield Found(
            subject=calls["source"],
            value=share,
            detail=f"{failed:.0f} of {total:.0f} calls of the last 10 minutes failed, could not be "
            f"read or could not be kept: {share:.1%}{_of_now(now)}.",
            state=lasting(share, now, thresholds.error_rate) if is_enough else "right",
        )


def slow(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield how long each sender waits for its answers."""
    for calls, lately in _with_lately(reading):
        seconds = _slowest(calls) or 0.0
        state = lasting(seconds, _slowest(lately), thresholds.slow_answers)
        yield Found(
            subject=calls["source"],
            value=seconds,
            detail=f"One call in twenty of the last 10 minutes waited {seconds:.2g} seconds or "
            "longer for its answer.",
            state=state if calls["received"] >= thresholds.least_calls else "right",
        )


def unauthentic(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield how many calls in each sender's name could not prove it."""
    for calls, lately in _with_lately(reading):
        count = calls["unauthentic"]
        rate = WINDOW * float(lately.get("unauthentic", 0))
        usual = float(reading["unauthentic_before"].get(calls["source"], 0))
        is_spike = count > USUAL * usual and count >= SHARE_OF_UNAUTHENTIC * _calls(calls)
        yield Found(
            subject=calls["source"],
            value=count,
            detail=f"{count:.0f} calls of the last 10 minutes had no valid token or signature; in "
            f"the day before it were {usual:.1f} on average.",
            state=lasting(count, rate, thresholds.signature_failures) if is_spike else "right",
        )


def silence(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield who has not called in an hour in which they usually do."""
    for hours in reading["hours"]:
        others = max(hours.get("day_ago", 0), hours.get("fortnight_ago", 0))
        usual = min(hours.get("week_ago", 0), others)
        is_over = hours.get("last_hour", 0) > 0 or not _is_within(reading, hours, days=8)
        # An hour that is not usual neither begins a silence nor ends one.
        is_silent = _is_heard(reading) and usual >= thresholds.silence
        yield Found(
            subject=hours["source"],
            value=usual,
            detail=f"No call for an hour; at this hour there were {hours.get('week_ago', 0)} a "
            f"week ago. The last came at {hours['last_at']}.",
            state="right" if is_over else "wrong" if is_silent else "unsure",
        )


def went_silent(reading: Reading, thresholds: Thresholds) -> Iterator[Found]:
    """Yield who called all the time, and does no more."""
    for silent in reading["silent"]:
        least = silent["least"]
        was_busy = least >= thresholds.went_silent and not silent["as_usual"]
        is_silent = was_busy and not _is_within(reading, silent, minutes=16)
        yield Found(
            subject=silent["source"],
            value=least,
            detail=f"For three hours there were {least} calls or more in every quarter of an hour, "
            f"and none since {silent['last_at']}.",
            state="right" if not is_silent else "wrong" if _is_heard(reading) else "unsure",
        )


def quantile(buckets: Sequence[int], share: float) -> float:
    """Return the seconds within which this share of the counted lies, between two bounds evenly.

    What is longer than the last bound counts as that bound.
    """
    rank, before, lower = share * sum(buckets), 0.0, 0.0
    for count, upper in zip(buckets, SECONDS, strict=False):
        if count and before + count >= rank:
            return float(lower + (upper - lower) * (rank - before) / count)
        before, lower = before + count, upper
    return lower if sum(buckets) else 0.0


def _calls(calls: Mapping[str, Any]) -> float:
    return float(calls["received"] + calls["rejected"] + calls["unavailable"])


def _failed(calls: Mapping[str, Any]) -> float:
    return float(calls["failed"] + calls["rejected"] + calls["unavailable"])


def _with_lately(reading: Reading) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield each sender's counts, and those of this minute and the one before."""
    lately = {calls["source"]: calls for calls in reading["calls_now"]}
    for calls in reading["calls"]:
        yield calls, lately.get(calls["source"], {})


def _share(calls: Mapping[str, Any]) -> float | None:
    total = _calls(calls) if calls else 0.0
    return _failed(calls) / total if total else None


def _slowest(calls: Mapping[str, Any]) -> float | None:
    buckets = [count or 0 for count in calls.get("buckets", ())]
    return quantile(buckets, 0.95) if sum(buckets) else None


def _of_now(share: float | None) -> str:
    return f", now {share:.1%}" if share is not None else ""


def _is_heard(reading: Reading) -> bool:
    """Whether anybody is there to be called; else it is not the senders that are silent."""
    return any(process["kind"] == "web" for process in alive(reading))


def _is_within(reading: Reading, found: Mapping[str, Any], **span: float) -> bool:
    """Whether the last call came so short a time before the reading."""
    if found["last_at"] is None:
        return False
    read_at = datetime.fromisoformat(reading["read_at"])
    return read_at - datetime.fromisoformat(found["last_at"]) < timedelta(**span)
