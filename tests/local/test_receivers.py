"""The receivers of docs/receivers.md take what the real sender sends, once, and nothing else."""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.egress import Egress
from services.outgoing.attempt import Sender
from services.outgoing.signing import body_of, signed_headers
from tests.local.receiver_examples import NAMES, PATIENCE, Receiver, running, wait_until_handled

SECRET = "whsec_" + base64.b64encode(b"s" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
SENDER = Sender(egress=Egress(allow_loopback=True), timeout=PATIENCE)
NOW = timedelta()
MESSAGE: dict[str, Any] = {
    "conversation_id": "7d5f2f5c-0000-4000-8000-000000000001",
    "data": {
        "id": "7d5f2f5c-0000-4000-8000-000000000002",
        "content": "Grüße, 世界 👋",
        "content_type": "TEXT",
        "type": "USER_INPUT",
        "channel": "API",
        "status": "RECEIVED",
        "metadata": {"order": 1},
        "created_by": "ada",
        "updated_by": "ada",
        "created_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-01T10:00:00Z",
    },
    "timestamp": "2026-03-01T10:00:00.000Z",
}

Headers = dict[str, str]
Call = tuple[Headers, bytes]


@pytest.fixture(name="receiver", scope="module", params=NAMES)
def _receiver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Receiver]:
    with running(request.param, tmp_path_factory.mktemp(request.param), SECRET) as receiver:
        yield receiver


def new_id() -> str:
    return f"msg_{secrets.token_hex(16)}"


def deliver(receiver: Receiver, webhook_id: str, age: timedelta = NOW, **other: Any) -> int | None:
    """Send a webhook as the worker does, this old; return the status."""
    claimed = {
        "id": "d1",
        "webhook_id": webhook_id,
        "event_type": "message.created",
        "url": receiver.url,
        "headers": {},
        "secrets": [SECRET],
        "payload": MESSAGE,
        "tries": 1,
        "retry_schedule": [],
    }
    return SENDER.send({**claimed, **other}, datetime.now(UTC) - age).status


def signed(webhook_id: str) -> Call:
    """Return what the worker would send."""
    body = body_of(MESSAGE)
    headers = signed_headers(
        webhook_id=webhook_id,
        event_type="message.created",
        body=body,
        secrets=[SECRET],
        at=datetime.now(UTC),
        own={},
    )
    return headers, body


def handled(receiver: Receiver) -> list[str]:
    """Return what was handled, after all that was taken so far."""
    marker = new_id()
    assert deliver(receiver, marker) == 204
    wait_until_handled(receiver, marker)
    return receiver.handled()


def test_webhook_that_comes_twice_is_handled_once(receiver: Receiver) -> None:
    webhook_id = new_id()

    answers = [deliver(receiver, webhook_id) for _ in range(3)]

    assert answers == [204, 204, 204]
    assert handled(receiver).count(webhook_id) == 1


def test_events_of_one_message_are_two_webhooks(receiver: Receiver) -> None:
    ids = [new_id(), new_id()]

    for webhook_id in ids:
        assert deliver(receiver, webhook_id) == 204

    assert [told for told in handled(receiver) if told in ids] == ids


def test_longest_message_fits(receiver: Receiver) -> None:
    webhook_id = new_id()
    payload = {**MESSAGE, "data": {**MESSAGE["data"], "content": "👋" * 100_000}}

    assert deliver(receiver, webhook_id, payload=payload) == 204
    assert webhook_id in handled(receiver)


@pytest.mark.parametrize("keys", [(SECRET,), (SECRET, OTHER), (OTHER, SECRET)])
def test_either_secret_is_enough_during_a_rotation(receiver: Receiver, keys: list[str]) -> None:
    webhook_id = new_id()

    assert deliver(receiver, webhook_id, secrets=keys) == 204
    assert webhook_id in handled(receiver)


def without(name: str) -> Callable[[Call], Call]:
    return lambda call: ({k: v for k, v in call[0].items() if k != name}, call[1])


def replaced(name: str, value: str) -> Callable[[Call], Call]:
    return lambda call: ({**call[0], name: value}, call[1])


def rewritten(call: Call) -> Call:
    """Write the body anew, as who parses before verifying does: other bytes, the same value."""
    return call[0], json.dumps(json.loads(call[1])).encode()


SPOILED: dict[str, Callable[[Call], Call]] = {
    "no id": without("webhook-id"),
    "no timestamp": without("webhook-timestamp"),
    "no signature": without("webhook-signature"),
    "no header": lambda call: ({}, call[1]),
    "nothing": lambda call: ({}, b""),
    "no body": lambda call: (call[0], b""),
    "another id": replaced("webhook-id", "msg_another"),
    "a later timestamp": lambda call: replaced("webhook-timestamp", str(int(time.time()) + 1))(
        call
    ),
    "a timestamp that is none": replaced("webhook-timestamp", "soon"),
    "an endless timestamp": replaced("webhook-timestamp", "inf"),
    "a changed body": lambda call: (call[0], call[1].replace(b"ada", b"eve")),
    "a body written anew": rewritten,
    "a longer body": lambda call: (call[0], call[1] + b" "),
    "a body that is no text": lambda call: (call[0], b"\xff\xfe"),
    "a version without signature": replaced("webhook-signature", "v1"),
    "an empty signature": replaced("webhook-signature", "v1,"),
    "too many commas": replaced("webhook-signature", "v1,a,b"),
    "a signature that is no text": replaced("webhook-signature", "v1,\xff"),
    "another version": lambda call: (
        {**call[0], "webhook-signature": call[0]["webhook-signature"].replace("v1", "v2")},
        call[1],
    ),
}


def test_spoiled_webhooks_are_refused(receiver: Receiver) -> None:
    ids = {name: new_id() for name in SPOILED}

    answers = {name: receiver.post(*SPOILED[name](signed(ids[name]))) for name in SPOILED}

    assert answers == dict.fromkeys(SPOILED, 401)
    assert not {"msg_another", *ids.values()} & {*handled(receiver)}


def test_webhooks_of_another_time_or_sender_are_refused(receiver: Receiver) -> None:
    earlier, later, foreign = new_id(), new_id(), new_id()

    assert deliver(receiver, earlier, timedelta(minutes=6)) == 401
    assert deliver(receiver, later, -timedelta(minutes=6)) == 401
    assert deliver(receiver, foreign, secrets=[OTHER]) == 401
    assert not {earlier, later, foreign} & {*handled(receiver)}


@pytest.mark.parametrize("name", ["flask", "express"])
def test_what_was_taken_is_handled_after_a_restart(name: str, tmp_path: Path) -> None:
    """Each of the two inboxes goes on with what it holds."""
    with running(name, tmp_path, SECRET) as receiver:
        handled(receiver)
    with closing(sqlite3.connect(tmp_path / "inbox.db")) as inbox, inbox:
        inbox.execute("insert into inbox (webhook_id, body) values ('msg_left', '{}')")

    with running(name, tmp_path, SECRET) as receiver:
        wait_until_handled(receiver, "msg_left")
        assert handled(receiver).count("msg_left") == 1
