"""Why a call does not verify: each usual mistake is named, and nothing else is."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.doctor.diagnosis import Captured, diagnose, read_capture
from services.errors import Malformed
from services.provider import Call, Provider
from services.providers import providers
from services.settings import load_settings

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
BODY = json.dumps({"type": "a", "text": "Grüße", "n": [1, 2]}, ensure_ascii=False).encode()
ENVIRONMENT = {
    "SUPABASE_URL": "https://p.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "PUBLIC_BASE_URL": "https://hooks.example.test",
    "TAVUS_WEBHOOK_SECRET": "signing-secret",
}


def environment(**changes: Any) -> dict[str, str]:
    source = {"scheme": "standard-webhooks", "secret": SECRET, **changes}
    return {**ENVIRONMENT, "WEBHOOK_SOURCES": json.dumps({"acme": source})}


def sender(name: str, told: dict[str, str]) -> Provider:
    return next(one for one in providers(load_settings(told)) if one.name == name)


def captured(name: str = "acme", body: bytes = BODY, **changes: Any) -> Captured:
    told = environment(**changes)
    settings = load_settings(told)
    provider = sender(name, told)
    url = settings.public_base_url + provider.paths[0]
    call = provider.sign(Call(url=url, body=body, headers={}), settings)
    headers = {key.lower(): value for key, value in call.headers.items()}
    return Captured(url=call.url, headers=headers, body=body, at=datetime.now(UTC))


def causes(call: Captured, name: str = "acme", **options: Any) -> list[str]:
    told = environment()
    return [found.cause for found in diagnose(call, sender(name, told), told, **options).findings]


def test_a_good_call_verifies() -> None:
    told = environment()
    assert diagnose(captured(), sender("acme", told), told).verifies


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (BODY + b"\n", "the body has gained white space at its end"),
        (json.dumps(json.loads(BODY)).encode(), "the body was parsed and written again"),
        (b"\xef\xbb\xbf" + BODY, "the body has gained a byte order mark"),
    ],
)
def test_a_changed_body_is_named(body: bytes, cause: str) -> None:
    assert causes(replace(captured(), body=body)) == [cause]


def test_an_old_signature_is_named_with_its_time() -> None:
    call = captured()
    [cause] = causes(replace(call, at=call.at + timedelta(hours=3)))
    assert "s from the call's arrival" in cause


def test_another_secret_is_found_among_those_given_and_not_shown() -> None:
    told = {**environment(), "TAVUS_WEBHOOK_SECRET": "new-secret"}
    old = captured("tavus")
    found = diagnose(old, sender("tavus", told), told, other_secrets=["x", "signing-secret"])
    assert [one.cause for one in found.findings] == [
        "the call is signed with secret 2 of those you gave, not with TAVUS_WEBHOOK_SECRET"
    ]
    assert "signing-secret" not in str(found)


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("WEBHOOK_SECRETS_KEY", base64.urlsafe_b64encode(b"k" * 32).decode()),
        ("ALERT_WEBHOOK_SECRET", SECRET),
        ("TWILIO_SHARED_KEYS", "key-1=shared"),
        ("TAVUS_API_KEY", "api-key"),
    ],
)
def test_given_secret_that_another_setting_would_not_take_is_tried_all_the_same(
    name: str, held: str
) -> None:
    told = {**environment(), "TAVUS_WEBHOOK_SECRET": "new-secret", name: held}
    old = captured("tavus")

    found = diagnose(old, sender("tavus", told), told, other_secrets=["für", "signing-secret"])

    assert [one.cause for one in found.findings] == [
        "the call is signed with secret 2 of those you gave, not with TAVUS_WEBHOOK_SECRET"
    ]


@pytest.mark.parametrize("around", ['"{}"', "'{}'", "\"' {} '\""])
def test_a_secret_within_quotation_marks_is_named_and_not_shown(around: str) -> None:
    told = {**environment(), "TAVUS_WEBHOOK_SECRET": around.format("signing-secret")}

    found = diagnose(captured("tavus"), sender("tavus", told), told).findings

    assert [one.cause for one in found] == [
        "TAVUS_WEBHOOK_SECRET has white space or quotation marks around it"
    ]
    assert found[0].mend == "remove them from TAVUS_WEBHOOK_SECRET"


def test_a_call_without_any_proof_is_named() -> None:
    assert causes(replace(captured(), headers={})) == [
        "the call carries no signature or token of this sender"
    ]


def test_what_nothing_explains_has_no_finding() -> None:
    call = captured(secret=OTHER)
    assert causes(call) == []


def test_captures_are_read_in_both_forms() -> None:
    raw = "POST /api/webhooks/acme?x=1 HTTP/1.1\r\nHost: hooks.example.test\r\nX-A: b\r\n\r\n{}"
    call = read_capture(raw)
    assert (call.url, call.headers["x-a"], call.body) == (
        "https://hooks.example.test/api/webhooks/acme?x=1",
        "b",
        b"{}",
    )
    same = read_capture(json.dumps({"url": call.url, "headers": {"X-A": "b"}, "body": "{}"}))
    assert (same.url, same.headers["x-a"], same.body) == (call.url, "b", b"{}")


@pytest.mark.parametrize("text", ["", "nonsense", "{", '{"url": 1}', '{"url": "x"}', "POST\n\n"])
def test_what_is_no_capture_is_named(text: str) -> None:
    with pytest.raises(Malformed, match="capture"):
        read_capture(text)


def test_a_proxy_that_hides_the_scheme_is_named() -> None:
    told = {**environment(), "TWILIO_AUTH_TOKEN": "twilio-token"}
    twilio = sender("twilio", told)
    settings = load_settings({**told, "PUBLIC_BASE_URL": "http://hooks.example.test"})
    url = f"http://hooks.example.test{twilio.paths[0]}"
    call = twilio.sign(Call(url=url, body=b"CallSid=CA1", headers={}), settings)
    headers = {key.lower(): value for key, value in call.headers.items()}
    inner = url.replace("hooks.example.test", "internal:8000")
    seen = Captured(
        url=inner,
        headers={**headers, "host": "internal:8000"},
        body=call.body,
        at=datetime.now(UTC),
    )

    found = diagnose(seen, twilio, told).findings

    assert any("signed for http://hooks.example.test" in one.cause for one in found)
