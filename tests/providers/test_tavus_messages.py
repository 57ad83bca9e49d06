"""What is said while the conversation runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tavus_samples import handle, sample

from services.effects import Message
from services.errors import Malformed


def utterance(**fields: Any) -> dict[str, Any]:
    payload = sample("conversation.utterance")
    payload["properties"] |= fields
    return payload


def test_a_message_keeps_what_is_told_about_it() -> None:
    assert handle(sample("conversation.message")).messages == (
        Message(
            role="user",
            content="Tell me about your pricing",
            message_id="msg_123456789",
            timestamp=datetime(2024, 1, 15, 10, 31, tzinfo=UTC),
            sentiment="neutral",
            intent="pricing_inquiry",
            confidence=0.85,
        ),
    )


def test_twins_of_an_utterance_are_one_message() -> None:
    (one,) = handle(sample("conversation.utterance")).messages
    (other,) = handle(sample("conversation.utterance-replica")).messages

    assert one.role == other.role == "assistant"
    assert one.message_id == other.message_id


def test_two_short_answers_are_two_messages() -> None:
    first = utterance(role="user", speech="Yes.") | {"inference_id": None, "seq": 50}
    second = first | {"seq": 52}

    (one,), (other,) = handle(first).messages, handle(second).messages

    assert one.message_id != other.message_id


def test_a_message_without_any_id_still_gets_one() -> None:
    nowhere = {"inference_id": None, "seq": None, "turn_idx": None, "timestamp": None}
    payload = utterance(role="user") | nowhere

    (one,) = handle(payload).messages

    assert one.message_id
    assert one.message_id.startswith("payload:")


@pytest.mark.parametrize("speech", ["", "  ", "VISUAL SCENE: nobody"])
def test_a_blank_utterance_leaves_no_message(speech: str) -> None:
    assert handle(utterance(role="user", speech=speech)).messages == ()


@pytest.mark.parametrize(("field", "told"), [("role", None), ("speech", None), ("speech", 7)])
def test_an_utterance_without_its_words_is_refused(field: str, told: Any) -> None:
    with pytest.raises(Malformed, match=f"'{field}'"):
        handle(utterance(**{field: told}))


@pytest.mark.parametrize("field", ["role", "content"])
def test_a_message_without_its_words_is_refused(field: str) -> None:
    payload = sample("conversation.message")
    del payload["message"][field]

    with pytest.raises(Malformed, match=f"'{field}'"):
        handle(payload)
