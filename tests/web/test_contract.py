"""What holds for every provider and every sample of its events; a new one is tested before it has a
test of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.provider import Provider
from services.providers import PROVIDERS
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.web.caller import SECRET, Caller

SAMPLES = Path("services/samples")
SECRETS = {"tavus": SECRET}
CASES = [
    pytest.param(provider, path, id=f"{provider.name}/{path.stem}")
    for provider in PROVIDERS
    for path in sorted((SAMPLES / provider.name).glob("*.json"))
]
EVERY_CASE = pytest.mark.parametrize(("provider", "sample"), CASES)

HOSTILE = [
    b"",
    b" ",
    b"nonsense",
    b"sha256=",
    b"sha256=zz",
    b"v1,x,y",
    b"v1=",
    b"t=,v1=",
    b"0" * 64,
    b"0" * 63,
    b"sha256=" + b"0" * 64,
    b"\xff\xfe",
    b"\xc3\xa9",
    b"sha256=\xc3\xa9",
    b"a" * 8000,
    b",",
    b"=",
    b"%00",
    b"null",
    b'{"a": 1}',
    b"Bearer x",
    b"sha1=" + b"0" * 40,
]


def of_new_conversation(sample: Path) -> tuple[str, bytes]:
    """Return a sample as if it were about a conversation that no other test uses."""
    conversation = new_conversation_id()
    payload: dict[str, Any] = json.loads(sample.read_text())
    for part in (payload, payload.get("properties"), payload.get("data")):
        if isinstance(part, dict) and "conversation_id" in part:
            part["conversation_id"] = conversation
    for name in ("replica_id", "face_id", "video_id", "document_id"):
        if name in payload and "event_type" not in payload:
            payload[name] = conversation  # what has no conversation is named by this
    return conversation, json.dumps(payload).encode()


def send(caller: Caller, provider: Provider, body: bytes) -> dict[str, Any]:
    answer = caller.send(
        body,
        path=provider.paths[0],
        query={},
        headers=provider.sign(body, SECRETS[provider.name]),
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def stored(db: psycopg.Connection, body: bytes) -> list[dict[str, Any]]:
    return rows(
        db,
        "select i.event_key, i.event_type, i.state, i.conversation_id from private.webhook_inbox i"
        " where i.body_sha256 = encode(sha256(%s), 'hex')",
        body,
    )


@EVERY_CASE
def test_signed_sample_is_stored_once_and_shown(
    caller: Caller, db: psycopg.Connection, provider: Provider, sample: Path
) -> None:
    conversation, body = of_new_conversation(sample)
    make_conversation(db, conversation)

    outcomes = [send(caller, provider, body)["outcome"] for _ in range(3)]

    assert outcomes == ["new", "duplicate", "duplicate"]
    [event] = stored(db, body)
    assert event["state"] == "processed"
    assert event["event_type"] in provider.events
    shown = rows(
        db,
        "select event_type, event_data from public.processed_webhook_events where event_hash in"
        " (select encode(sha256(convert_to(concat_ws(chr(10), %s::text, %s::text, t), 'UTF8')),"
        " 'hex')"
        "  from unnest(%s::text[]) t)",
        provider.name,
        event["event_key"],
        [event["event_type"], "tool_call_result"],
    )
    assert event["event_type"] in [row["event_type"] for row in shown]
    assert "webhook_url" not in json.dumps([row["event_data"] for row in shown])


@EVERY_CASE
def test_unsigned_sample_is_401_and_stored_nowhere(
    caller: Caller, db: psycopg.Connection, provider: Provider, sample: Path
) -> None:
    _, body = of_new_conversation(sample)

    answer = caller.send(body, path=provider.paths[0], query={})

    assert answer.status_code == 401
    assert stored(db, body) == []


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_tampered_body_is_401(caller: Caller, db: psycopg.Connection, provider: Provider) -> None:
    _, body = of_new_conversation(sorted((SAMPLES / provider.name).glob("*.json"))[0])
    signed = provider.sign(body, SECRETS[provider.name])
    tampered = body.replace(b"}", b" }", 1)

    answer = caller.send(tampered, path=provider.paths[0], query={}, headers=signed)

    assert answer.status_code == 401
    assert stored(db, tampered) == []


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_hostile_header_is_401(caller: Caller, provider: Provider, hostile: bytes) -> None:
    for name in provider.sign(b"{}", SECRETS[provider.name]):
        request = caller.http.build_request("POST", provider.paths[0], content=b"{}")
        request.headers.raw.append((name.encode(), hostile.strip()))

        assert caller.http.send(request).status_code == 401


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_entry_of_the_events_table_has_a_sample(provider: Provider) -> None:
    sampled = {path.stem.partition("-")[0] for path in (SAMPLES / provider.name).glob("*.json")}

    assert sampled == set(provider.events)
