"""The headers that guard every answer: what a browser may do with it, and that nobody keeps it.

https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, Response

from services.settings import Settings

GUARDS: Mapping[str, str] = {
    # What is opened as a document by itself loads, runs and is framed by nothing; pages say more.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(),"
    " payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Pages that CORS_ORIGINS names ask by CORS, which this does not concern.
    "Cross-Origin-Resource-Policy": "same-origin",
    # Flask has set its own where a file of ours is served: it is looked at again each time.
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"
"""A year, for this host alone: what else is below its domain is not ours to speak for."""


def register(app: Flask, settings: Settings) -> None:
    """Guard every answer of the service; what a view has set itself stays."""
    guards = guards_of(settings)

    @app.after_request
    def guard(answer: Response) -> Response:
        for name, value in guards.items():
            answer.headers.setdefault(name, value)
        return answer


def guards_of(settings: Settings) -> dict[str, str]:
    """Return the headers; browsers are to insist on https where that is how they reach us."""
    is_https = settings.public_base_url.startswith("https://")
    return {**GUARDS, **({"Strict-Transport-Security": HSTS} if is_https else {})}
