"""What holds for every provider and every sample of its events; a new one is tested before it has a
test of its own.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from services.provider import Call, Provider
from services.providers import PROVIDERS
from services.sending import call_of, renewed, sample_names
from services.settings import load_settings
from tests.database.events import make_conversation, rows
from tests.web.caller import SETTINGS as caller_settings
from tests.web.caller import Caller

SAMPLES = Path("services/samples")
UNUSED = {
    "SUPABASE_URL": "https://project.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_unused",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_unused",
}
# A token in the URL would vouch for any body: here every sender signs.
SETTINGS = replace(load_settings({**UNUSED, **caller_settings}), tavus_webhook_tokens=())
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


def of_new_conversation(provider: Provider, sample: Path) -> tuple[str | None, Call]:
    """Return the call of a sample as if it were about something that no other test tells of."""
    payload = renewed(provider, json.loads(sample.read_text()))
    call = call_of(provider, sample.stem, payload, SETTINGS)
    parts = (payload, payload.get("properties"), payload.get("data"))
    named = (part.get("conversation_id") for part in parts if isinstance(part, dict))
    return next((name for name in named if name), None), call


def post(caller: Caller, call: Call, **changes: Any) -> httpx.Response:
    """Send a call to the service of the tests, which is reached by another name than the public."""
    call = replace(call, **changes)
    parts = urlsplit(call.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return caller.http.post(target, content=call.body, headers=dict(call.headers))


def send(caller: Caller, call: Call) -> None:
    answer = post(caller, call)
    assert answer.status_code == 200, answer.text


def unsigned(provider: Provider, sample: Path) -> Call:
    """Return the call of a sample without what makes it authentic."""
    _, call = of_new_conversation(provider, sample)
    return replace(
        call, url=call.url.partition("?")[0], headers={"Content-Type": provider.content_type}
    )


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
    conversation, call = of_new_conversation(provider, sample)
    if conversation:
        make_conversation(db, conversation)

    for _ in range(3):
        send(caller, call)

    [event] = stored(db, call.body)
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
    is_shown = event["event_type"] in [row["event_type"] for row in shown]
    assert is_shown is provider.events[event["event_type"]].projected
    assert "webhook_url" not in json.dumps([row["event_data"] for row in shown])


@EVERY_CASE
def test_unsigned_sample_is_401_and_stored_nowhere(
    caller: Caller, db: psycopg.Connection, provider: Provider, sample: Path
) -> None:
    call = unsigned(provider, sample)

    assert post(caller, call).status_code == 401
    assert stored(db, call.body) == []


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_tampered_body_is_401(caller: Caller, db: psycopg.Connection, provider: Provider) -> None:
    _, call = of_new_conversation(provider, some_sample(provider))
    tampered = call.body.replace(b"a", b"b", 1)

    assert post(caller, call, body=tampered).status_code == 401
    assert stored(db, tampered) == []


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_hostile_header_is_401(caller: Caller, provider: Provider, hostile: bytes) -> None:
    _, call = of_new_conversation(provider, some_sample(provider))
    proofs = call.headers.keys() - {"Content-Type"}
    assert proofs
    for name in proofs:
        others = {key: value for key, value in call.headers.items() if key != name}
        request = caller.http.build_request(
            "POST", urlsplit(call.url).path, content=call.body, headers=others
        )
        request.headers.raw.append((name.encode(), hostile.strip()))

        assert caller.http.send(request).status_code == 401


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_entry_of_the_events_table_has_a_sample(provider: Provider) -> None:
    sampled = {name.partition("-")[0] for name in sample_names(provider)}

    assert sampled == set(provider.events)


def some_sample(provider: Provider) -> Path:
    return SAMPLES / provider.name / f"{sample_names(provider)[0]}.json"
