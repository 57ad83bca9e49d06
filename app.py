"""The WSGI application: `gunicorn -c gunicorn.conf.py "app:create_app()"`."""

from __future__ import annotations

import structlog
from flask import Flask
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from services.settings import Settings, load_settings
from services.settings.sources import ROUTES
from services.telemetry import logs, reporting, tracing
from services.web import dashboard, errors, guards, live, monitoring, request_id, tools, webhooks
from services.web.api import (
    app_messages,
    bookings,
    conversation_webhook,
    conversations,
    deliveries,
    endpoints,
    events,
    me,
    messages,
    operations,
    qualification,
    senders,
    statistics,
)
from services.web.api import logs as logs_api
from services.web.openapi import routes as openapi
from services.wiring.web import wire

MAX_BODY = 10 * 1024 * 1024
EXPOSED = [
    "Location",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    request_id.HEADER,
]
"""Headers of an answer that pages of other origins may read."""

FOR_PAGES = rf"/api/(?!tavus/|webhook/|webhooks/(?!(?:{'|'.join(ROUTES)})$)).*"
"""Where pages of other origins may be let in: not where senders call."""


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application. Raises SettingsError naming every setting that is wrong."""
    settings = settings or load_settings()
    logs.configure(settings.log_level)
    reporting.configure(settings, "webhook")
    tracing.configure(settings)
    services = wire(settings)
    app = Flask("services.web", static_folder="static", template_folder="templates")
    app.extensions["drainer"] = services.drainer
    app.extensions["reports"] = services.reports
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.strict_slashes = False
    # First registered, last to look at an answer.
    guards.register(app, settings)
    request_id.register(app)
    if settings.trusted_proxies:
        believed = ProxyFix(app.wsgi_app, settings.trusted_proxies, x_proto=0, x_host=0)
        app.wsgi_app = believed  # type: ignore[method-assign]
    app.register_blueprint(webhooks.blueprint(services))
    app.register_blueprint(tools.blueprint(services))
    app.register_blueprint(monitoring.blueprint(services))
    app.register_blueprint(qualification.blueprint(services))
    app.register_blueprint(events.blueprint(services))
    app.register_blueprint(conversations.blueprint(services))
    app.register_blueprint(app_messages.blueprint(services))
    app.register_blueprint(bookings.blueprint(services))
    app.register_blueprint(endpoints.blueprint(services))
    app.register_blueprint(deliveries.blueprint(services))
    app.register_blueprint(conversation_webhook.blueprint(services))
    app.register_blueprint(messages.blueprint(services))
    app.register_blueprint(me.blueprint(services))
    app.register_blueprint(logs_api.blueprint(services))
    app.register_blueprint(statistics.blueprint(services))
    app.register_blueprint(senders.blueprint(services))
    app.register_blueprint(operations.blueprint(services))
    app.register_blueprint(openapi.blueprint())
    app.register_blueprint(live.blueprint(settings))
    app.register_blueprint(dashboard.blueprint(settings))
    errors.register(app)
    if settings.cors_origins:
        CORS(
            app,
            origins=list(settings.cors_origins),
            resources=FOR_PAGES,
            expose_headers=EXPOSED,
            max_age=600,
        )
    _warn_of_closed_doors(settings)
    return app


def _warn_of_closed_doors(settings: Settings) -> None:
    if not (
        settings.tavus_webhook_tokens
        or settings.tavus_webhook_secrets
        or settings.callback_signing_keys
    ):
        structlog.get_logger().warning(
            "closed", reason="no Tavus secret, token or signing key is set: every callback gets 401"
        )
