"""Who calls the API: every route for people begins here."""

from __future__ import annotations

from flask import Response, after_this_request, request

from services.errors import Unauthorized
from services.limits.limits import Allowance
from services.people import Person
from services.wiring.web import Services

TOO_MANY = "You make more requests a minute than you may."


def caller(services: Services) -> Person:
    """Return who calls, and count their call.

    The answer, an error too, tells what they have left. Raises Unauthorized, TooManyRequests,
    Unavailable.
    """
    person = _person(services)
    allowance = services.requests.spend(TOO_MANY, "requests", str(person.id))
    if allowance is not None:
        _tell(allowance)
    return person


def _person(services: Services) -> Person:
    """Return whose token it is; to forge tokens by the thousand asks Supabase Auth about few."""
    limits, address = services.webhooks.limits, request.remote_addr or ""
    authorization = request.headers.get("Authorization")
    try:
        return services.people.person(authorization, lambda: limits.refuse_token(address))
    except Unauthorized as error:
        raise limits.fail_token(address) or error from None


def admin(services: Services) -> Person:
    """Return the admin who calls, like `caller`. Raises Forbidden too."""
    person = caller(services)
    services.people.require_admin(person)
    return person


def _tell(allowance: Allowance) -> None:
    """Give the answer the headers of draft-ietf-httpapi-ratelimit-headers-06."""

    @after_this_request
    def tell(answer: Response) -> Response:
        # A refusal by another limit tells of that one.
        if "RateLimit-Limit" not in answer.headers:
            answer.headers["RateLimit-Limit"] = str(allowance.limit)
            answer.headers["RateLimit-Remaining"] = str(allowance.remaining)
            answer.headers["RateLimit-Reset"] = str(allowance.reset)
        return answer
