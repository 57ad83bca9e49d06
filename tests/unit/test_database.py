"""Which answers mean that Supabase is away, and which that it refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from services.database import Database, DatabaseRefused
from services.errors import Unavailable
from services.settings import load_settings

Answering = Callable[[int, str], Database]


@contextmanager
def answering(status: int, body: str) -> Iterator[Database]:
    """Yield a database of which every call is answered like that."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        settings = load_settings(
            {
                "SUPABASE_URL": f"http://127.0.0.1:{server.server_address[1]}",
                "SUPABASE_SECRET_KEY": "sb_secret_test",
                "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_test",
            }
        )
        database = Database(settings)
        yield database
        database.close()
        server.shutdown()


@pytest.fixture(name="supabase")
def _supabase() -> Iterator[Answering]:
    with ExitStack() as entered:
        yield lambda status, body: entered.enter_context(answering(status, body))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, json.dumps({"message": "An invalid response was received from the upstream server"})),
        (503, json.dumps({"message": "name resolution failed"})),
        (504, "upstream request timeout"),
        (503, ""),
        (521, "<html>Web server is down</html>"),
        (530, "<html>error code: 1016</html>"),
    ],
)
def test_gateway_that_cannot_reach_supabase_means_later(
    supabase: Answering, status: int, body: str
) -> None:
    with pytest.raises(Unavailable, match=str(status)):
        supabase(status, body).receive_events([])


@pytest.mark.parametrize(("status", "code"), [(503, "PGRST002"), (500, "40P01"), (503, "57P01")])
def test_database_that_cannot_commit_means_later(
    supabase: Answering, status: int, code: str
) -> None:
    with pytest.raises(Unavailable, match=code):
        supabase(status, json.dumps({"message": "no", "code": code})).receive_events([])


@pytest.mark.parametrize("body", ["{}", '{"message": "", "code": ""}'])
def test_error_that_says_nothing_means_later(supabase: Answering, body: str) -> None:
    with pytest.raises(Unavailable, match=r"^Supabase cannot commit now \(no reason given\)\.$"):
        supabase(500, body).receive_events([])


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, json.dumps({"message": "Invalid authentication credentials"})),
        (400, json.dumps({"message": "invalid input syntax", "code": "22P02"})),
        (404, "no such page"),
    ],
)
def test_refusal_means_never(supabase: Answering, status: int, body: str) -> None:
    with pytest.raises(DatabaseRefused):
        supabase(status, body).receive_events([])
