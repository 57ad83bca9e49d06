"""The live page: one conversation as it happens, read by Realtime with the visitor's own token."""

from __future__ import annotations

from flask import Blueprint, Response

from services.settings import Settings
from services.web.pages import page

ROOMS = ("https://*.daily.co", "https://*.dailywebrtc.com", "https://*.dailywebrtc.net")
"""The room of a call, by any of its host's names."""
POLICY = {
    # Videos lie wherever demo_videos.storage_url says.
    "media-src": "'self' https: http:",
    "frame-src": " ".join(ROOMS),
}
_HERE_AND_THERE = " ".join(("(self", *(f'"{room}"' for room in ROOMS))) + ")"
# Only the room's frame hears and sees, by the leave that this page's frame gives it.
PERMISSIONS = (
    f"camera={_HERE_AND_THERE}, display-capture={_HERE_AND_THERE}, geolocation=(),"
    f" microphone={_HERE_AND_THERE}, payment=(), usb=()"
)


def blueprint(settings: Settings) -> Blueprint:
    """Return the route /live/<conversation_id>."""
    routes = Blueprint("live", __name__)

    @routes.get("/live/<conversation_id>")
    def live(conversation_id: str) -> Response:
        answer = page("live.html", settings, {"conversationId": conversation_id}, POLICY)
        answer.headers["Permissions-Policy"] = PERMISSIONS
        return answer

    return routes
