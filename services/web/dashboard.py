"""The dashboard: one page that shows people what is theirs, and admins everything."""

from __future__ import annotations

import sys
from pathlib import Path

from flask import Blueprint, Response

from services.settings import Settings
from services.web.pages import page


def blueprint(settings: Settings) -> Blueprint:
    """Return /dashboard and all below it; which page an address means, the browser decides."""
    routes = Blueprint("dashboard", __name__)
    command = _command()

    @routes.get("/dashboard")
    @routes.get("/dashboard/<path:place>")
    def dashboard(place: str = "") -> Response:
        told = {"baseUrl": settings.public_base_url, "command": command}
        return page("dashboard.html", settings, told, {})

    return routes


def _command() -> str:
    """Return how `convohooks` is called where this service runs: in a checkout, by its .venv."""
    is_ours = Path(sys.prefix).resolve() == (Path.cwd() / ".venv").resolve()
    return ".venv/bin/convohooks" if is_ours else "convohooks"
