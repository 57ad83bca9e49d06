"""What happens to one call, as the list of its steps."""

from __future__ import annotations

from dataclasses import dataclass

from services.errors import Malformed, NotFound, Unauthorized
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import Receipt, WebhookDataIngestionService
from services.provider import Provider
from services.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookProcessingService:
    """Receives the calls of every sender."""

    settings: Settings
    events: WebhookEventProcessingService
    ingestion: WebhookDataIngestionService

    def receive(self, inbound: Inbound, provider: Provider) -> Receipt:
        """Verify, understand and store one call; return what became of it, once it is committed.

        Raises Unauthorized, Malformed (kept all the same), NotFound (kept all the same) or
        Unavailable (not kept: the sender is to call again).
        """
        credential = provider.verify(inbound, self.settings)
        try:
            event = self.events.process(inbound, provider, credential)
        except Malformed as reason:
            self.ingestion.reject(inbound, provider, credential, reason)
            raise
        receipt = self.ingestion.store(event, inbound)
        if receipt.outcome == "forbidden":
            raise Unauthorized("The conversation token is another conversation's.")
        if inbound.path in provider.strict_paths and not receipt.known:
            raise NotFound("No such conversation is known. The event is kept.")
        return receipt
