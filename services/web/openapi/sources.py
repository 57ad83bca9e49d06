"""What is said of senders that the settings declare; not which ones there are."""

from __future__ import annotations

from services.provider import Proof
from services.web.operation import Operation, Text
from services.web.webhooks import Received

SOURCE_PATH = "/api/webhooks/{source}"
SOURCE = Operation(
    name="receive_source",
    told="Receive a call of a sender that WEBHOOK_SOURCES declares.\n\nThe body is as the sender"
    " has it; 200 says that the event is kept, one that came before too.",
    tag="Sources",
    who="sender",
    body=Text(media_type="application/json", schema={"type": "object"}),
    answers={200: Received},
    errors=(404,),
    proofs=(
        Proof(
            place="header",
            name="webhook-signature",
            told="`v1,<base64 HMAC-SHA256>`, with `webhook-id` and `webhook-timestamp`"
            " (Standard Webhooks).",
        ),
        Proof(
            place="header",
            name="X-Signature",
            told="HMAC-SHA1 or HMAC-SHA256 of the body, in the header that the settings name.",
        ),
        Proof(place="bearer", name="token", told="The source's secret."),
    ),
    example={"type": "order.paid", "id": "order-000000000001"},
    more="https://www.standardwebhooks.com",
)
