"""What happens to one call, as the list of its steps."""

from __future__ import annotations

from dataclasses import dataclass

from services import validation
from services.errors import Malformed, NotFound, Unauthorized
from services.events import Event, WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import Receipt, WebhookDataIngestionService
from services.limits.limits import Limits
from services.provider import Credential, Provider
from services.settings import Settings
from services.telemetry import reporting, tracing
from services.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookProcessingService:
    """Receives the calls of every sender."""

    settings: Settings
    events: WebhookEventProcessingService
    ingestion: WebhookDataIngestionService
    limits: Limits
    metrics: Metrics

    def receive(self, inbound: Inbound, provider: Provider) -> Receipt:
        """Verify, understand and store one call; return what became of it, once it is kept.

        Raises Unauthorized, Malformed (kept all the same), NotFound (kept all the same),
        TooManyRequests or Unavailable (not kept: the sender is to call again).
        """
        try:
            return self._receive(inbound, provider)
        except Unauthorized as error:
            self.metrics.unauthentic(provider.name)
            raise self.limits.fail(inbound.address) or error from None

    def _receive(self, inbound: Inbound, provider: Provider) -> Receipt:
        with tracing.span("verify"):
            credential = provider.verify(inbound, self.settings)
        refusal = self.limits.admit(provider.name)
        if refusal is not None and provider.retries:
            raise refusal
        with tracing.span("understand"):
            event = self._understand(inbound, provider, credential, deferred=refusal is not None)
        with tracing.span("store"):
            receipt = self.ingestion.store(event, inbound)
        if receipt.outcome == "failed":
            _report(event, receipt, provider)
        if receipt.outcome == "forbidden":
            raise Unauthorized("The conversation token is another conversation's.")
        # Whether a spooled event's conversation is known, nobody can tell yet.
        is_unknown = not receipt.known and receipt.outcome != "spooled"
        if inbound.path in provider.strict_paths and is_unknown:
            raise NotFound("No such conversation is known. The event is kept.")
        return receipt

    def _understand(
        self, inbound: Inbound, provider: Provider, credential: Credential, *, deferred: bool
    ) -> Event:
        try:
            validation.check_content_type(inbound.headers.get("content-type", ""))
            return self.events.process_or_defer(inbound, provider, credential, deferred=deferred)
        except Malformed as reason:
            self.ingestion.reject(inbound, provider, credential, reason)
            raise


def _report(event: Event, receipt: Receipt, provider: Provider) -> None:
    reporting.report(
        event.defect or "The effects of an event cannot be applied.",
        context="handler",
        source=provider.name,
        event_type=provider.known_type(event.event_type),
        event_id=receipt.event_id,
        conversation_id=event.conversation_id,
    )
