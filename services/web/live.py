"""The live page: one conversation as it happens, read by Realtime with the visitor's own token."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, render_template

from services.settings import Settings


def blueprint(settings: Settings) -> Blueprint:
    """Return the route /live/<conversation_id>."""
    routes = Blueprint("live", __name__)
    policy = _content_security_policy(settings.supabase_url)

    @routes.get("/live/<conversation_id>")
    def live(conversation_id: str) -> Response:
        page = make_response(
            render_template(
                "live.html",
                config={
                    "conversationId": conversation_id,
                    "supabaseUrl": settings.supabase_url,
                    "supabaseKey": settings.supabase_publishable_key,
                },
            )
        )
        page.headers["Content-Security-Policy"] = policy
        page.headers["Referrer-Policy"] = "no-referrer"
        page.headers["X-Content-Type-Options"] = "nosniff"
        return page

    return routes


def _content_security_policy(supabase_url: str) -> str:
    address = urlsplit(supabase_url)
    socket = f"{'wss' if address.scheme == 'https' else 'ws'}://{address.netloc}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            # Videos lie wherever demo_videos.storage_url says.
            "media-src 'self' https: http:",
            # The room of a call, by any of its host's names.
            "frame-src https://*.daily.co https://*.dailywebrtc.com https://*.dailywebrtc.net",
            f"connect-src 'self' {supabase_url} {socket}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
