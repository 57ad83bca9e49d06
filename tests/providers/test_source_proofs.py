"""What a declared sender's proof looks like, to the second and to the letter."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from services import security
from services.errors import Unauthorized
from services.inbound import Inbound
from services.provider import Call, Credential, Provider
from tests.providers.test_source import SECRET, SETTINGS, provider

BODY = b'{"type": "a"}'
NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
STANDARD = provider(scheme="standard-webhooks", secret=SECRET)
BEARER = provider(scheme="bearer", secret="two words")
HEX = security.hmac_sha256_hex("s3cret", BODY)


def is_let_in(sender: Provider, headers: dict[str, str], body: bytes = BODY) -> bool:
    call = Inbound(
        method="POST",
        path="/api/webhooks/acme",
        query={},
        headers=headers,
        body=body,
        received_at=NOW,
    )
    try:
        return sender.verify(call, SETTINGS) == Credential()
    except Unauthorized:
        return False


def standard(name: str = "msg_1", at: datetime = NOW) -> dict[str, str]:
    """Return the headers of a call that is signed at a time; without an id where it has none."""
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(name, at, BODY.decode()),
    }
    return {name: value for name, value in headers.items() if value}


@pytest.mark.parametrize("side", [-1, 1])
def test_a_signature_counts_up_to_five_minutes_to_either_side(side: int) -> None:
    assert is_let_in(STANDARD, standard(at=NOW + side * timedelta(seconds=300)))
    assert not is_let_in(STANDARD, standard(at=NOW + side * timedelta(seconds=301)))


def test_a_signature_of_no_id_or_of_no_text_lets_nobody_in() -> None:
    assert is_let_in(STANDARD, standard())
    assert not is_let_in(STANDARD, standard(name=""))
    assert not is_let_in(STANDARD, standard(), b"\xff")
    assert not is_let_in(STANDARD, {**standard(), "webhook-id": "\ud800"})


@pytest.fixture(name="far_away")
def _far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_away")
def test_a_signed_call_fits_the_official_library_wherever_it_is_signed() -> None:
    call = Call(url="https://x.example.test", body=BODY, headers={"X-Own": "kept"})

    first, second = (STANDARD.sign(call, SETTINGS) for _ in range(2))

    assert {*first.headers} == {"X-Own", "webhook-id", "webhook-timestamp", "webhook-signature"}
    assert Webhook(SECRET).verify(BODY, dict(first.headers)) == {"type": "a"}
    assert first.headers["webhook-id"].startswith("msg_")
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    assert first == replace(call, headers=first.headers)


@pytest.mark.parametrize(
    ("value", "is_right"),
    [
        ("Bearer two words", True),
        ("bEARER two words", True),
        ("Bearer  two words ", True),
        ("two words", True),
        ("Basic two words", False),
        ("Bearertwo words", False),
        ("Bearer two", False),
        ("Bearer words", False),
        ("Bearer TWO WORDS", False),
    ],
)
def test_a_token_stands_behind_its_scheme_or_alone(value: str, is_right: bool) -> None:
    assert is_let_in(BEARER, {"authorization": value}) is is_right
    assert not is_let_in(BEARER, {"x-signature": value})


def test_a_hex_signature_may_be_written_in_capitals_and_with_spaces_around() -> None:
    sender = provider(scheme="hmac-sha256", secret="s3cret", prefix="sha256=")

    assert is_let_in(sender, {"x-signature": f"sha256= {HEX.upper()} "})
    assert not is_let_in(sender, {"x-signature": f"SHA256={HEX}"})
    assert not is_let_in(sender, {"x-signature": f"sha999={HEX}"})
    assert not is_let_in(sender, {"authorization": f"sha256={HEX}"})


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_signature_is_by_the_algorithm_of_its_scheme(algorithm: str) -> None:
    sender = provider(scheme=f"hmac-{algorithm}", secret="s3cret")
    signature = hmac.new(b"s3cret", BODY, algorithm).hexdigest()
    call = Call(url="https://x.example.test", body=BODY, headers={})

    assert is_let_in(sender, {"x-signature": signature})
    assert sender.sign(call, SETTINGS) == replace(call, headers={"X-Signature": signature})


def test_a_base64_signature_is_taken_by_the_letter() -> None:
    sender = provider(scheme="hmac-sha256", secret="s3cret", encoding="base64")
    signature = base64.b64encode(bytes.fromhex(HEX)).decode()

    assert is_let_in(sender, {"x-signature": signature})
    assert not is_let_in(sender, {"x-signature": signature.lower()})
