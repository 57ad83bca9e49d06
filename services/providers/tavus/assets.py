"""What Tavus makes apart from conversations: replicas, videos, documents.

Their callbacks have no envelope, so their type is derived from an id and a status.
https://docs.tavus.io/sections/webhooks-and-callbacks
"""

from __future__ import annotations

from services.effects import Json
from services.providers.tavus.fields import text
from services.providers.tavus.keys import Key, bounded
from services.providers.tavus.models import Asset

# A video names its replica too, so it is looked for first.
KINDS = {"video_id": "video", "document_id": "document", "replica_id": "replica"}

STATUSES = {
    "replica": ("started", "training", "completed", "ready", "error"),
    "video": ("queued", "generating", "ready", "error", "deleted"),
    "document": ("started", "processing", "ready", "error", "recrawling"),
}
ASSET_TYPES = tuple(f"{kind}.{status}" for kind, names in STATUSES.items() for status in names)


def asset_type(payload: dict[str, Json]) -> str | None:
    """Return the type of an asset's callback ("video.ready"), or None when it is none."""
    status = text(payload.get("status"))
    kind = next((kind for name, kind in KINDS.items() if text(payload.get(name))), None)
    return f"{kind}.{status.lower()}" if kind and status else None


def asset_key(kind: str) -> Key:
    """Return a key for one state of an asset; it can be reached again, so its time counts."""

    def key(event: Asset, body_sha256: str) -> str:
        at = event.updated_at.isoformat() if event.updated_at else "no time"
        return bounded(f"{kind}:{event.asset_id}:{event.status}:{at}")

    return key
