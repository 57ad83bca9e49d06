"""A small Supabase Storage for the tests, since the local stack has none: uploads, lists, removals.

Its answers have the shapes of Storage's: an error is told as 400 with the true status in the body.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

OBJECT = "/storage/v1/object/"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file: what it weighs rather than what it is, for it may be large."""

    size: int
    sha256: str
    content_type: str


@dataclass(slots=True)
class FakeStorage:
    """The files by `bucket/path`; `refusals` are answers for the next uploads, in their order."""

    url: str
    key: str
    buckets: frozenset[str]
    files: dict[str, Stored] = field(default_factory=dict)
    refusals: list[tuple[int, Any] | None] = field(default_factory=list)
    """Bytes are told as they are, else JSON; None closes the connection after the upload."""
    keeps: bool = False
    """Whether it says yes to a removal, and removes nothing."""
    uploads: int = 0
    broken_off: int = 0
    begun: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body after its headers waits 40 ms else
    storage: FakeStorage

    def do_POST(self) -> None:
        if self.path.startswith(f"{OBJECT}list/"):
            self._list(unquote(self.path.removeprefix(f"{OBJECT}list/")))
            return
        storage = self.storage
        storage.uploads += 1
        storage.begun.set()
        size, digest = 0, hashlib.sha256()
        try:
            for chunk in self._chunks():
                size += len(chunk)
                digest.update(chunk)
        except (OSError, ValueError):
            storage.broken_off += 1
            self.close_connection = True
            return
        path = unquote(self.path.removeprefix(OBJECT))
        refusal = self._refusal(path)
        if refusal is not None:
            self._answer(*refusal)
            return
        content_type = self.headers.get("Content-Type", "")
        storage.files[path] = Stored(size, digest.hexdigest(), content_type)
        if storage.refusals and storage.refusals[0] is None:
            storage.refusals.pop(0)
            self.close_connection = True
            return
        self._answer(200, {"Key": path, "Id": "8a5e1d9e-6b7e-4f3a-9a39-2f1ef5a1c111"})

    def do_DELETE(self) -> None:
        bucket, wanted = unquote(self.path.removeprefix(OBJECT)), self._told()
        if refusal := self._refusal(f"{bucket}/"):
            self._answer(*refusal)
            return
        files = self.storage.files
        if self.storage.keeps:
            self._answer(200, [])
            return
        gone = [path for path in wanted["prefixes"] if files.pop(f"{bucket}/{path}", None)]
        self._answer(200, [{"name": path} for path in gone])

    def _list(self, bucket: str) -> None:
        folder = f"{bucket}/{self._told()['prefix']}/"
        if refusal := self._refusal(f"{bucket}/"):
            self._answer(*refusal)
            return
        held = (path for path in self.storage.files if path.startswith(folder))
        names = [path.removeprefix(folder) for path in held]
        self._answer(200, [{"name": name, "id": f"id of {name}"} for name in names])

    def _told(self) -> Any:
        return json.loads(b"".join(self._chunks()))

    def _refusal(self, path: str) -> tuple[int, Any] | None:
        storage = self.storage
        if storage.refusals and storage.refusals[0] is not None:
            return storage.refusals.pop(0)
        if self.headers.get("Authorization") != f"Bearer {storage.key}":
            return 400, _error("403", "Unauthorized", "Invalid Compact JWS")
        if path.partition("/")[0] not in storage.buckets:
            return 400, _error("404", "Bucket not found", "Bucket not found")
        if path in storage.files and self.headers.get("x-upsert") != "true":
            return 400, _error("409", "Duplicate", "The resource already exists")
        return None

    def _chunks(self) -> Iterator[bytes]:
        left = self.headers.get("Content-Length")
        if left is not None:
            yield from self._exactly(int(left))
            return
        while length := int(self.rfile.readline().strip(), 16):
            yield from self._exactly(length)
            self.rfile.readline()
        self.rfile.readline()

    def _exactly(self, left: int) -> Iterator[bytes]:
        while left:
            chunk = self.rfile.read(min(left, 65536))
            if not chunk:
                raise ValueError("the body ended early")
            left -= len(chunk)
            yield chunk

    def _answer(self, status: int, body: Any) -> None:
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output readable."""


@contextmanager
def fake_storage(key: str, *buckets: str) -> Iterator[FakeStorage]:
    """Run a Storage with these buckets."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    storage = FakeStorage(f"http://127.0.0.1:{server.server_port}", key, frozenset(buckets))
    server.RequestHandlerClass = type("Handler", (_Handler,), {"storage": storage})
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield storage
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def too_large() -> tuple[int, dict[str, Any]]:
    """Return how Storage refuses a file over the project's limit."""
    return 400, _error("413", "Payload too large", "The object exceeded the maximum allowed size")


def _error(status: str, error: str, message: str) -> dict[str, Any]:
    return {"statusCode": status, "error": error, "message": message}
