"""GET /api/webhooks/senders: who may send, whether they can, and how they have done today."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint
from pydantic import BaseModel

from services.errors import Unauthorized
from services.inbound import Inbound
from services.provider import Call, Provider
from services.providers.tavus import TAVUS
from services.settings import Settings
from services.telemetry.statistics import percentile_ms, success_rate, sum_buckets
from services.web.api.declared import declared
from services.wiring.web import Services

COUNTS = (
    "received",
    "failed",
    "duplicates",
    "unauthentic",
    "rejected",
    "throttled",
    "unavailable",
)


class Sender(BaseModel):
    """How a sender has done in the last 24 hours.

    `received_24h` were answered with 200, those that failed or repeated another among them;
    `success_rate` is of all that it could prove and did not send too fast.
    """

    source: str
    paths: list[str]
    configured: bool
    last_seen_at: datetime | None
    received_24h: int
    failed_24h: int
    duplicates_24h: int
    unauthentic_24h: int
    rejected_24h: int
    throttled_24h: int
    unavailable_24h: int
    success_rate: float | None
    p95_ms: float | None


class Senders(BaseModel):
    """Every sender that there is."""

    data: list[Sender]


def blueprint(services: Services) -> Blueprint:
    """Return the route, which is for admins."""
    routes = Blueprint("senders", __name__)

    route = declared(services, "Operations", "admin")

    @routes.get("/api/webhooks/senders")
    @route(answers={200: Senders})
    def list_senders() -> Senders:
        """Tell who may send, whether they can, and how they have done today."""
        rows = services.database.call(
            "webhook_senders",
            {
                "sources": [sender.name for sender in services.providers],
                "since": (datetime.now(UTC) - timedelta(hours=24)).isoformat(),
            },
        )
        by_source = {row["source"]: row for row in rows}
        data = [
            _sender(sender, by_source[sender.name], services.settings)
            for sender in services.providers
        ]
        return Senders(data=data)

    return routes


def is_configured(provider: Provider, settings: Settings) -> bool:
    """Return whether a call can be made that the sender's own verifier takes."""
    if provider.name == TAVUS.name and settings.callback_signing_keys:
        return True
    url = settings.public_base_url + provider.paths[0]
    headers = {"Content-Type": provider.content_type}
    call = provider.sign(Call(url=url, body=b"", headers=headers), settings)
    try:
        provider.verify(_inbound(call), settings)
    except Unauthorized:
        return False
    return True


def _inbound(call: Call) -> Inbound:
    parts = urlsplit(call.url)
    return Inbound(
        method="POST",
        path=parts.path,
        query=dict(parse_qsl(parts.query)),
        headers={name.lower(): value for name, value in call.headers.items()},
        body=call.body,
        received_at=datetime.now(UTC),
        target=f"{parts.path}?{parts.query}" if parts.query else parts.path,
    )


def _sender(provider: Provider, row: dict[str, Any], settings: Settings) -> Sender:
    counts = {name: row.get(name, 0) for name in COUNTS}
    refused = counts["rejected"] + counts["unavailable"]
    return Sender(
        source=provider.name,
        paths=list(provider.paths),
        configured=is_configured(provider, settings),
        last_seen_at=row["last_seen_at"],
        success_rate=success_rate(counts["received"] + refused, counts["failed"] + refused),
        p95_ms=percentile_ms(sum_buckets([row.get("buckets", [])]), 0.95),
        **{f"{name}_24h": amount for name, amount in counts.items()},
    )
