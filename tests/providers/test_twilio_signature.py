"""Twilio's signature: its published examples, its own library, and whatever else is presented."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator
from werkzeug.datastructures import MultiDict

from services.errors import SettingsError, Unauthorized
from services.inbound import Inbound
from services.provider import Call, Credential
from services.providers.twilio import TWILIO
from services.providers.twilio.signature import addresses
from services.settings import Settings, load_settings
from tests.providers.twilio_calls import BASE, CALLS, SETTINGS, TOKEN, Pairs, inbound, signed

COMPANY = "https://mycompany.com"
APP = "/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
JSON = b'{"property": "value", "boolean": true}'
JSON_HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
REPEATED = [
    ("Sid", "CA123"),
    ("SidAccount", "AC123"),
    ("Digits", "5678"),
    ("Digits", "1234"),
    ("Digits", "1234"),
]
KEY = "webhooks_sharedkey_00000000000000000000000001"
SHARED = replace(SETTINGS, twilio_auth_tokens=(), twilio_shared_keys=((KEY, TOKEN),))
KEY_HEADER = f"key={KEY},algorithm=HMAC_SHA256"
UNCONFIGURED = replace(SETTINGS, twilio_auth_tokens=())

# https://www.twilio.com/docs/usage/security and the tests of Twilio's own libraries.
PUBLISHED = [
    (COMPANY, APP, FORM, SIGNATURE),
    (f"{COMPANY}:1234", APP, FORM, SIGNATURE),
    (COMPANY, APP, FORM, "kvajT1Ptam85bY51eRf/AJRuM3w="),
    (f"{COMPANY}:443", APP, FORM, "kvajT1Ptam85bY51eRf/AJRuM3w="),
    (f"{COMPANY}:443", APP, FORM, SIGNATURE),
    ("http://mycompany.com", APP, FORM, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ("http://mycompany.com:80", APP, FORM, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ("http://mycompany.com:1234", APP, FORM, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
    (COMPANY, APP, {}, "zYQTYrRWXE7LtzbG4PfP7/bkkGo="),
    (COMPANY, f"{APP}&bodySHA256={JSON_HASH}", JSON, "a9nBmqA0ju/hNViExpshrM61xv4="),
    (COMPANY, APP, REPEATED, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
]


def is_let_in(request: Inbound, configured: Settings = SETTINGS) -> bool:
    try:
        return isinstance(TWILIO.verify(request, configured), Credential)
    except Unauthorized:
        return False


def request(form: Pairs | bytes, target: str, signature: str, **headers: str) -> Inbound:
    return inbound(form, target, X_Twilio_Signature=signature, **headers)


def at(base_url: str, configured: Settings = SETTINGS) -> Settings:
    return replace(configured, public_base_url=base_url)


@pytest.mark.parametrize(("base", "target", "form", "signature"), PUBLISHED)
def test_published_example_is_let_in(
    base: str, target: str, form: Pairs | bytes, signature: str
) -> None:
    assert is_let_in(request(form, target, signature), at(base))
    assert not is_let_in(request(form, target, signature), at("https://other.example.test"))
    assert not is_let_in(request(form, f"{target}&x=1", signature), at(base))
    assert not is_let_in(
        request(form, target, signature), replace(at(base), twilio_auth_tokens=("54321",))
    )


def test_published_example_of_a_shared_key_is_let_in() -> None:
    signature = "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s="
    call = request(FORM, APP, signature, X_Twilio_Webhooks_Signature_Settings=KEY_HEADER)

    assert is_let_in(call, at(COMPANY, SHARED))


FIELDS = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
        st.text(st.characters(codec="utf-8"), max_size=8)
        | st.sampled_from(["", " ", "a b", "+1", "ä", "☎", "%", "&=", "\x00"]),
    ),
    max_size=8,
)
QUERIES = st.sampled_from(["", "?", "?a=%20b+c&b=", "?b=2&a=1&a=1", "?x=%C3%A4", "?q=%2F/?#"])
BASES = st.sampled_from(
    [BASE, f"{BASE}:443", f"{BASE}:8443", "http://h.example.test", f"{BASE}/inner"]
)


@settings(max_examples=200)
@given(FIELDS, QUERIES, BASES, st.sampled_from([HMAC_SHA1, HMAC_SHA256]))
@example([("A", ""), ("A", ""), ("A", "b")], "", BASE, HMAC_SHA1)
def test_what_the_library_signs_is_let_in(
    fields: list[tuple[str, str]], query: str, base: str, algorithm: str
) -> None:
    """The library is given the form as Flask parses it, our verifier the bytes."""
    target = f"{CALLS}{query}"
    signature = RequestValidator(TOKEN).compute_signature(
        f"{base}{target}", MultiDict(fields), algorithm
    )
    shared = algorithm == HMAC_SHA256
    header = {"X_Twilio_Webhooks_Signature_Settings": KEY_HEADER} if shared else {}

    call = request(fields, target, signature, **header)

    assert is_let_in(call, at(base, SHARED if shared else SETTINGS))
    assert not is_let_in(call, at(base, SETTINGS if shared else SHARED))


@settings(max_examples=100)
@given(FIELDS, QUERIES.filter(lambda query: query != "?"), BASES, st.booleans())
def test_what_we_sign_the_library_lets_in(
    fields: list[tuple[str, str]], query: str, base: str, shared: bool
) -> None:
    target = f"{CALLS}{query}".partition("#")[0]
    configured = at(base, SHARED if shared else SETTINGS)
    body = urlencode(fields).encode()

    call = TWILIO.sign(Call(url=f"{base}{target}", body=body, headers={}), configured)

    form = MultiDict(parse_qsl(body.decode(), keep_blank_values=True))
    validator = RequestValidator(TOKEN)
    algorithm = HMAC_SHA256 if shared else HMAC_SHA1
    presented = call.headers["X-Twilio-Signature"]
    assert validator.validate(f"{base}{target}", form, presented, algorithm)


@pytest.mark.parametrize("origin", [BASE, "http://127.0.0.1:8000"])
def test_what_we_sign_is_the_public_address_without_its_port(origin: str) -> None:
    call = Call(url=f"{origin}{CALLS}?a=1#here", body=urlencode(FORM).encode(), headers={})
    signature = RequestValidator(TOKEN).compute_signature(f"{BASE}{CALLS}?a=1", FORM)

    assert TWILIO.sign(call, SETTINGS) == replace(
        call,
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature,
        },
    )


def test_what_a_call_says_of_its_body_is_kept() -> None:
    headers = {"Content-Type": "application/json"}
    call = Call(url=f"{BASE}{CALLS}?bodySHA256={JSON_HASH}", body=JSON, headers=headers)

    signed_headers = TWILIO.sign(call, SETTINGS).headers

    assert {*signed_headers} == {"Content-Type", "X-Twilio-Signature"}
    assert signed_headers["Content-Type"] == "application/json"


def test_address_is_the_public_one_whatever_a_proxy_makes_of_it() -> None:
    signature = RequestValidator(TOKEN).compute_signature(f"{BASE}{CALLS}?a=%20b", FORM)
    seen = {"Host": "10.0.0.7:8000", "X_Forwarded_Proto": "http", "X_Forwarded_Host": "evil.test"}

    assert is_let_in(request(FORM, f"{CALLS}?a=%20b", signature, **seen))
    assert not is_let_in(request(FORM, f"{CALLS}?a=+b", signature, **seen))


def test_port_and_user_of_the_public_address_may_be_left_out() -> None:
    assert addresses("https://me:pw@h.example.test:8443/in", "/x") == (
        "https://h.example.test/in/x",
        "https://h.example.test:8443/in/x",
    )
    assert addresses("http://[::1]", "/x") == ("http://[::1]/x", "http://[::1]:80/x")


def test_either_token_is_valid_while_it_is_rotated() -> None:
    both = replace(SETTINGS, twilio_auth_tokens=("new", TOKEN))

    for token in ("new", TOKEN):
        call = signed(FORM, settings=replace(SETTINGS, twilio_auth_tokens=(token,)))
        assert is_let_in(call, both)
    assert not is_let_in(signed(FORM), replace(SETTINGS, twilio_auth_tokens=("new",)))


def test_a_shared_key_signs_for_itself_alone() -> None:
    other = "webhooks_sharedkey_00000000000000000000000002"
    both = replace(SHARED, twilio_shared_keys=((other, "second"), (KEY, "first"), (KEY, TOKEN)))
    call = signed(FORM, settings=SHARED)
    moved = replace(
        call,
        headers={
            **call.headers,
            "x-twilio-webhooks-signature-settings": f"key={other},algorithm=HMAC_SHA256",
        },
    )

    assert is_let_in(call, both)
    assert not is_let_in(moved, both)


@pytest.mark.parametrize(
    "header",
    [
        "algorithm=HMAC_SHA256",
        f"key={KEY}",
        f"key={KEY},algorithm=",
        f"key={KEY},algorithm=HMAC_SHA1",
        f"key={KEY},algorithm=HMAC_MD5",
        f"key={KEY},algorithm=none",
        f"key={KEY},key=other,algorithm=HMAC_SHA256",
        f"key=other,key={KEY},algorithm=HMAC_SHA256",
        f"key={KEY}x,algorithm=HMAC_SHA256",
        f"key=,algorithm=HMAC_SHA256,{KEY}",
        f"KEY={KEY},ALGORITHM=HMAC_SHA256",
        f"key=\ud800{KEY},algorithm=HMAC_SHA256",
        "," * 5000,
        "=",
        "\x00",
    ],
)
def test_odd_settings_of_a_signature_open_nothing(header: str) -> None:
    call = signed(FORM, settings=SHARED)
    odd = replace(call, headers={**call.headers, "x-twilio-webhooks-signature-settings": header})

    assert not is_let_in(odd, replace(SHARED, twilio_auth_tokens=("another",)))


def test_a_key_does_not_vouch_for_the_older_algorithm() -> None:
    call = signed(FORM)
    named = f"key={KEY},algorithm=HMAC_SHA1"
    odd = replace(call, headers={**call.headers, "x-twilio-webhooks-signature-settings": named})

    assert is_let_in(call, SETTINGS)
    assert not is_let_in(odd, replace(SHARED, twilio_auth_tokens=(TOKEN,)))


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "nonsense",
        SIGNATURE,
        SIGNATURE[:-1],
        SIGNATURE + "=",
        SIGNATURE + "\n",
        f" {SIGNATURE}",
        f"sha1={SIGNATURE}",
        f"{SIGNATURE},{SIGNATURE}",
        SIGNATURE.lower(),
        "A" * 28,
        "0" * 40,
        hashlib.sha1(b"").hexdigest(),
        "\x00",
        "\xff\xfe",
        "é",
        "\ud800",
        "%00",
        "null",
        '{"a": 1}',
        "Bearer x",
        ",",
        "=",
        "a" * 8000,
    ],
)
def test_hostile_signature_is_refused(header: str) -> None:
    assert not is_let_in(request(FORM, CALLS, header))


def tampered(call: Inbound) -> list[Inbound]:
    body = call.body
    return [
        replace(call, body=body + b"&Extra=1"),
        replace(call, body=body + b"&CallSid="),
        replace(call, body=body.replace(b"1234", b"1235")),
        replace(call, body=body[:-1]),
        replace(call, body=b""),
        replace(call, target=call.target + "/"),
        replace(call, target=call.target + "?"),
        replace(call, target=call.target.upper()),
        replace(call, target=f"{call.target}?bodySHA256={hashlib.sha256(body).hexdigest()}"),
        replace(call, target="//evil.example.test" + call.target),
        replace(call, target=""),
    ]


def test_whatever_is_changed_is_refused() -> None:
    call = signed(FORM)
    assert is_let_in(call)

    assert [is_let_in(changed) for changed in tampered(call)] == [False] * 11


def test_body_of_another_hash_is_refused() -> None:
    target = f"{CALLS}?bodySHA256={hashlib.sha256(JSON).hexdigest()}"
    call = signed(JSON, target)

    assert is_let_in(call)
    assert not is_let_in(replace(call, body=JSON.replace(b"true", b"false")))
    assert not is_let_in(replace(call, body=b""))
    with pytest.raises(Unauthorized, match=r"^The call is none that Twilio makes\.$"):
        TWILIO.verify(replace(call, body=b""), SETTINGS)


def test_a_body_of_another_hash_cannot_be_signed() -> None:
    call = Call(url=f"{BASE}{CALLS}?bodySHA256={JSON_HASH}", body=b"{}", headers={})

    with pytest.raises(ValueError, match=r"^The hash in the address is another body's\.$"):
        TWILIO.sign(call, SETTINGS)


def test_form_with_very_many_fields_is_refused() -> None:
    many = {f"f{n}": "x" for n in range(1001)}
    signature = RequestValidator(TOKEN).compute_signature(f"{BASE}{CALLS}", many)

    assert not is_let_in(request(many, CALLS, signature))


@pytest.mark.parametrize(("size", "is_known"), [(200_000, True), (300_000, False)])
def test_very_long_form_is_refused_before_it_is_read(size: int, is_known: bool) -> None:
    form = {"Body": "x" * size}
    signature = RequestValidator(TOKEN).compute_signature(f"{BASE}{CALLS}", form)

    assert is_let_in(request(form, CALLS, signature)) is is_known


def test_order_and_writing_of_the_form_do_not_matter() -> None:
    call = signed(FORM)
    pairs = list(FORM.items())
    random.Random(1).shuffle(pairs)
    escaped = b"&".join(
        "".join(f"%{byte:02x}" for byte in name.encode()).encode()
        + b"="
        + value.replace("+", "%2b").encode()
        for name, value in pairs
    )

    assert is_let_in(replace(call, body=urlencode(pairs).encode()))
    assert is_let_in(replace(call, body=escaped))


ANY_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF))


@settings(max_examples=400)
@given(
    ANY_TEXT | st.just(SIGNATURE),
    ANY_TEXT | st.just(KEY_HEADER),
    st.binary() | st.just(urlencode(FORM).encode()),
    ANY_TEXT | st.sampled_from(["", "*", "/[", "//[", "http://[x", "/?bodySHA256=", ":99999/"]),
)
@example("x", "", b"", "//[")
@example("x", "", b"\xff=\xfe&%ff=%00", "/\ud800")
def test_verifier_is_total(signature: str, scheme: str, body: bytes, target: str) -> None:
    call = Inbound(
        method="POST",
        path=CALLS,
        query={},
        headers={"x-twilio-signature": signature, "x-twilio-webhooks-signature-settings": scheme},
        body=body,
        received_at=signed(FORM).received_at,
        target=target,
    )
    both = replace(SHARED, twilio_auth_tokens=(TOKEN,))

    assert is_let_in(call, both) is False
    assert is_let_in(call, UNCONFIGURED) is False


def test_nothing_configured_is_closed() -> None:
    empty_key = RequestValidator("").compute_signature(f"{BASE}{CALLS}", FORM)

    assert not is_let_in(signed(FORM), UNCONFIGURED)
    assert not is_let_in(request(FORM, CALLS, empty_key), UNCONFIGURED)
    call = Call(url=f"{BASE}{CALLS}", body=b"", headers={})
    assert "X-Twilio-Signature" not in TWILIO.sign(call, UNCONFIGURED).headers


NEEDED = {
    "SUPABASE_URL": "https://project.example.test",
    "SUPABASE_SECRET_KEY": "service",
    "SUPABASE_PUBLISHABLE_KEY": "public",
}


def test_secrets_come_from_lists() -> None:
    told = {
        "TWILIO_AUTH_TOKEN": "new-token, old-token",
        "TWILIO_SHARED_KEYS": " k1 = a=b ,k2=c,k1=d",
    }
    found = load_settings({**NEEDED, **told})

    assert found.twilio_auth_tokens == ("new-token", "old-token")
    assert found.twilio_shared_keys == (("k1", "a=b"), ("k2", "c"), ("k1", "d"))
    assert (
        load_settings(NEEDED).twilio_auth_tokens == load_settings(NEEDED).twilio_shared_keys == ()
    )
    assert "a=b" not in repr(found)
    assert "old-token" not in repr(found)


@pytest.mark.parametrize("keys", ["k1", "k1=", "=x", "k1=a,b", "k1 = "])
def test_key_without_its_secret_is_named(keys: str) -> None:
    with pytest.raises(SettingsError, match="TWILIO_SHARED_KEYS is no list of id=secret"):
        load_settings({**NEEDED, "TWILIO_SHARED_KEYS": keys})
