"""limits.py: who is refused, how an address counts, and what happens without counters."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock, call

import pytest
from limits.errors import StorageError
from limits.storage import Storage

from services.errors import SettingsError, TooManyRequests
from services.limits.counters import MemoryCounters, counters
from services.limits.limits import Allowance, Limit, Limits, network
from services.local.ports import HOST
from tests.redis_server import redis_server


@pytest.fixture(name="redis_url", scope="module")
def _redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(name="store", params=["memory", "redis"])
def _store(request: pytest.FixtureRequest) -> Storage:
    url = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    store = counters(url)
    store.reset()
    return store


def limits(store: Storage, failures: int = 3, events: int = 3) -> Limits:
    return Limits(failures=Limit(store, failures), events=Limit(store, events))


def test_refusal_begins_after_the_limit_and_says_until_when(store: Storage) -> None:
    counted = limits(store)

    answers = [counted.fail("192.0.2.1") for _ in range(5)]

    assert answers[:3] == [None, None, None]
    for refusal in answers[3:]:
        assert refusal is not None
        assert refusal.status == 429
        assert refusal.limit == 3
        assert 0 < refusal.retry_after <= 60


def test_addresses_and_sources_count_apart(store: Storage) -> None:
    counted = limits(store, failures=1, events=1)
    counted.fail("192.0.2.1")

    assert counted.fail("192.0.2.2") is None
    assert counted.admit("tavus") is None
    assert counted.admit("192.0.2.1") is None
    assert counted.fail("192.0.2.1") is not None
    assert counted.admit("tavus") is not None


def test_invalid_tokens_are_refused_before_they_are_looked_at(store: Storage) -> None:
    counted = limits(store, failures=2)
    for _ in range(2):
        assert counted.fail_token("192.0.2.1") is None
        counted.refuse_token("192.0.2.1")

    refused = counted.fail_token("192.0.2.1")
    with pytest.raises(TooManyRequests) as raised:
        counted.refuse_token("192.0.2.1")

    assert refused is not None
    for refusal in (refused, raised.value):
        assert refusal.detail == "Too many calls from this address were not authentic."
        assert refusal.limit == 2
    counted.refuse_token("192.0.2.2")
    assert counted.fail("192.0.2.1") is None


def test_counters_of_this_process_keep_apart_and_forget_as_redis_does(store: Storage) -> None:
    for name in ("ada", "ada", "grace"):
        store.incr(name, 60)

    counted = [store.get("ada"), store.get("grace"), store.get("nobody")]
    store.clear("ada")
    store.clear("nobody")

    assert counted == [2, 1, 0]
    assert [store.get("ada"), store.get("grace")] == [0, 1]
    assert store.incr("ada", 60) == 1
    assert store.check()


def test_zero_is_no_limit(store: Storage) -> None:
    counted = limits(store, failures=0, events=0)

    assert not any(counted.fail("192.0.2.1") or counted.admit("tavus") for _ in range(1000))


def test_counting_starts_anew_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    counted = limits(counters("memory://"), failures=1)
    counted.fail("192.0.2.1")
    refused = counted.fail("192.0.2.1")

    now += 61

    assert refused is not None
    assert refused.retry_after == 60
    assert counted.fail("192.0.2.1") is None


def test_who_is_admitted_is_told_what_is_left_and_until_when(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    limit = Limit(counters("memory://"), 2)

    told = [limit.spend("too many", "ada"), limit.spend("too many", "grace")]
    now += 20.5
    told += [limit.spend("too many", "ada")]
    with pytest.raises(TooManyRequests, match="too many") as refused:
        limit.spend("too many", "ada")
    now += 40
    told += [limit.spend("too many", "ada")]

    assert told == [
        Allowance(limit=2, remaining=1, reset=60),
        Allowance(limit=2, remaining=1, reset=60),
        Allowance(limit=2, remaining=0, reset=40),
        Allowance(limit=2, remaining=1, reset=60),
    ]
    assert (refused.value.limit, refused.value.retry_after) == (2, 40)


def test_redis_tells_what_is_left_too(redis_url: str) -> None:
    counters(redis_url).reset()
    limit = Limit(counters(redis_url), 3)

    told = [limit.spend("too many", "ada") for _ in range(3)]

    assert [allowance and allowance.remaining for allowance in told] == [2, 1, 0]
    assert all(allowance and 0 < allowance.reset <= 60 for allowance in told)


def test_without_a_limit_or_its_counters_nothing_is_told() -> None:
    assert Limit(counters("memory://"), 0).spend("too many", "ada") is None
    assert Limit(Shaky(), 1).spend("too many", "ada") is None


def test_two_processes_share_what_redis_counts(redis_url: str) -> None:
    counters(redis_url).reset()
    one, other = limits(counters(redis_url)), limits(counters(redis_url))

    answers = [counted.fail("192.0.2.9") for counted in (one, other, one, other)]

    assert [answer is None for answer in answers] == [True, True, True, False]


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:4711", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("unknown", "unknown"),
        ("[", "unknown"),
        ("[::1", "unknown"),
        (":", "unknown"),
        ("192.0.2.1:port:more", "unknown"),
        ("\x00" * 5000, "unknown"),
        ("é", "unknown"),
    ],
)
def test_address_counts_as(address: str, counts_as: str) -> None:
    assert network(address) == counts_as


def test_memory_forgets_the_oldest_of_too_many() -> None:
    counted = limits(MemoryCounters(size=100), failures=1)
    for n in range(256):
        counted.fail(f"192.0.2.{n}")

    assert counted.fail("192.0.2.255") is not None
    assert counted.fail("192.0.2.0") is None


class Shaky(MemoryCounters):
    """Counters that are away at times; they say how often somebody asked them."""

    STORAGE_SCHEME = None
    is_away = True
    asked = 0
    asked_until_when = 0

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        self.asked += 1
        self.names.append(key)
        if self.is_away:
            raise StorageError(ConnectionError("refused"))
        return super().incr(key, expiry, amount)

    def get_expiry(self, key: str) -> float:
        self.asked_until_when += 1
        return super().get_expiry(key)


def test_counters_are_asked_until_when_only_where_somebody_is_told() -> None:
    """They may be far."""
    shaky = Shaky()
    shaky.is_away = False
    limit = Limit(shaky, 2)

    assert [limit.count("too many", "ada") for _ in range(2)] == [None, None]
    assert shaky.asked_until_when == 0
    assert limit.count("too many", "ada") is not None
    assert shaky.asked_until_when == 1


@pytest.mark.parametrize(("left", "told"), [(-1.0, 1), (0.0, 1), (0.5, 1), (1.5, 2)])
def test_nobody_is_told_to_wait_no_time(
    monkeypatch: pytest.MonkeyPatch, left: float, told: int
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    store = MemoryCounters()
    monkeypatch.setattr(store, "get_expiry", lambda _: now + left)

    allowed = Limit(store, 1).spend("too many", "ada")

    assert allowed == Allowance(limit=1, remaining=0, reset=told)


def test_nobody_is_refused_while_the_counters_are_away_and_they_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    log = Mock()
    monkeypatch.setattr("services.limits.limits.log", log)
    shaky = Shaky()
    limit = Limit(shaky, 1, clock=lambda: now)

    assert not any(limit.count("too many", "key") for _ in range(50))
    assert shaky.asked == 1
    assert log.method_calls == [call.warning("limits off", reason="refused")]

    now += 6
    assert not any(limit.count("too many", "key") for _ in range(50))
    assert shaky.asked == 2

    shaky.is_away = False
    now += 6
    assert limit.count("too many", "key") is None
    assert limit.count("too many", "key") is not None
    assert log.method_calls == [
        call.warning("limits off", reason="refused"), call.info("limits on")
    ]  # fmt: skip


def test_counters_are_tried_again_after_their_pause_by_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    shaky = Shaky()
    limit = Limit(shaky, 1, clock=lambda: now)
    incr, tried = shaky.incr, []

    def while_others_come(key: str, expiry: float, amount: int = 1) -> int:
        tried.append(key)
        if len(tried) < 3:
            limit.count("too many", "another")
        return incr(key, expiry, amount)

    limit.count("too many", "key")
    monkeypatch.setattr(shaky, "incr", while_others_come)
    now = 4.9
    limit.count("too many", "key")
    assert tried == []

    now = 5.0
    limit.count("too many", "key")
    assert len(tried) == 1


def test_redis_that_does_not_answer_delays_one_call_a_little(redis_url: str) -> None:
    with socket.create_server((HOST, 0)) as mute:
        url = f"redis://{HOST}:{mute.getsockname()[1]}"
        counted = limits(counters(url), failures=1)

        started = time.monotonic()
        answers = [counted.fail("192.0.2.1") for _ in range(20)]

        assert answers == [None] * 20
        assert time.monotonic() - started < 3


def test_redis_that_was_killed_refuses_nobody(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        counted = limits(counters(server.url), failures=1)
        counted.fail("192.0.2.1")
        assert counted.fail("192.0.2.1") is not None

        server.kill()

        assert counted.fail("192.0.2.1") is None


@pytest.mark.parametrize("options", ["?nonsense=1", "?socket_timeout=x"])
def test_unknown_option_is_named_at_start_without_the_password(options: str) -> None:
    with pytest.raises(SettingsError, match="RATE_LIMIT_STORAGE_URL") as raised:
        counters(f"redis://:hush@127.0.0.1:6379/0{options}")

    assert "hush" not in str(raised.value)


def test_refusals_say_what_there_was_too_much_of() -> None:
    counted = limits(counters("memory://"), failures=1, events=1)
    for _ in range(2):
        failed, admitted = counted.fail("192.0.2.1"), counted.admit("tavus")

    assert failed is not None
    assert failed.detail == "Too many calls from this address were not authentic."
    assert admitted is not None
    assert admitted.detail == (
        "tavus sends more events a minute than it may; send this one again later."
    )
    with pytest.raises(TooManyRequests) as refused:
        list(map(Limit(counters("memory://"), 1).spend, ["One a minute."] * 2))
    assert refused.value.detail == "One a minute."


def test_processes_of_two_versions_count_under_the_same_names() -> None:
    """While a new version is rolled out, both are there."""
    shaky = Shaky()
    shaky.is_away = False
    counted = limits(shaky)

    counted.fail("2001:db8::1")
    counted.fail_token("192.0.2.1")
    counted.refuse_token("192.0.2.1")
    counted.admit("tavus")

    assert shaky.names == [
        "limits/failures/2001:db8::/64/3/1/minute",
        "limits/tokens/192.0.2.1/3/1/minute",
        "limits/tokens/192.0.2.1/3/1/minute",
        "limits/events/tavus/3/1/minute",
    ]
