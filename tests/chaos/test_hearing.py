"""The account of what customers heard finds every kind of wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.author import CONVERSATION
from tests.chaos.hearing import Delivery, Hearing, Outbox, Said, settle
from tests.receivers import Call

NOTE = "Note 1."
LIVE, TRANSCRIPT, API = "live", "transcript", "api"


def delivery(
    webhook_id: str,
    content: str,
    endpoint: str = "everything",
    status: str = "RECEIVED",
    conversation: str = "c1",
) -> Delivery:
    return Delivery(
        webhook_id=webhook_id,
        event_type="message.created" if status == "RECEIVED" else "message.processed",
        state="delivered",
        endpoint=endpoint,
        key=f"message:{webhook_id}",
        payload={"data": {"content": content, "status": status}},
        conversation=conversation,
    )


def both(webhook_id: str, content: str, **more: Any) -> list[Delivery]:
    """Return the deliveries of a new message to the endpoints that listen."""
    return [delivery(webhook_id, content, name, **more) for name in ("everything", "messages")]


def call(told: Delivery, body: bytes | None = None) -> Call:
    return Call(
        webhook_id=told.webhook_id,
        payload=told.payload,
        body=json.dumps(told.payload).encode() if body is None else body,
        headers={},
        path=f"/hook/{told.endpoint}",
        at=0.0,
    )


SAID: list[Said] = [("c1", LIVE, "One", "RECEIVED"), ("c1", LIVE, "Two", "RECEIVED")]
TOLD = [*both("a", "One"), *both("b", "Two")]


def account(said: list[Said], told: list[Delivery], calls: list[Call] | None = None) -> Hearing:
    """Return what is found when all that was told was heard, unless other calls are given."""
    outbox = Outbox(said=said, facts=set(), deliveries=told)
    return settle(outbox, set(), [call(each) for each in told] if calls is None else calls)


def wrong(found: Hearing) -> set[str]:
    return {name for name in Hearing.__slots__ if getattr(found, name)}


def test_nothing_is_wrong_when_everybody_heard_everything() -> None:
    assert account(SAID, TOLD) == Hearing()


def test_hearing_the_same_again_is_nothing_wrong() -> None:
    assert account(SAID, TOLD, [call(each) for each in TOLD * 2]) == Hearing()


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (TOLD[:2], "untold"),
        (TOLD[:3], "misdirected"),
        ([*TOLD, TOLD[0]], "misdirected"),
        ([*TOLD, delivery("a", "One", "bookings")], "misdirected"),
        ([*TOLD, *both("c", "One")], "told_twice"),
        ([*TOLD, *both("c", "Three")], "never_happened"),
        ([*TOLD[:2], *both("b", "Two", conversation="c2")], "never_happened"),
        ([replace(TOLD[0], state="waiting"), *TOLD[1:]], "undelivered"),
        ([replace(TOLD[0], state="failed"), *TOLD[1:]], "undelivered"),
    ],
)
def test_what_is_told_wrongly_is_found(told: list[Delivery], name: str) -> None:
    assert name in wrong(account(SAID, told))


@pytest.mark.parametrize(
    ("calls", "name"),
    [
        (TOLD[1:], "unheard"),
        ([*TOLD, delivery("z", "One")], "unknown"),
        ([*TOLD, delivery("a", "One", "bookings")], "unknown"),
    ],
)
def test_what_is_heard_wrongly_is_found(calls: list[Delivery], name: str) -> None:
    assert wrong(account(SAID, TOLD, [call(each) for each in calls])) == {name}


@pytest.mark.parametrize("body", [b'{"data": {"content": "Other"}}', b'{"data":{}}'])
def test_another_body_is_found_at_whichever_attempt(body: bytes) -> None:
    heard = [call(each) for each in TOLD]
    once = [call(TOLD[0], body), *(each for each in heard if each.webhook_id != "a")]

    assert account(SAID, TOLD, [*heard, call(TOLD[0], body)]).changed == {"a"}
    assert "changed" in wrong(account(SAID, TOLD, once))


def test_bodies_that_mean_the_same_are_still_not_the_same_bytes() -> None:
    spaced = json.dumps(TOLD[0].payload, indent=1).encode()

    found = account(SAID, TOLD, [*(call(each) for each in TOLD), call(TOLD[0], spaced)])

    assert found.changed == {"a"}


LINES: list[Said] = [("c1", TRANSCRIPT, line, "RECEIVED") for line in ("One", "Two")]


def test_a_transcript_is_heard_whole_where_nothing_was_told_live() -> None:
    assert account(LINES, TOLD) == Hearing()
    assert account([*SAID[:1], *LINES], TOLD) == Hearing()
    assert "untold" in wrong(account(LINES, TOLD[:2]))


def test_what_was_told_live_is_enough_where_a_transcript_follows() -> None:
    assert account([*SAID[:1], *LINES], TOLD[:2]) == Hearing()
    assert "untold" in wrong(account([*SAID[:1], *LINES], []))


def test_each_status_of_an_added_message_is_to_be_told() -> None:
    said: list[Said] = [("c1", API, "One", status) for status in ("RECEIVED", "PROCESSED")]
    names = ("everything", "messages", "processed")
    processed = [delivery("b", "One", name, "PROCESSED") for name in names]

    assert account(said, [*TOLD[:2], *processed]) == Hearing()
    assert "untold" in wrong(account(said, TOLD[:2]))


def test_what_the_author_knows_to_be_committed_is_to_be_told() -> None:
    outbox = Outbox(said=[], facts=set(), deliveries=[])

    assert settle(outbox, {(NOTE, "RECEIVED")}, []).untold == {f"{CONVERSATION}: {NOTE} RECEIVED"}


def found_out(webhook_id: str, key: str) -> Delivery:
    """Return the delivery of an event that is no message."""
    told = delivery(webhook_id, "", "everything")
    return replace(told, key=key, event_type=key.partition(":")[0])


def test_what_was_found_out_is_to_be_told() -> None:
    first, last = (found_out(v, f"qualification.updated:1:{v}") for v in ("1", "2"))
    facts = {last.key}

    def settled(*told: Delivery) -> Hearing:
        outbox = Outbox(said=[], facts=facts, deliveries=told)
        return settle(outbox, set(), [call(each) for each in told])

    assert settled(first, last) == Hearing()
    assert settled(first).untold == {last.key}
    other = found_out("3", "feedback.created:1")
    assert settled(last, other) == Hearing(never_happened={other.key})
