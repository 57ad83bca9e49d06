"""attempt.py: one call, whatever comes back; a hostile receiver gets nothing but its time."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.egress import Answer, Egress, Unreachable
from services.outgoing.attempt import KEPT, Attempt, Sender
from tests.receivers import (
    Receiver,
    Reply,
    answering,
    delivery,
    hanging,
    playing,
    receiving,
    repeating,
    resetting,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATIENCE = 10.0
TIMEOUT = 0.7
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOCAL = Egress(allow_loopback=True)


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    with receiving(SECRET) as receiver:
        yield receiver


def attempt(url: str, egress: Egress = LOCAL, timeout: float = PATIENCE, **other: Any) -> Attempt:
    """Make one attempt now; it may not last longer than it is allowed to."""
    started = time.monotonic()
    made = Sender(egress=egress, timeout=timeout).send(
        delivery(url, SECRET, **other), datetime.now(UTC)
    )
    assert time.monotonic() - started < timeout + 1
    return made


def replied(receiver: Receiver, reply: Reply, **other: Any) -> Attempt:
    receiver.answer = lambda call: reply
    return attempt(receiver.url, **other)


def fake_answer(status: int, body: bytes = b"", **headers: str) -> Egress:
    """Return what gives this answer to every call."""
    egress = Egress()
    egress.request = lambda *_, **__: Answer(  # type: ignore[method-assign]
        status=status, headers=headers, body=body, duration=0.012
    )
    return egress


def test_webhook_arrives_verified_with_the_endpoints_own_headers(receiver: Receiver) -> None:
    made = attempt(receiver.url + "?a=b", headers={"X-Team": "blue"})

    [call] = receiver.calls
    assert (made.outcome, made.status, made.error) == ("delivered", 204, None)
    assert 0 < made.duration_ms < 1000 * PATIENCE
    assert (made.retry_seconds, made.gone, made.timed_out) == (None, False, False)
    assert call.path == "/hook?a=b"
    assert call.payload == {"data": {"content": "Grüße 👋"}}
    assert call.headers["x-team"] == "blue"
    assert call.headers["x-convohooks-event"] == "message.created"
    assert receiver.forged == []


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(receiver: Receiver, status: int) -> None:
    assert replied(receiver, Reply(status=status)).outcome == "delivered"


@pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 422, 429, 500, 503, 599, 999])
def test_anything_else_failed_and_is_tried_again(receiver: Receiver, status: int) -> None:
    made = replied(receiver, Reply(status=status, body=b"why"))

    assert (made.outcome, made.status, made.gone) == ("failed", status, False)
    assert made.error is not None
    assert str(status) in made.error
    assert made.retry_seconds is not None
    assert 4 <= made.retry_seconds <= 4.4


def test_last_try_is_the_last(receiver: Receiver) -> None:
    assert replied(receiver, Reply(status=500), tries=4).retry_seconds is None
    assert attempt("http://127.0.0.1:1/", tries=4).retry_seconds is None


def test_redirect_is_not_followed() -> None:
    with receiving(SECRET) as other, receiving(SECRET) as receiver:
        made = replied(receiver, Reply(status=307, headers={"Location": other.url}))
        assert other.calls == []

    assert made.outcome == "failed"
    assert made.error == "The endpoint answered 307, a redirect; none is followed."


def test_gone_is_gone(receiver: Receiver) -> None:
    made = replied(receiver, Reply(status=410, headers={"Retry-After": "5"}))

    assert (made.outcome, made.gone, made.retry_seconds) == ("failed", True, None)


@pytest.mark.parametrize("status", [302, 404, 429, 503])
def test_answer_may_ask_for_a_longer_wait(receiver: Receiver, status: int) -> None:
    asked = Reply(status=status, headers={"Retry-After": "30"})

    assert replied(receiver, asked).retry_seconds == 30


def test_date_to_wait_for_is_by_the_databases_time() -> None:
    """Neither the host's clock nor the answer tells the time of this minute."""
    busy = fake_answer(503, **{"retry-after": "Sun, 01 Mar 2026 10:00:50 GMT"})
    sender = Sender(egress=busy, timeout=PATIENCE)

    made = sender.send(
        delivery("https://example.test/", SECRET), datetime(2026, 3, 1, 10, 0, 10, tzinfo=UTC)
    )

    assert made.retry_seconds == 40


@pytest.mark.parametrize("jump", [-86400.0, 86400.0 * 365])
def test_clock_of_the_host_spoils_no_signature(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    now, real = datetime.now(UTC), time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    sender = Sender(egress=LOCAL, timeout=PATIENCE)

    made = sender.send(delivery(receiver.url, SECRET), now)

    monkeypatch.undo()
    assert made.outcome == "delivered"
    assert 0 < made.duration_ms < 1000 * PATIENCE
    assert abs(int(receiver.calls[0].headers["webhook-timestamp"]) - now.timestamp()) <= 1


@pytest.mark.parametrize(
    "play",
    [
        hanging,
        repeating(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x", every=0.1),
        repeating(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.1),
        repeating(b"HTTP/1.1 200 OK\r\n", b"X", every=0.1),
        repeating(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", every=0.1),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nok"),
    ],
    ids=["silence", "body", "chunks", "header", "interim answers", "short body kept open"],
)
def test_who_is_not_done_in_time_has_timed_out(
    play: Callable[[socket.socket], None],
) -> None:
    def kept_open(sock: socket.socket) -> None:
        play(sock)
        time.sleep(TIMEOUT + 2)

    with playing(kept_open) as url:
        made = attempt(url, timeout=TIMEOUT)

    assert (made.outcome, made.status, made.timed_out) == ("failed", None, True)
    assert made.error == "The endpoint did not answer within 0.7 seconds."
    assert made.retry_seconds is not None


@pytest.mark.parametrize(
    "play",
    [
        resetting,
        answering(b""),
        answering(b"SSH-2.0-OpenSSH_9.6\r\n"),
        answering(b"HTTP/1.1 200"),
        answering(b"HTTP/1.1 200 OK\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nX-A: 1"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsh"),
        answering(b"\x16\x03\x01\x02\x00"),
        repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        repeating(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        repeating(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 65536),
        repeating(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n"),
        repeating(b"", b"x" * 65536),
    ],
)
def test_what_is_no_answer_failed_and_is_no_timeout(play: Callable[[socket.socket], None]) -> None:
    with playing(play) as url:
        made = attempt(url)

    assert (made.outcome, made.status, made.timed_out) == ("failed", None, False)
    assert made.error
    assert made.retry_seconds is not None


@pytest.mark.parametrize(
    "play",
    [
        repeating(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        repeating(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n", b"x" * 65536),
        repeating(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 999),
        repeating(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n"
            + b"x" * 0x5000
            + b"\r\n0\r\n",
            b"X-A: 1\r\n" * 999,
        ),
    ],
    ids=["to the end", "length", "chunks", "trailers"],
)
def test_endless_answer_is_read_so_far_and_no_further(
    play: Callable[[socket.socket], None],
) -> None:
    with playing(play) as url:
        made = attempt(url)

    assert (made.outcome, made.status) == ("delivered", 200)
    assert made.response is not None
    assert set(made.response) == {"x"}
    assert len(made.response) == KEPT


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + OK,
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more than it said",
        b"HTTP/1.1 200 \r\nContent-Length: -1\r\n\r\nok",
    ],
)
def test_odd_answer_is_understood(answer: bytes) -> None:
    with playing(answering(answer)) as url:
        made = attempt(url)

    assert (made.outcome, made.status, made.response) == ("delivered", 200, "ok")


@given(st.binary(max_size=5000))
def test_any_answer_is_text_that_can_be_stored(body: bytes) -> None:
    sender = Sender(egress=fake_answer(200, body), timeout=PATIENCE)

    made = sender.send(delivery("https://example.test/", SECRET), datetime.now(UTC))

    assert made.response is not None
    assert len(made.response) <= KEPT
    assert "\0" not in made.response
    made.response.encode()


def test_character_that_is_cut_in_two_is_left_out() -> None:
    body = b"x" + "ü".encode() * KEPT
    sender = Sender(egress=fake_answer(200, body), timeout=PATIENCE)

    made = sender.send(delivery("https://example.test/", SECRET), datetime.now(UTC))

    assert made.response == "x" + "ü" * ((KEPT - 1) // 2)


def test_nobody_listens() -> None:
    made = attempt("http://127.0.0.1:1/")

    assert (made.outcome, made.status, made.timed_out) == ("failed", None, False)
    assert made.error == "127.0.0.1 takes no connection (ConnectionRefusedError)."


@pytest.mark.parametrize(
    "url", ["https://example.test/", "https://127.0.0.1/", "http://example.test/", "nonsense"]
)
def test_address_that_is_refused_is_tried_again_and_not_told(url: str) -> None:
    """The name may lead elsewhere soon."""
    inside = Egress(resolve=lambda host, port: ["10.11.12.13"])

    made = attempt(url, inside)

    assert (made.outcome, made.status) == ("failed", None)
    assert made.retry_seconds is not None
    assert made.error
    assert "10.11" not in made.error


def test_answer_by_tls_of_another_name_is_none() -> None:
    def unproven(*_: Any, **__: Any) -> Answer:
        try:
            raise ssl.SSLCertVerificationError("certificate has expired")
        except ssl.SSLError as error:
            raise Unreachable("example.test takes no connection.") from error

    egress = Egress()
    egress.request = unproven  # type: ignore[method-assign]

    assert attempt("https://example.test/", egress).outcome == "failed"


@pytest.mark.parametrize(
    "spoiled",
    [{"secrets": []}, {"secrets": ["whsec_%"]}, {"headers": None}, {"headers": {"X\n": "1"}}],
)
def test_what_cannot_be_sent_is_told_and_not_raised(
    receiver: Receiver, spoiled: dict[str, Any]
) -> None:
    made = attempt(receiver.url, **spoiled)

    assert made.outcome == "failed"
    assert made.error
    assert receiver.calls == []


def test_same_bytes_at_each_attempt(receiver: Receiver) -> None:
    for tries in (1, 2, 3):
        attempt(receiver.url, tries=tries, attempt=tries)

    assert len({call.body for call in receiver.calls}) == 1
    assert len(set(receiver.ids)) == 1


def test_two_secrets_sign_while_one_follows_the_other() -> None:
    older = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    with receiving(older) as late, receiving(SECRET) as early:
        made = [attempt(each.url, secrets=[SECRET, older]) for each in (late, early)]

    assert [each.outcome for each in made] == ["delivered", "delivered"]


def test_forged_is_what_another_secret_signed() -> None:
    """The receiver of these tests can tell."""
    with receiving("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD") as receiver:
        made = attempt(receiver.url)

    assert made.status == 401
    assert len(receiver.forged) == 1


def test_payload_travels_as_it_is(receiver: Receiver) -> None:
    payload = {"text": '\u2028</script>\\"é👋', "big": 10**40, "nested": [{"a": [None, 1.5]}]}

    attempt(receiver.url, payload=payload)

    assert json.loads(receiver.calls[0].body) == payload
