"""The live page: one conversation as it happens, read by Realtime with the visitor's own token."""

from __future__ import annotations

from flask import Blueprint, Response

from services.settings import Settings
from services.web.pages import page

POLICY = {
    # Videos lie wherever demo_videos.storage_url says.
    "media-src": "'self' https: http:",
    # The room of a call, by any of its host's names.
    "frame-src": "https://*.daily.co https://*.dailywebrtc.com https://*.dailywebrtc.net",
}


def blueprint(settings: Settings) -> Blueprint:
    """Return the route /live/<conversation_id>."""
    routes = Blueprint("live", __name__)

    @routes.get("/live/<conversation_id>")
    def live(conversation_id: str) -> Response:
        return page("live.html", settings, {"conversationId": conversation_id}, POLICY)

    return routes
