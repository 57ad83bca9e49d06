"""Receives webhooks with Flask. Run it: gunicorn flask_app:app"""

import os
from typing import Any

from flask import Flask, request
from inbox import Inbox
from standardwebhooks import Webhook, WebhookVerificationError


def handle(webhook_id: str, payload: Any) -> None:
    """Do what the webhook is for: the sender does not wait for it any more."""
    print("handled", webhook_id, payload.get("type", "a message"), flush=True)


webhook = Webhook(os.environ["WEBHOOK_SECRET"])
inbox = Inbox(os.environ.get("INBOX", "inbox.db"), handle)
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 10_000_000


@app.post("/webhook")
def receive() -> tuple[str, int]:
    body = request.get_data()
    try:
        webhook.verify(body, dict(request.headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: a header that is nonsense
        return "", 401
    inbox.keep(request.headers["webhook-id"], body)
    return "", 204
