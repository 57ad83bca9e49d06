"""signing.py: what the official library verifies, the same bytes each time, ours before theirs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.outgoing.signing import NoSecret, body_of, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLDER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
STRANGE = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)


def headers_of(body: bytes, *secrets: str, **other: Any) -> dict[str, str]:
    wanted: dict[str, Any] = {
        "webhook_id": "msg_1",
        "event_type": "message.created",
        "body": body,
        "secrets": secrets or (SECRET,),
        "at": datetime.now(UTC),
        "own": {},
        **other,
    }
    return signed_headers(**wanted)


@given(st.dictionaries(texts, values, max_size=4))
def test_official_library_verifies_any_payload(payload: dict[str, Any]) -> None:
    body = body_of(payload)

    assert Webhook(SECRET).verify(body, headers_of(body)) == payload


def test_body_is_compact_utf8_and_the_same_each_time() -> None:
    payload = {"b": [1, 2.5, None], "a": {"content": "Grüße 👋\u2028"}}

    assert body_of(payload) == '{"b":[1,2.5,null],"a":{"content":"Grüße 👋\u2028"}}'.encode()
    assert body_of(json.loads(body_of(payload))) == body_of(payload)


def test_signature_of_known_values() -> None:
    """The example of the specification's own libraries."""
    headers = headers_of(
        b'{"test": 2432232314}',
        webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_secret_signs_the_newest_first() -> None:
    body = body_of({"a": 1})

    headers = headers_of(body, SECRET, OLDER)

    first, second = headers["webhook-signature"].split(" ")
    assert first == headers_of(body, SECRET, at=told(headers))["webhook-signature"]
    assert second == headers_of(body, OLDER, at=told(headers))["webhook-signature"]
    for secret in (SECRET, OLDER):
        Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(STRANGE).verify(body, headers)


def told(headers: dict[str, str]) -> datetime:
    return datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)


@pytest.mark.parametrize("offset", [0, 5.75, -12])
def test_timestamp_is_of_the_time_whatever_its_zone(offset: float) -> None:
    zone = timezone(timedelta(hours=offset))
    body = body_of({})

    headers = headers_of(body, at=datetime.now(zone))

    assert abs(told(headers) - datetime.now(UTC)) < timedelta(seconds=5)
    Webhook(SECRET).verify(body, headers)


def test_headers_are_those_of_the_standard_and_who_we_are() -> None:
    headers = headers_of(b"{}")

    assert set(headers) == {
        "Content-Type",
        "User-Agent",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "X-Convohooks-Event",
    }
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == f"Convohooks/{version('convohooks')}"
    assert headers["X-Convohooks-Event"] == "message.created"
    assert re.fullmatch(r"[0-9]{10}", headers["webhook-timestamp"])


def test_own_headers_go_beside_ours_and_never_in_place_of_them() -> None:
    own = {
        "X-Team": "blue",
        "Authorization": "Bearer abc",
        "WEBHOOK-ID": "msg_other",
        "Webhook-Signature": "v1,xxx",
        "webhook-Timestamp": "1",
        "content-type": "text/plain",
        "user-agent": "x",
        "x-convohooks-event": "other",
    }

    headers = headers_of(b"{}", own=own)

    assert (headers["X-Team"], headers["Authorization"]) == ("blue", "Bearer abc")
    assert len({name.lower() for name in headers}) == len(headers)
    Webhook(SECRET).verify(b"{}", headers)


def test_without_a_secret_nothing_is_signed() -> None:
    with pytest.raises(NoSecret):
        headers_of(b"{}", secrets=())
