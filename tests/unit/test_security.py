"""security.py: every check is total, and right."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import security

BODY = (
    b'{"name":"fetch_video","arguments":"{\\"video_title\\":\\"Intro\\"}",'
    b'"tool_call_id":"call_1","conversation_id":"c123456"}'
)
SIGNATURE = "a0bbe1285829f0166c4023ec699bc6cb02e3ab4a8b40116236e9a7cc2a72e72f"
SECRET = "tavus_tool_secret"
ANY_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF))


@pytest.mark.parametrize("written", [SIGNATURE, f"sha256={SIGNATURE}", SIGNATURE.upper()])
def test_published_vector_verifies(written: str) -> None:
    assert security.signature_matches(written, BODY, [SECRET])


def test_any_of_several_secrets_verifies_while_rotating() -> None:
    assert security.signature_matches(SIGNATURE, BODY, ["new", SECRET])


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "sha256=",
        "zz",
        SIGNATURE[:-1],
        SIGNATURE + "0",
        f"sha1={SIGNATURE}",
        "é",
        "\ud800",
        "sha256=" * 1000,
        f"{SIGNATURE},{SIGNATURE}",
        "\x00",
        f"sha256=sha256={SIGNATURE}",
    ],
)
def test_hostile_signature_is_just_wrong(hostile: str) -> None:
    assert not security.signature_matches(hostile, BODY, [SECRET])


def test_changed_body_is_wrong() -> None:
    assert not security.signature_matches(SIGNATURE, BODY + b" ", [SECRET])


def test_no_secret_verifies_nothing() -> None:
    empty = security.hmac_sha256_hex("", BODY)

    assert not security.signature_matches(SIGNATURE, BODY, [])
    assert not security.signature_matches(empty, BODY, [""])


@given(ANY_TEXT, st.binary())
def test_no_header_and_no_body_make_it_raise(signature: str, body: bytes) -> None:
    assert security.signature_matches(signature, body, [SECRET]) in (True, False)


@given(ANY_TEXT, ANY_TEXT)
def test_equal_is_equality(one: str, other: str) -> None:
    assert security.equal(one, other) == (one == other)


def test_empty_secret_is_never_presented() -> None:
    assert not security.equals_any("", ["", "a"])


def test_token_speaks_for_its_row_and_no_other() -> None:
    mine, other = uuid.uuid4(), uuid.uuid4()
    token = security.callback_token("key", mine)

    assert security.conversation_ref(str(mine), token, ["old", "key"]) == mine
    assert security.conversation_ref(str(mine).upper(), token, ["key"]) == mine
    assert security.conversation_ref(str(other), token, ["key"]) is None
    assert security.conversation_ref(str(mine), token, ["other key"]) is None
    assert security.conversation_ref(str(mine), token, []) is None
    assert security.conversation_ref(str(mine), token, [""]) is None
    assert security.conversation_ref(str(mine), None, ["key"]) is None
    assert security.conversation_ref(None, token, ["key"]) is None


@given(st.none() | ANY_TEXT, st.none() | ANY_TEXT)
def test_no_query_makes_it_raise(ref: str | None, token: str | None) -> None:
    assert security.conversation_ref(ref, token, ["key"]) is None


@pytest.mark.parametrize(
    ("header", "seconds", "signatures"),
    [
        ("t=123,v1=aa", "123", ("aa",)),
        ("v1=aa,t=123,v1=bb,v0=cc", "123", ("aa", "bb")),
        ("t=123456789012,v1=a=b", "123456789012", ("a=b",)),
        ("t=1234567890123,v1=aa", None, ("aa",)),
        ("t=123,t=123,v1=aa", None, ("aa",)),
        ("v1=aa", None, ("aa",)),
        ("t=,v1=aa", None, ("aa",)),
        ("t=-1,v1=aa", None, ("aa",)),
        ("t=\u0661\u0662,v1=aa", None, ("aa",)),
        ("t=\u00b2", None, ()),
        ("T=123,V1=aa", None, ()),
        ("t,v1", None, ("",)),
        ("", None, ()),
    ],
)
def test_stamped_header_is_read_as_it_stands(
    header: str, seconds: str | None, signatures: tuple[str, ...]
) -> None:
    assert security.stamped_signatures(header) == (seconds, signatures)


@pytest.mark.parametrize(
    ("seconds", "is_recent"), [(-301, False), (-300, True), (300, True), (301, False)]
)
def test_a_time_is_recent_up_to_the_tolerance_to_either_side(seconds: int, is_recent: bool) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    told = str(int(now.timestamp()) + seconds)

    assert security.is_recent(told, now, 300) is is_recent


def test_sha256_is_the_published_one() -> None:
    assert security.sha256_hex(b"abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_every_secret_is_compared_whichever_fits() -> None:
    """Who fits the first must not be told apart by the time it takes."""
    compared = []

    def secrets() -> Iterator[str]:
        for secret in ("right", "wrong"):
            compared.append(secret)
            yield secret

    assert security.equals_any("right", secrets())
    assert compared == ["right", "wrong"]
