"""Recordings: copied to Storage once, in a stream, whatever happens; the address follows."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.chores.recordings import WAITS, Recordings, storage_path
from services.chores.storage import Storage
from services.database import Database
from services.egress import Egress
from services.errors import Unavailable
from services.local.stack import LocalStack
from services.settings import load_settings
from services.wiring.worker import wire_worker
from tests.certificate import make_certificate
from tests.database.events import make_conversation, new_conversation_id, receive, rows
from tests.database.test_any_order import row
from tests.storage_fake import FakeStorage, fake_storage, too_large

BUCKET = "recordings"
URL = "https://example.test/c1/video.mp4?X-Signature=abc"


@dataclass(slots=True)
class Source:
    """Where recordings are fetched: a TLS server of the made-up name."""

    egress: Egress
    content_type: str = "video/mp4"
    status: int = 200
    size: int = 1_000_000
    told_size: int | None = None
    chunked: bool = False
    more: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    halfway: Callable[[], None] = lambda: None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(b"r" * self.size).hexdigest()


class _Recording(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    source: Source

    def do_GET(self) -> None:
        source = self.source
        source.requests.append(self.path)
        self.send_response(source.status)
        self.send_header("Content-Type", source.content_type)
        for name, value in source.more.items():
            self.send_header(name, value)
        length = source.size if source.told_size is None else source.told_size
        framing = ("Transfer-Encoding", "chunked") if source.chunked else ("Content-Length", length)
        self.send_header(framing[0], str(framing[1]))
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            left = source.size
            while left > 0:
                part = b"r" * min(left, 65536)
                if left <= source.size // 2 < left + 65536:
                    source.halfway()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if source.chunked else part)
                left -= len(part)
            if source.chunked:
                self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Keep the tests' output readable."""


class _Tls(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Some callers hang up."""


@contextmanager
def serving(certificate: Path) -> Iterator[Source]:
    server = _Tls(("127.0.0.1", 0), _Recording)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    source = Source(
        Egress(
            resolve=lambda host, port: ["1.1.1.1"],
            dial=lambda address, port, seconds: socket.create_connection(
                ("127.0.0.1", server.server_port), seconds
            ),
            tls=ssl.create_default_context(cafile=str(certificate)),
        )
    )
    server.RequestHandlerClass = type("Handler", (_Recording,), {"source": source})
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield source
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> Iterator[Source]:
    with serving(make_certificate(tmp_path, "example.test")) as source:
        yield source


@pytest.fixture(name="storage")
def _storage(stack: LocalStack) -> Iterator[FakeStorage]:
    key = load_settings(stack.env()).supabase_secret_key
    with fake_storage(key, BUCKET) as storage:
        yield storage


@pytest.fixture(name="make")
def _make(
    stack: LocalStack, source: Source, storage: FakeStorage
) -> Iterator[Callable[..., Recordings]]:
    settings = load_settings(stack.env())
    made: list[Database | Storage] = []

    def make(**overrides: Any) -> Recordings:
        database = Database(settings)
        uploads = Storage(replace(settings, supabase_url=storage.url))
        made.extend([database, uploads])
        wanted: dict[str, Any] = {
            "database": database,
            "egress": source.egress,
            "storage": uploads,
            "bucket": BUCKET,
            "max_bytes": 10_000_000,
            **overrides,
        }
        return Recordings(**wanted)

    yield make
    for client in made:
        client.close()


@pytest.fixture(autouse=True)
def _nothing_due(db: psycopg.Connection) -> None:
    """Take away what other tests left to be copied."""
    db.execute("delete from private.recording_copies")


def ready(url: str = URL, at: str = "2026-03-01T06:55:18Z") -> dict[str, Any]:
    return {
        "event_type": "application.recording_ready",
        "timestamp": at,
        "properties": {"storage_uri": url},
    }


class Call:
    """A conversation whose recording is told."""

    def __init__(self, db: psycopg.Connection, *events: dict[str, Any]) -> None:
        self.db = db
        self.id = new_conversation_id()
        self.ref = make_conversation(db, self.id)
        self.receive(*(events or (ready(),)))

    def receive(self, *events: dict[str, Any]) -> None:
        receive(self.db, *(row(self.id, event) for event in events))

    @property
    def recording_url(self) -> str:
        [found] = rows(
            self.db,
            "select recording_url from public.conversations where conversation_id = %s",
            self.id,
        )
        return str(found["recording_url"])

    @property
    def copies(self) -> list[dict[str, Any]]:
        return rows(
            self.db,
            "select *, extract(epoch from due_at - now()) as wait from private.recording_copies"
            " where conversation_id = %s order by created_at",
            self.id,
        )

    def told(self) -> list[dict[str, Any]]:
        return rows(
            self.db,
            "select event_data from public.processed_webhook_events where conversation_id = %s"
            " and event_type = 'recording_copied'",
            self.id,
        )


@pytest.mark.parametrize("chunked", [False, True])
def test_recording_is_copied_and_its_address_follows(
    db: psycopg.Connection,
    make: Callable[..., Recordings],
    source: Source,
    storage: FakeStorage,
    chunked: bool,
) -> None:
    source.chunked = chunked
    call = Call(db)
    assert call.recording_url == URL

    assert make().work()

    path = storage_path(call.ref, URL, "video/mp4")
    assert path.startswith(f"{call.ref}/")
    assert path.endswith(".mp4")
    copied = f"{storage.url}/storage/v1/object/authenticated/{BUCKET}/{path}"
    assert call.recording_url == copied
    stored = storage.files[f"{BUCKET}/{path}"]
    assert (stored.size, stored.sha256, stored.content_type) == (
        source.size,
        source.sha256,
        "video/mp4",
    )
    assert call.told() == [{"event_data": {"recording_url": copied}}]
    assert source.requests == ["/c1/video.mp4?X-Signature=abc"]
    assert not make().work()


def test_repeat_and_replay_of_the_event_change_nothing(
    db: psycopg.Connection, make: Callable[..., Recordings], storage: FakeStorage
) -> None:
    call = Call(db)
    make().work()
    copied = call.recording_url

    call.receive(ready())
    [stored] = rows(db, "select id from private.webhook_inbox where conversation_id = %s", call.id)
    replayed = row(call.id, ready())
    db.execute(
        "select private.apply_effects(%s, %s, %s, %s, true)",
        [
            call.id,
            replayed["event_key"],
            replayed["event_type"],
            psycopg.types.json.Jsonb(replayed["effects"]),
        ],
    )

    assert stored
    assert call.recording_url == copied
    assert not make().work()
    assert storage.uploads == 1


def test_newly_signed_address_is_copied_to_the_same_place(
    db: psycopg.Connection, make: Callable[..., Recordings], storage: FakeStorage
) -> None:
    call = Call(db)
    make().work()
    copied = call.recording_url

    call.receive(ready(URL.replace("abc", "def"), "2026-03-01T07:55:18Z"))
    make().work()

    assert call.recording_url == copied
    assert len(storage.files) == 1


def test_copy_of_an_older_recording_does_not_replace_a_newer_address(
    db: psycopg.Connection, make: Callable[..., Recordings]
) -> None:
    call = Call(db)
    newer = "s3://bucket/newer.mp4"
    call.receive(ready(newer, "2026-03-01T07:55:18Z"))

    make().work()

    assert call.recording_url == newer
    assert call.copies[0]["state"] == "copied"
    assert call.told() == []


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/c1/video.mp4",
        "gs://bucket/c1/video.mp4",
        "azure://container/c1/video.mp4",
        "http://example.test/video.mp4",
        "https://example.test/" + "a" * 2000,
    ],
)
def test_other_addresses_are_kept_as_they_are(
    db: psycopg.Connection, make: Callable[..., Recordings], url: str
) -> None:
    call = Call(db, ready(url))

    assert not make().work()
    assert (call.recording_url, call.copies) == (url, [])


def test_bucket_and_key_are_kept_as_they_are(db: psycopg.Connection) -> None:
    told = {"bucket_name": "b", "s3_key": "c1/1.mp4", "duration": 14}
    call = Call(db, {"event_type": "application.recording_ready", "properties": told})

    assert (call.recording_url, call.copies) == ("s3://b/c1/1.mp4", [])


def test_recording_of_a_conversation_not_known_yet_is_copied_once_it_is(
    db: psycopg.Connection, make: Callable[..., Recordings], storage: FakeStorage
) -> None:
    conversation = new_conversation_id()
    receive(db, row(conversation, ready()))
    assert not make().work()

    make_conversation(db, conversation)

    assert make().work()
    assert len(storage.files) == 1


@pytest.mark.parametrize(
    ("content_type", "suffix"),
    [
        ("audio/mpeg", ".mp3"),
        ("VIDEO/WebM; codecs=vp9", ".webm"),
        ("video/unheard-of", ".mp4"),
        ("application/octet-stream", ".mp4"),
    ],
)
def test_type_is_kept(
    db: psycopg.Connection,
    make: Callable[..., Recordings],
    source: Source,
    storage: FakeStorage,
    content_type: str,
    suffix: str,
) -> None:
    source.content_type = content_type
    Call(db)

    make().work()

    [(path, stored)] = storage.files.items()
    assert path.endswith(suffix)
    assert stored.content_type == content_type.partition(";")[0].lower()


@pytest.mark.parametrize(
    "change",
    [
        {"content_type": "text/html"},
        {"content_type": "image/png"},
        {"content_type": ""},
        {"status": 403},
        {"status": 302},
        {"status": 206},
        {"size": 10_000_001},
        {"size": 10_000_001, "chunked": True},
        {"more": {"Content-Encoding": "gzip"}},
    ],
    ids=str,
)
def test_what_never_can_be_copied_is_given_up_and_the_address_kept(
    db: psycopg.Connection,
    make: Callable[..., Recordings],
    source: Source,
    storage: FakeStorage,
    change: dict[str, Any],
) -> None:
    for name, value in change.items():
        setattr(source, name, value)
    call = Call(db)

    assert make().work()

    [copy] = call.copies
    assert (copy["state"], call.recording_url) == ("given up", URL)
    assert copy["last_error"]
    assert storage.files == {}
    assert not make().work()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/video.mp4",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/video.mp4",
        "https://user@example.test/video.mp4",
        "https://2130706433/video.mp4",
        "https://[x/video.mp4",
    ],
)
def test_address_inside_is_never_called(
    db: psycopg.Connection, make: Callable[..., Recordings], source: Source, url: str
) -> None:
    call = Call(db, ready(url))

    make(egress=Egress(), twilio="AC1:token-for-tests").work()

    assert [copy["state"] for copy in call.copies] == ["given up"]
    assert source.requests == []


@pytest.mark.parametrize("change", [{"status": 404}, {"status": 503}, {"told_size": 1_000_001}])
def test_source_in_trouble_is_tried_again_and_then_given_up(
    db: psycopg.Connection,
    make: Callable[..., Recordings],
    source: Source,
    storage: FakeStorage,
    change: dict[str, Any],
) -> None:
    for name, value in change.items():
        setattr(source, name, value)
    call = Call(db)
    waits = []
    while make().work():
        [copy] = call.copies
        if copy["state"] == "waiting":
            waits.append(round(copy["wait"]))
            assert not make().work()
        db.execute("update private.recording_copies set due_at = now()")

    assert [abs(found - wait) < 10 for found, wait in zip(waits, WAITS, strict=True)]
    assert (call.copies[0]["state"], call.recording_url) == ("given up", URL)
    assert storage.files == {}
    assert len(source.requests) == len(WAITS) + 1


def test_storage_in_trouble_is_tried_again(
    db: psycopg.Connection, make: Callable[..., Recordings], storage: FakeStorage
) -> None:
    storage.refusals[:] = [(503, {}), (400, {"statusCode": "404", "error": "Bucket not found"})]
    call = Call(db)
    for _ in range(3):
        make().work()
        db.execute("update private.recording_copies set due_at = now()")

    assert call.copies[0]["state"] == "copied"
    assert call.recording_url.startswith(storage.url)


def test_answer_of_storage_that_is_lost_does_no_harm(
    db: psycopg.Connection, make: Callable[..., Recordings], storage: FakeStorage
) -> None:
    storage.refusals[:] = [None]
    call = Call(db)

    make().work()
    assert (len(storage.files), call.recording_url) == (1, URL)
    db.execute("update private.recording_copies set due_at = now()")
    make().work()

    assert len(storage.files) == 1
    assert call.recording_url.startswith(storage.url)


def test_file_too_large_for_the_project_is_given_up(
    db: psycopg.Connection, make: Callable[..., Recordings], storage: FakeStorage
) -> None:
    storage.refusals[:] = [too_large()]
    call = Call(db)

    make().work()

    assert call.copies[0]["state"] == "given up"


def test_body_that_breaks_off_is_not_stored(
    db: psycopg.Connection,
    make: Callable[..., Recordings],
    source: Source,
    storage: FakeStorage,
) -> None:
    source.told_size = source.size + 1
    Call(db)

    make().work()

    assert (storage.files, storage.broken_off) == ({}, 1)


def test_recording_is_never_held_in_memory(
    db: psycopg.Connection, make: Callable[..., Recordings], source: Source, storage: FakeStorage
) -> None:
    source.size = 100_000_000
    call = Call(db)
    recordings = make(max_bytes=200_000_000)
    tracemalloc.start()
    try:
        recordings.work()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert call.copies[0]["state"] == "copied"
    assert next(iter(storage.files.values())).size == 100_000_000
    assert most < 8_000_000


def test_several_workers_copy_once(
    db: psycopg.Connection, make: Callable[..., Recordings], storage: FakeStorage
) -> None:
    calls = [Call(db) for _ in range(10)]

    def work(recordings: Recordings) -> None:
        while recordings.work():
            pass

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, make()) for _ in range(4)]:
            done.result()

    assert storage.uploads == 10
    assert all(call.recording_url.startswith(storage.url) for call in calls)


def test_lease_is_kept_while_a_copy_takes_its_time(
    db: psycopg.Connection, make: Callable[..., Recordings], source: Source
) -> None:
    """With a clock that runs, each chunk extends; the source asks others for the job halfway."""
    call, seen = Call(db), []
    ticks = count(0, 1000)
    source.halfway = lambda: seen.append(call.copies[0]["wait"])
    db.execute("update private.recording_copies set due_at = now() - interval '1 hour'")

    make(lease=5.0, clock=lambda: float(next(ticks))).work()

    assert call.copies[0]["state"] == "copied"
    assert seen[0] > 0


@pytest.mark.parametrize("step", [0, 1000], ids=["told at the end", "told on the way"])
def test_who_lost_the_lease_changes_nothing(
    db: psycopg.Connection,
    make: Callable[..., Recordings],
    source: Source,
    storage: FakeStorage,
    step: int,
) -> None:
    call = Call(db)
    source.halfway = lambda: db.execute(
        "update private.recording_copies set claim_id = %s, due_at = now() + interval '1 hour'",
        [uuid.uuid4()],
    )
    ticks = count(0, step)

    assert make(clock=lambda: float(next(ticks))).work()
    assert (call.recording_url, call.copies[0]["state"]) == (URL, "waiting")

    source.halfway = lambda: None
    db.execute("update private.recording_copies set due_at = now()")
    make().work()
    assert call.recording_url.startswith(storage.url)


def test_copy_that_kills_its_worker_is_given_up(
    db: psycopg.Connection, make: Callable[..., Recordings], source: Source
) -> None:
    call = Call(db)
    db.execute("update private.recording_copies set tries = %s", [len(WAITS) + 1])

    make().work()

    assert (call.copies[0]["state"], source.requests) == ("given up", [])


def test_storage_that_cannot_be_reached_is_tried_again(
    db: psycopg.Connection, make: Callable[..., Recordings], stack: LocalStack
) -> None:
    nowhere = Storage(replace(load_settings(stack.env()), supabase_url="http://127.0.0.1:9"))
    with pytest.raises(Unavailable):
        nowhere.upload(BUCKET, "a", iter([b"x"]), "video/mp4", None)
    call = Call(db)

    make(storage=nowhere).work()

    nowhere.close()
    assert (call.copies[0]["state"], call.recording_url) == ("waiting", URL)


def test_worker_copies_only_into_a_bucket(stack: LocalStack) -> None:
    def chores(**env: str) -> set[str]:
        return {chore.name for chore in wire_worker(load_settings({**stack.env(), **env})).chores}

    assert "recordings" not in chores()
    assert "recordings" in chores(RECORDINGS_BUCKET=BUCKET)
    assert "reconciler" not in chores()
    assert "reconciler" in chores(TAVUS_API_KEY="key")
