"""Receives webhooks with FastAPI. Run it: uvicorn fastapi_app:app"""

import os
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from inbox import Inbox
from standardwebhooks import Webhook, WebhookVerificationError


def handle(webhook_id: str, payload: Any) -> None:
    """Do what the webhook is for: the sender does not wait for it any more."""
    print("handled", webhook_id, payload.get("type", "a message"), flush=True)


webhook = Webhook(os.environ["WEBHOOK_SECRET"])
inbox = Inbox(os.environ.get("INBOX", "inbox.db"), handle)
app = FastAPI(max_body_size=10_000_000)


@app.post("/webhook")
async def receive(request: Request) -> Response:
    body = await request.body()
    try:
        webhook.verify(body, dict(request.headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: a header that is nonsense
        return Response(status_code=401)
    await run_in_threadpool(inbox.keep, request.headers["webhook-id"], body)
    return Response(status_code=204)
