"""POST /api/tavus/tools: the agent calls a tool, and our answer is the tool's result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, Response, request

from services.errors import Malformed, Unauthorized
from services.inbound import Inbound
from services.provider import Credential, Proof
from services.providers.tavus import TAVUS
from services.settings import Settings
from services.tools.delivery import Delivery, read_envelope, read_flat
from services.tools.proof import prove_key, prove_signature
from services.web.exchange import exchange
from services.web.operation import Operation, Text, declare
from services.web.webhooks import inbound
from services.wiring.web import Services

ANSWER = Text(
    media_type="application/json",
    schema={
        "type": "object",
        "description": "The tool's result, with a sentence that the agent may speak.",
        "properties": {"success": {"type": "boolean"}, "message": {"type": "string"}},
        "required": ["success", "message"],
    },
)
SIGNATURE = Proof(
    place="header",
    name="X-Tavus-Signature",
    told="Hex HMAC-SHA256 of the body by a secret of TAVUS_TOOL_SECRET.",
)
KEY = Proof(place="header", name="X-Tavus-Tool-Key", told="A secret of TAVUS_TOOL_SECRET.")
BEARER = Proof(place="bearer", name="tool secret", told="A secret of TAVUS_TOOL_SECRET.")
SIGNED = Operation(
    name="call_tool",
    told="Call a tool as Tavus's signed deliveries do: its name is in the body.",
    tag="Tools",
    who="sender",
    body=Text(media_type="application/json", schema={"type": "object"}),
    answers={200: ANSWER},
    proofs=(SIGNATURE,),
    more="https://docs.tavus.io/sections/conversational-video-interface/persona/tools",
)
NAMED = replace(
    SIGNED,
    name="call_named_tool",
    told="Call a tool by its address: its arguments are the body.",
    proofs=(BEARER, KEY, SIGNATURE),
)

Prove = Callable[[Inbound, Settings], Credential]
Read = Callable[[Inbound, Credential], Delivery]


def blueprint(services: Services) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("tools", __name__)

    @routes.post("/api/tavus/tools")
    @declare(SIGNED)
    def call_signed() -> Response:
        return _answer(services, prove_signature, read_envelope)

    @routes.post("/api/tavus/tools/<name>")
    @declare(NAMED)
    def call_named(name: str) -> Response:
        return _answer(services, prove_key, lambda call, proof: read_flat(name, call, proof))

    return routes


def _answer(services: Services, prove: Prove, read: Read) -> Response:
    with exchange(services, TAVUS, "tool call") as known:
        known.call = call = inbound(request)
        proof = _proven(services, prove, call)
        delivery = _read(services, read, call, proof)
        answered = services.tools.answer(delivery)
        known.outcome = answered.outcome
        known.facts = {
            "tool_call_id": delivery.tool_call_id,
            "conversation_id": delivery.conversation_id,
            "state": answered.state,
        }
    return Response(answered.body, content_type="application/json")


def _proven(services: Services, prove: Prove, call: Inbound) -> Credential:
    try:
        return prove(call, services.settings)
    except Unauthorized as error:
        services.metrics.unauthentic(TAVUS.name)
        raise services.webhooks.limits.fail(call.address) or error from None


def _read(services: Services, read: Read, call: Inbound, proof: Credential) -> Delivery:
    """Read an authentic call; what is no call at all is kept among the rejected ones."""
    try:
        return read(call, proof)
    except Malformed as reason:
        services.webhooks.ingestion.reject(call, TAVUS, proof, reason)
        raise
