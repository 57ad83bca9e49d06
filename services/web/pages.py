"""What every HTML page answers with: its template, its config, and what its browser may do."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from flask import Response, make_response, render_template

from services.settings import Settings

Policy = Mapping[str, str]

STRICT: Policy = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def page(template: str, settings: Settings, config: Mapping[str, object], more: Policy) -> Response:
    """Return a page which may load what is ours, ask our Supabase, and do what `more` says."""
    supabase = {
        "supabaseUrl": settings.supabase_url,
        "supabaseKey": settings.supabase_publishable_key,
    }
    answer = make_response(render_template(template, config={**supabase, **config}))
    policy = {**STRICT, "connect-src": _connections(settings.supabase_url), **more}
    answer.headers["Content-Security-Policy"] = "; ".join(map(" ".join, policy.items()))
    return answer


def _connections(supabase_url: str) -> str:
    address = urlsplit(supabase_url)
    socket = f"{'wss' if address.scheme == 'https' else 'ws'}://{address.netloc}"
    return f"'self' {supabase_url} {socket}"
