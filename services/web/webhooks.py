"""One view for every webhook of every sender: a Flask request becomes an Inbound."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Blueprint, Request, Response, request
from pydantic import BaseModel

from services.errors import BodyTooLarge, Malformed
from services.inbound import Inbound
from services.ingestion import Receipt
from services.lookups import HurriedLookups
from services.provider import Provider
from services.providers import PROVIDERS
from services.sending import sample, sample_names
from services.telemetry import tracing
from services.web import request_id
from services.web.exchange import exchange
from services.web.operation import Operation, Text, declare
from services.wiring.web import Services

XML = Text(media_type="text/xml")
SOURCE = "/api/webhooks/{source}"
"""Where a sender calls that the settings declare."""


class Received(BaseModel):
    """The answer to a sender: its event is committed. `outcome` says more."""

    received: bool = True
    outcome: str


def blueprint(services: Services) -> Blueprint:
    """Return the routes of every provider's paths."""
    routes = Blueprint("webhooks", __name__)
    lookups = HurriedLookups(services.lookups)

    def receive(provider: Provider) -> Response | dict[str, object]:
        with exchange(services, provider, "webhook") as known:
            known.call = call = inbound(request)
            receipt = services.webhooks.receive(call, provider)
            known.outcome, known.facts = receipt.outcome, _logged(receipt)
        if provider.answer:
            answer = provider.answer(call, lookups, services.settings)
            return Response(answer.body, content_type=answer.content_type)
        return Received(outcome=receipt.outcome).model_dump()

    for provider in services.providers:
        for path in provider.paths:
            operation = webhook(provider, path)
            routes.add_url_rule(
                path,
                endpoint=operation.name,
                view_func=declare(operation)(partial(receive, provider)),
                methods=["POST"],
            )
    return routes


def webhook(provider: Provider, path: str) -> Operation:
    """Return what is to be said of a path on which a sender calls."""
    title = provider.name.capitalize()
    return Operation(
        name=path.strip("/").replace("/", "_"),
        told=f"Receive a call of {title}.\n\nThe body is as the sender has it; 200 says that the"
        " event is kept, one that came before too.",
        tag=title,
        who="sender",
        body=Text(media_type=provider.content_type, schema={"type": "object"}),
        answers={200: XML if provider.answer else Received},
        errors=(404,) if path in provider.strict_paths else (),
        proofs=provider.proofs,
        example=partial(_example, provider, path),
        more=provider.docs,
        is_listed=provider.name in {built_in.name for built_in in PROVIDERS},
    )


def _example(provider: Provider, path: str) -> Any:
    """Return a body of an event that is sent to a path, None where there is no sample of one."""
    for name in sample_names(provider):
        entry = provider.events.get(name)
        if entry and (entry.path or provider.paths[0]) == path:
            return sample(provider, name)
    return None


def inbound(request: Request) -> Inbound:
    """Return a request as bytes and names. Raises what broken framing raises."""
    try:
        body = request.get_data(cache=False)
    except OSError as error:
        raise Malformed("The connection broke before the body was complete.") from error
    limit = request.max_content_length
    if request.content_length is None and limit is not None and len(body) >= limit:
        # Werkzeug stops reading a chunked body at the limit and calls that its end.
        raise BodyTooLarge()
    if request.content_length not in (None, len(body)):
        raise Malformed(f"The body ended after {len(body)} of {request.content_length} bytes.")
    return Inbound(
        method=request.method,
        path=request.path,
        query=request.args.to_dict(flat=True),
        headers=_headers(request),
        body=body,
        received_at=datetime.now(UTC),
        target=request.environ.get("RAW_URI") or request.full_path,
        address=request.remote_addr or "",
    )


def _headers(request: Request) -> dict[str, str]:
    """Return the headers; with an event are kept our names of the request and of its trace."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    ours = {"x-request-id": request_id.current(), "traceparent": tracing.here()}
    return headers | {name: value for name, value in ours.items() if value}


def _logged(receipt: Receipt) -> dict[str, str | None]:
    return {
        "event_id": receipt.event_id,
        "event_type": receipt.event_type,
        "conversation_id": receipt.conversation_id,
    }
