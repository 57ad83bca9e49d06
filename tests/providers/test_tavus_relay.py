"""tavus_relay.py: what a browser may cause, and that nothing but a person's token proves it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.effects import ConversationChange, Effects, End, Message
from services.errors import Unauthorized
from services.inbound import Inbound
from services.provider import Call
from services.providers.tavus_relay import RELAY, as_relayed
from tests.in_process import TOKEN, settings_of

AT = datetime(2026, 3, 1, 6, 45, 55, tzinfo=UTC)


def test_no_secret_of_tavus_proves_a_relayed_message() -> None:
    call = RELAY.sign(Call(url="https://x.example.test", body=b"{}", headers={}), settings_of())
    inbound = Inbound(
        method="POST",
        path="/api/tavus/webhook",
        query={"t": TOKEN},
        headers=dict(call.headers),
        body=call.body,
        received_at=AT,
    )

    assert call.headers == {}
    with pytest.raises(Unauthorized, match="person's token"):
        RELAY.verify(inbound, settings_of())


def test_what_was_said_is_kept_and_what_became_of_the_call_is_not() -> None:
    end = End(status="ended", at=AT)
    effects = Effects(
        conversation=ConversationChange(end=end, conversation_name="Theirs", at=AT),
        messages=(Message(role="user", content="Hello."),),
    )

    relayed = as_relayed(effects)

    assert relayed.conversation is None
    assert relayed.messages == (Message(role="user", content="Hello.", relayed=True),)


def test_what_was_seen_brings_no_end_along() -> None:
    change = ConversationChange(perception_analysis="They smiled.", end=End(status="ended"), at=AT)

    relayed = as_relayed(Effects(conversation=change))

    assert relayed.conversation == ConversationChange(
        perception_analysis="They smiled.", at=AT, relayed=True
    )
