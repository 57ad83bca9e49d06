"""The recording of a call: an address in the customer's storage, for Tavus makes none public."""

from __future__ import annotations

import re
from dataclasses import replace

from services.effects import Effects
from services.provider import Lookups
from services.providers.tavus.keys import bounded
from services.providers.tavus.metadata import about
from services.providers.tavus.models import Recording

# Browsers will see the address, so `javascript:` and its like must not pass for one.
ADDRESS = re.compile(
    r"(https?|s3|gs|gcs|az|azure|abfss?|wasbs?)://[^\s\x00-\x20\x7f<>\"\\]+", re.IGNORECASE
)


def keep_recording(event: Recording, lookups: Lookups) -> Effects:
    """Keep where the recording lies."""
    change = about(event, "application.recording_ready")
    return Effects(conversation=replace(change, recording_url=storage_address(recorded_at(event))))


def recording_key(event: Recording, body_sha256: str) -> str:
    """Return the key of one recording; a conversation may have several."""
    return bounded(f"recording:{recorded_at(event) or f'body:{body_sha256}'}")


def recorded_at(event: Recording) -> str | None:
    """Return the address that was told, else the one that bucket and key make."""
    parts = event.bucket and event.storage_key
    return event.uri or (f"s3://{event.bucket}/{event.storage_key}" if parts else None)


def storage_address(told: str | None) -> str | None:
    """Return an address that can be shown, or None for one that is none."""
    return told if told and ADDRESS.fullmatch(told) else None
