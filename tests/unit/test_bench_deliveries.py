"""The benchmark's receiver notes what arrives, and its count of deliveries misses nothing."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from bench.customers import Delivery, require_each_once, wait_until
from bench.deliveries import require_retries
from bench.ledger import MismatchError
from bench.sink import Arrival, Kind, Sink, sink


@pytest.fixture(name="at", scope="module")
def _at() -> Iterator[Sink]:
    with sink() as at:
        yield at


@pytest.fixture(name="name")
def _name() -> str:
    return secrets.token_hex(4)


def post(url: str, webhook_id: str) -> int:
    headers = {"webhook-id": webhook_id, "Connection": "close"}
    return httpx.post(url, headers=headers, content=b"{}" * 5000, trust_env=False).status_code


@pytest.mark.parametrize(("kind", "status"), [("quick", 204), ("failing", 500)])
def test_an_endpoint_works_once_then_as_its_kind_does_and_notes_each_arrival(
    at: Sink, name: str, kind: Kind, status: int
) -> None:
    before = time.monotonic()
    answers = [post(at.endpoint(kind, name), f"msg_{n}") for n in range(3)]
    after = time.monotonic()

    arrivals = at.arrivals()

    assert answers == [204, status, status]
    assert [(each.webhook_id, each.kind) for each in arrivals] == [
        (f"msg_{n}", kind) for n in range(3)
    ]
    assert all(before <= each.at <= after for each in arrivals)
    assert at.arrivals() == []


def test_an_endpoint_that_hangs_does_not_answer_until_it_hangs_up(at: Sink, name: str) -> None:
    url = at.endpoint("hanging", name)
    post(url, "msg_1")
    ended: list[type[Exception]] = []

    def call() -> None:
        try:
            post(url, "msg_2")
        except httpx.TransportError as error:
            ended.append(type(error))

    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: at.waiting() == 1, "the caller")
    assert caller.is_alive()
    at.release()
    caller.join(10)

    assert len(ended) == 1
    assert [each.webhook_id for each in at.arrivals()] == ["msg_1", "msg_2"]
    assert at.waiting() == 0


def test_a_request_has_arrived_when_the_last_of_it_has(at: Sink) -> None:
    where = urlsplit(at.url)
    request = b"POST /quick/a HTTP/1.1\r\nWebhook-Id: msg_1\r\nContent-Length: 4\r\n\r\n1234"
    with socket.create_connection((str(where.hostname), int(where.port or 0))) as caller:
        for piece in (request[:30], request[30:-1]):
            caller.sendall(piece)
            time.sleep(0.02)
            assert at.arrivals() == []
        caller.sendall(request[-1:])

        assert caller.recv(100).startswith(b"HTTP/1.1 204")
    assert [each.webhook_id for each in at.arrivals()] == ["msg_1"]


def told(message: str, webhook_id: str, state: str = "delivered") -> Delivery:
    return Delivery(message=message, webhook_id=webhook_id, state=state)


def arrived(*webhook_ids: str, kind: str = "quick") -> list[Arrival]:
    return [Arrival(1.0, webhook_id, kind) for webhook_id in webhook_ids]


BOTH = [told("m1", "a"), told("m2", "b")]


def test_each_message_delivered_and_arrived_is_as_it_should_be() -> None:
    require_each_once(["m1", "m2"], BOTH, arrived("b", "a"))


@pytest.mark.parametrize(
    ("deliveries", "arrivals"),
    [
        (BOTH[:1], arrived("a")),
        (BOTH, arrived("a")),
        (BOTH, arrived("a", "b", "b")),
        (BOTH, arrived("a", "c")),
        ([*BOTH, told("m2", "c")], arrived("a", "b", "c")),
        ([*BOTH, told("m3", "c")], arrived("a", "b", "c")),
        ([*BOTH, told("m2", "c", "failed")], arrived("a", "b")),
        ([BOTH[0], told("m2", "b", "waiting")], arrived("a", "b")),
        ([BOTH[0], told("m2", "a")], arrived("a", "a")),
    ],
    ids=[
        "never queued",
        "never arrived",
        "arrived twice",
        "another arrived",
        "queued twice",
        "never said",
        "queued twice, once in vain",
        "not written down",
        "one id for two",
    ],
)
def test_a_run_fails_when_a_delivery_is_lost_or_doubled(
    deliveries: list[Delivery], arrivals: list[Arrival]
) -> None:
    with pytest.raises(MismatchError, match="2 messages"):
        require_each_once(["m1", "m2"], deliveries, arrivals)


def test_a_run_fails_when_nothing_is_tried_again() -> None:
    failed = arrived("a", "b", kind="failing")
    require_retries(failed, arrived("b", "c", kind="failing"))

    with pytest.raises(MismatchError, match="tried again"):
        require_retries(failed, arrived("c", kind="failing"))
