"""Twilio's API, by its own package. https://www.twilio.com/docs/libraries/reference/twilio-python"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.clients.api import READ
from services.errors import BadGateway
from services.settings import Settings

if TYPE_CHECKING:
    from twilio.rest import Client  # type: ignore[import-untyped]


def twilio_client(settings: Settings, timeout: float = READ) -> Client:
    """Return Twilio's client for the account of the settings; it raises TwilioException.

    Raises BadGateway when the settings name no account or no Auth Token.
    """
    if not settings.twilio_account_sid or not settings.twilio_auth_tokens:
        raise BadGateway("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are wanted to call Twilio.")
    # Imported by whoever calls Twilio: nobody else is to wait for it.
    from twilio.http.http_client import TwilioHttpClient  # type: ignore[import-untyped]
    from twilio.rest import Client

    return Client(
        settings.twilio_account_sid,
        settings.twilio_auth_tokens[0],
        http_client=TwilioHttpClient(timeout=timeout),
        user_agent_extensions=["Convohooks"],
    )
