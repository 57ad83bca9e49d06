"""The dashboard: one page that shows people what is theirs, and admins everything."""

from __future__ import annotations

from flask import Blueprint, Response

from services.settings import Settings
from services.web.pages import page


def blueprint(settings: Settings) -> Blueprint:
    """Return /dashboard and all below it; which page an address means, the browser decides."""
    routes = Blueprint("dashboard", __name__)

    @routes.get("/dashboard")
    @routes.get("/dashboard/<path:place>")
    def dashboard(place: str = "") -> Response:
        return page("dashboard.html", settings, {"baseUrl": settings.public_base_url}, {})

    return routes
