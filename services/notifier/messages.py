"""What is told of an incident: for programs as JSON, for people as Slack shows it.

No word of what senders or callers said is in it: names of senders and hosts, counts and times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Kind = Literal["began", "ended", "test"]
Incident = Mapping[str, Any]

PAGE = "docs/operations/alerts.md"
SLACK_LONGEST = 3000
"""Characters of a text; https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message about an incident. Whoever gets one `id` twice has got one message."""

    id: str
    kind: Kind
    at: datetime
    incident: Incident
    service_url: str

    @property
    def event_type(self) -> str:
        """The type of the message: incident.began, incident.ended or incident.test."""
        return f"incident.{self.kind}"


def as_json(message: Message) -> dict[str, Any]:
    """Return the body for a program; its shape is that of Standard Webhooks."""
    incident = message.incident
    return {
        "id": message.id,
        "type": message.event_type,
        "timestamp": message.at.isoformat(),
        "data": {
            "incident_id": str(incident["id"]),
            "name": incident["name"],
            "severity": incident["severity"],
            "title": incident["title"],
            "detail": _detail(message),
            **incident["figures"],
            "began_at": incident["began_at"],
            "ended_at": incident["ended_at"],
            "service_url": message.service_url,
            "dashboard_url": dashboard(message),
            "runbook": runbook(incident),
        },
    }


def as_slack(message: Message) -> dict[str, str]:
    """Return the body for an incoming webhook of Slack, or of what takes the same."""
    incident = message.incident
    lines = [
        f"*{_heading(message)}*",
        _escaped(_detail(message)),
        f"Since {_time(incident['began_at'])}{_until(incident)}.{_figures(incident)}",
        f"What to do: {runbook(incident)} · <{dashboard(message)}|Operations>",
    ]
    return {"text": "\n".join(lines)[:SLACK_LONGEST]}


def runbook(incident: Incident) -> str:
    """Return where the manual says what an incident means and what to do."""
    rule = str(incident["name"]).partition(":")[0]
    return f"{PAGE}#{rule.replace('_', '-')}"


def dashboard(message: Message) -> str:
    """Return the page that shows how it stands now."""
    return f"{message.service_url}/dashboard/operations"


def _heading(message: Message) -> str:
    title = _escaped(message.incident["title"])
    if message.kind == "ended":
        return f"Over: {title}"
    if message.kind == "test":
        return f"Test: {title}"
    return f"{message.incident['severity'].capitalize()}: {title}"


def _detail(message: Message) -> str:
    """Return how it is, or once it is over how long it was and how bad."""
    incident = message.incident
    if message.kind != "ended":
        return str(incident["detail"])
    began, ended = (datetime.fromisoformat(incident[name]) for name in ("began_at", "ended_at"))
    worst = f" At its worst: {incident['detail']}" if "worst" in incident["figures"] else ""
    return f"It is over, after {_duration(ended - began)}.{worst}"


def _duration(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"{minutes / 60:.1f} hours"


def _until(incident: Incident) -> str:
    return f" until {_time(incident['ended_at'])}" if incident["ended_at"] else ""


def _figures(incident: Incident) -> str:
    figures = incident["figures"]
    found = figures.get("worst" if incident["ended_at"] else "value")
    if found is None:
        return ""
    return f" Found {found:g}; it is wrong from {figures['threshold']:g} on."


def _time(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S %Z")


def _escaped(text: str) -> str:
    """Return a text in which nothing is a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
