"""Receives webhooks with Django. Run it: gunicorn django_app:application

A project of yours has the settings already: take `handle`, `receive` and the line of `urlpatterns`.
"""

import os
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from inbox import Inbox
from standardwebhooks import Webhook, WebhookVerificationError


def handle(webhook_id: str, payload: Any) -> None:
    """Do what the webhook is for: the sender does not wait for it any more."""
    print("handled", webhook_id, payload.get("type", "a message"), flush=True)


webhook = Webhook(os.environ["WEBHOOK_SECRET"])
inbox = Inbox(os.environ.get("INBOX", "inbox.db"), handle)


@csrf_exempt  # the signature is the proof; a sender has no cookie
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    try:
        webhook.verify(request.body, dict(request.headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: a header that is nonsense
        return HttpResponse(status=401)
    inbox.keep(request.headers["webhook-id"], request.body)
    return HttpResponse(status=204)


urlpatterns = [path("webhook", receive)]
settings.configure(ROOT_URLCONF=__name__, DATA_UPLOAD_MAX_MEMORY_SIZE=10_000_000)
application = get_wsgi_application()
