"""Recordings of phone calls: copied once, and Twilio's key is shown to Twilio's API alone."""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest

from services.chores.recordings import Recordings
from services.chores.storage import Storage
from services.database import Database
from services.effects import Effects, record, to_json
from services.egress import Stream
from services.local.stack import LocalStack
from services.settings import load_settings
from services.wiring.chores import wire_recordings
from tests.database.events import event, receive, rows
from tests.storage_fake import FakeStorage, fake_storage

BUCKET = "recordings"
KEY = "AC00000000000000000000000000000001:token-for-tests"
BASIC = "Basic " + b64encode(KEY.encode()).decode()
URL = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1"


@dataclass
class FakeEgress:
    """Answers from a table of addresses, and remembers what it was shown."""

    answers: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Mapping[str, str], timeout: float, max_bytes: int
    ) -> Iterator[Stream]:
        self.asked.append((url, headers.get("Authorization")))
        status, told = self.answers.get(url, (200, {"content-type": "audio/x-wav"}))
        yield Stream(status=status, headers=told, chunks=iter([b"RIFF"]))


@pytest.fixture(name="storage")
def _storage(stack: LocalStack) -> Iterator[FakeStorage]:
    key = load_settings(stack.env()).supabase_secret_key
    with fake_storage(key, BUCKET) as storage:
        yield storage


@pytest.fixture(name="egress")
def _egress() -> FakeEgress:
    return FakeEgress()


@pytest.fixture(name="recordings")
def _recordings(
    stack: LocalStack, storage: FakeStorage, egress: FakeEgress, db: psycopg.Connection
) -> Iterator[Recordings]:
    db.execute("delete from private.recording_copies")
    sid, _, token = KEY.partition(":")
    twilio = {"TWILIO_ACCOUNT_SID": sid, "TWILIO_AUTH_TOKEN": f"{token},older-token"}
    settings = load_settings({**stack.env(), **twilio})
    database, uploads = Database(settings), Storage(replace(settings, supabase_url=storage.url))
    egress_for: Any = egress
    yield replace(wire_recordings(settings, database, BUCKET), egress=egress_for, storage=uploads)
    database.close()
    uploads.close()


def tell(db: psycopg.Connection, sid: str, url: str = URL, status: str = "completed") -> None:
    told = record(
        "call_recordings", 1, key={"recording_sid": sid}, status=status, recording_url=url
    )
    effects = to_json(Effects(records=(told,)))
    receive(db, event(None, "recording", event_key=f"{sid}:{status}", effects=effects))


def new_sid() -> str:
    return f"RE{uuid.uuid4().hex}"


def storage_path(db: psycopg.Connection, sid: str) -> str | None:
    [found] = rows(
        db, "select id, storage_path from public.call_recordings where recording_sid = %s", sid
    )
    path: str | None = found["storage_path"]
    if path is not None:
        assert str(found["id"]) in path
    return path


def test_a_recording_is_copied_once_with_twilios_key(
    db: psycopg.Connection, recordings: Recordings, egress: FakeEgress
) -> None:
    sid = new_sid()
    tell(db, sid)
    assert recordings.work()
    path = storage_path(db, sid)
    assert path is not None
    assert path.endswith(".wav")

    tell(db, sid)
    assert not recordings.work()
    assert egress.asked == [(URL, BASIC)]


def test_one_in_progress_is_not_copied_yet(db: psycopg.Connection, recordings: Recordings) -> None:
    sid = new_sid()
    tell(db, sid, status="in-progress")
    assert not recordings.work()
    assert storage_path(db, sid) is None


def test_the_key_does_not_follow_a_redirect(
    db: psycopg.Connection, recordings: Recordings, egress: FakeEgress
) -> None:
    sid, target = new_sid(), "https://media.example.test/RE1.wav"
    egress.answers[URL] = (307, {"location": target})
    tell(db, sid)
    assert recordings.work()
    assert egress.asked == [(URL, BASIC), (target, None)]
    assert storage_path(db, sid) is not None


@pytest.mark.parametrize(
    ("url", "is_twilio"),
    [
        (URL, True),
        ("https://api.dublin.ie1.twilio.com/RE1", True),
        ("https://api.ie1.twilio.com/RE1", True),
        ("https://API.TWILIO.COM/RE1", True),
        ("https://api.twilio.com.example.test/RE1", False),
        ("https://api-twilio.com/RE1", False),
        ("https://evil.twilio.com/RE1", False),
        ("https://apitwilio.com/RE1", False),
        ("https://api.twilio.com:8443/RE1", False),
        ("https://api.twilio.com@example.test/RE1", False),
        ("https://example.test/api.twilio.com", False),
        ("https://example.test/?https://api.twilio.com", False),
        ("https://api.a.b.c.twilio.com/RE1", False),
    ],
)
def test_only_twilios_api_is_shown_the_key(
    db: psycopg.Connection, recordings: Recordings, egress: FakeEgress, url: str, is_twilio: bool
) -> None:
    tell(db, new_sid(), url)
    assert recordings.work()
    assert egress.asked[0] == (url, BASIC if is_twilio else None)


def test_a_stranger_that_redirects_is_not_followed(
    db: psycopg.Connection, recordings: Recordings, egress: FakeEgress
) -> None:
    sid, url = new_sid(), "https://example.test/RE1"
    egress.answers[url] = (302, {"location": URL})
    tell(db, sid, url)
    assert recordings.work()
    assert egress.asked == [(url, None)]
    assert storage_path(db, sid) is None


def test_a_redirect_to_no_address_is_given_up(
    db: psycopg.Connection, recordings: Recordings, egress: FakeEgress
) -> None:
    sid = new_sid()
    egress.answers[URL] = (302, {"location": "https://[x"})
    tell(db, sid)

    assert recordings.work()

    [copy] = rows(db, "select state, last_error from private.recording_copies")
    assert copy == {"state": "given up", "last_error": "The address sends on to one that is none."}


def test_a_size_of_too_many_digits_is_none(
    db: psycopg.Connection, recordings: Recordings, egress: FakeEgress
) -> None:
    sid = new_sid()
    egress.answers[URL] = (200, {"content-type": "audio/x-wav", "content-length": "4" * 5000})
    tell(db, sid)

    assert recordings.work()

    assert storage_path(db, sid) is not None
