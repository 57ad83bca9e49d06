"""What several operations have in common: who may call, errors, headers, tags."""

from __future__ import annotations

from typing import Any

from services.provider import Proof
from services.web.operation import Operation, Who

Part = dict[str, Any]

PROOFS: dict[Who, tuple[Proof, ...]] = {
    "person": (Proof(place="bearer", name="person", told="A person's Supabase access token."),),
    "admin": (Proof(place="bearer", name="admin", told="The Supabase access token of an admin."),),
    "operator": (Proof(place="bearer", name="operator", told="A token of METRICS_TOKEN."),),
}
TAGS = {
    "You": "Whom a token speaks for.",
    "Conversations": "Conversations of a person with an agent, and all that belongs to them.",
    "Messages": "Messages that people add to a conversation.",
    "Bookings": "Links by which callers book appointments.",
    "Endpoints": "Where people want to be told of what happens here.",
    "Deliveries": "What endpoints were sent, and what came of it.",
    "Events": "What came in; for admins.",
    "Operations": "How the service does.",
    "Service": "For those who watch the service.",
    "Tools": "Calls of tools by an agent.",
    "Sources": "Senders that the settings declare.",
}
ERRORS = {
    400: ("Bad request", "The request cannot be read, or its query is wrong."),
    401: ("Unauthorized", "The call is not authentic."),
    403: ("Forbidden", "This is not for you."),
    404: ("Not found", "There is nothing here, or nothing that you may see."),
    408: ("Request timeout", "The request was not complete in time."),
    409: ("Conflict", "This cannot be done now."),
    413: ("Body too large", "The body is larger than the limit."),
    415: ("Unsupported media type", "The body is of a type that cannot be JSON."),
    422: ("Unprocessable content", "A field is wrong; `detail` names it."),
    429: ("Too many requests", "There were too many calls."),
    500: ("Internal error", "Something went wrong here; it is in the log."),
    502: ("Bad gateway", "A service that this one needs has refused."),
    503: ("Service unavailable", "Supabase cannot be reached; send the same again."),
}
"""The title and the meaning of each error."""
SECONDS = {"type": "string", "pattern": "^[0-9]+$"}
HEADERS: dict[str, Part] = {
    "X-Request-ID": {
        "description": "The name of the request; the caller's own where it sent one.",
        "required": True,
        "schema": {"type": "string"},
    },
    "RateLimit-Limit": {
        "description": "Requests that are allowed a minute.",
        "schema": SECONDS,
    },
    "RateLimit-Remaining": {"description": "How many of them are left.", "schema": SECONDS},
    "RateLimit-Reset": {"description": "Seconds until all are back.", "schema": SECONDS},
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "required": True,
        "schema": SECONDS,
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string"}},
    "Location": {
        "description": "Where what was made is found.",
        "required": True,
        "schema": {"type": "string"},
    },
}
LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
OF_STATUS = {401: ("WWW-Authenticate",), 429: (*LIMITS, "Retry-After"), 503: ("Retry-After",)}


def headers(*names: str) -> Part:
    """Return references to headers; every answer names its request."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *names)}


def error_name(status: int) -> str:
    """Return the name of an error among the components."""
    return ERRORS[status][0].title().replace(" ", "")


def error(status: int) -> Part:
    """Return the answer of an error: problem details."""
    title, meaning = ERRORS[status]
    told = {"type": "about:blank", "title": title, "status": status, "detail": meaning}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": told}
    return {
        "description": meaning,
        "headers": headers(*OF_STATUS.get(status, ())),
        "content": {"application/problem+json": content},
    }


def scheme_name(operation: Operation, proof: Proof) -> str:
    """Return the name of a proof among the security schemes."""
    if operation.who != "sender":
        return proof.name
    return f"{operation.tag} {proof.name}".replace(" ", "-").lower()


def scheme(proof: Proof) -> Part:
    """Return a security scheme."""
    if proof.place == "bearer":
        return {"type": "http", "scheme": "bearer", "description": proof.told}
    return {"type": "apiKey", "in": proof.place, "name": proof.name, "description": proof.told}
