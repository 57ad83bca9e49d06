"""The upper bound: the same gunicorn and Flask, answering after verify and JSON parse only."""

from __future__ import annotations

import json

from flask import Flask, request

from bench.callbacks import PATH
from services.providers.tavus import TAVUS
from services.settings import load_settings
from services.web.webhooks import inbound


def create_app() -> Flask:
    """Return an application that stores nothing."""
    settings = load_settings()
    app = Flask(__name__)
    app.extensions["drainer"] = None  # gunicorn.conf.py asks for it

    @app.post(PATH)
    def answer() -> dict[str, bool]:
        call = inbound(request)
        TAVUS.verify(call, settings)
        json.loads(call.body)
        return {"received": True}

    return app
