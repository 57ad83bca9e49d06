"""The whole application in this very process, with every sender and no Supabase to ask."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask

from app import create_app
from services.settings import load_settings
from services.telemetry import logs
from tests.secrecy.known import KNOWN

SOURCE = {
    "scheme": "standard-webhooks",
    "secret": "whsec_c291cmNlLXNlY3JldA==",
    "payload": "message",
}
ENVIRONMENT = {
    "SUPABASE_URL": "http://127.0.0.1:9",
    "SUPABASE_SECRET_KEY": "sb_secret_of_the_tests",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_of_the_tests",
    "PUBLIC_BASE_URL": "https://hooks.example.test",
    "CORS_ORIGINS": "https://app.example.test",
    "TAVUS_WEBHOOK_TOKEN": "static-token-for-tests",
    "WEBHOOK_SOURCES": json.dumps({"messages": SOURCE}),
}
ID = "5f0c8a52-6d6f-4a35-9d3b-0c6a2f4b7e11"


@dataclass(frozen=True, slots=True)
class Door:
    """One method of one route, and an address that leads there."""

    method: str
    rule: str
    address: str

    def __str__(self) -> str:
        """Return it as a table of routes has it."""
        return f"{self.method} {self.rule}"


def whole_app(**environment: str) -> Flask:
    """Return the application with these settings beside those that it needs."""
    told = {**ENVIRONMENT, **environment}
    KNOWN.note(told)
    app = create_app(load_settings(told))
    # The logs of the tests' own process stay as they were.
    logs.reset()
    return app


def doors(app: Flask) -> Iterator[Door]:
    """Yield every method of every route but those that Flask adds (HEAD, OPTIONS)."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Door(method, rule.rule, _address(rule.rule))


def _address(rule: str) -> str:
    """Return an address of a rule, with something that fits in the place of each variable."""
    if rule.startswith("/static/"):
        return "/static/dashboard/dashboard.css"
    return re.sub(r"<(uuid:)?[^>]+>", lambda found: ID if found[1] else "word", rule)
