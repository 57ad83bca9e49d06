"""services/doctor/hosted: what a hosted project may answer, well and ill, and none shows a key."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import responses
from websockets.sync.server import ServerConnection, serve

from services.database import DatabaseRefused
from services.doctor import hosted
from services.doctor.finding import Check
from services.doctor.hosted import access, address, ahead, connection, live, tokens
from services.doctor.patient import Patient
from services.errors import Unavailable
from services.settings import load_settings
from tests.unit.test_doctor import BACKLOG, HUSH, SCHEMA, state

REF = "abcdefghijklmnopqrst"
URL, DB = f"https://{REF}.supabase.co", f"db.{REF}.supabase.co"
TEXTS = {
    "SUPABASE_URL": URL,
    "SUPABASE_SECRET_KEY": f"sb_secret_{HUSH}",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "PUBLIC_BASE_URL": "https://hooks.example.test",
    "DATABASE_URL": f"postgresql://postgres.{REF}:{HUSH}@pooler.example.test/postgres?sslmode=require",
    "TRUSTED_PROXIES": "1",
}
GRANTED = [
    {"role": role, "table": f"public.{table}", "privilege": "SELECT"}
    for role in ("authenticated", "service_role")
    for table in (*access.TABLES, *access.YOURS)
]
ACCESS: dict[str, Any] = {
    "tables": GRANTED,
    "open_tables": [],
    "functions": ["authenticated private.is_admin"],
    "timeouts": {"anon": "3s", "authenticated": "8s", "authenticator": "8s"},
    "extensions": {"plpgsql": "pg_catalog", "pg_cron": "pg_catalog"},
    "reads_only": False,
}
PAGE = Path("docs/hosted.md").read_text()
ANYTHING = re.compile(f"{URL}/.*")
DENIED = {"code": "42501", "message": "permission denied"}


def patient(
    told: Any = ACCESS, protocol: Any = "HTTP/1.1", schema: Any = SCHEMA, **texts: str
) -> Patient:
    """Return a hosted installation in good health, but for what is named."""
    given = {**TEXTS, **texts}
    return Patient(
        settings=load_settings(given),
        texts=given,
        schema=schema,
        backlog=BACKLOG,
        access=told,
        protocol=protocol,
    )


@contextmanager
def project(
    *,
    anonymous: tuple[int, Any] = (401, DENIED),
    opened: Sequence[str] = (),
    private: tuple[int, Any] = (406, {"code": "PGRST106"}),
    keys: tuple[int, Any] = (200, {"keys": [{"kty": "EC", "alg": "ES256"}]}),
    rows: tuple[int, Any] = (200, list(range(1000))),
    demo: tuple[int, Any] = (200, []),
) -> Iterator[None]:
    """A project that answers as a hosted one does, but for what is named."""

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        path = request.url.removeprefix(URL).partition("?")[0]
        name = path.rpartition("/")[2]
        if request.headers["apikey"].startswith("sb_secret_"):
            status, body = rows if name == "probe_rows" else demo
        elif path == tokens.JWKS:
            status, body = keys
        elif request.headers.get("Accept-Profile") == "private":
            status, body = private
        else:
            status, body = (200, []) if name in opened else anonymous
        return status, {}, json.dumps(body)

    with responses.RequestsMock(assert_all_requests_are_fired=False) as vendor:
        for method in (responses.GET, responses.POST):
            vendor.add_callback(method, ANYTHING, callback=answer)
        yield


ASKING = [check for check in hosted.CHECKS if check is not live.check_join]


@pytest.mark.parametrize("check", ASKING, ids=lambda check: check.__name__)
def test_good_health_is_ok(check: Check) -> None:
    with project():
        assert state(check(patient())) == "ok"


@pytest.mark.parametrize("check", ASKING, ids=lambda check: check.__name__)
def test_project_that_does_not_answer_is_no_failure_of_these(check: Check) -> None:
    away = patient(told=Unavailable(), protocol=Unavailable())
    with responses.RequestsMock(assert_all_requests_are_fired=False) as vendor:
        for method in (responses.GET, responses.POST):
            vendor.add(method, ANYTHING, body=requests.ConnectionError("no name"))

        finding = check(away)

    assert finding is None or state(finding) in ("ok", "skip")


@pytest.mark.parametrize("check", [connection.check_rows, live.check_join])
def test_what_wants_the_schema_asks_nothing_of_a_project_without_it(
    monkeypatch: pytest.MonkeyPatch, check: Check
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(live, "connect", lambda url, **_: asked.append(url))
    with responses.RequestsMock():
        finding = check(patient(schema=DatabaseRefused("no function", "PGRST202")))

    assert (finding, asked) == (None, [])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, "ok"),
        ("https://api.example.test", "ok"),
        (URL.replace("https", "http"), "fail"),
        (f"{URL}/rest/v1", "fail"),
        (f"https://me:{HUSH}@{REF}.supabase.co", "fail"),
        (f"https://db.{REF}.supabase.co", "fail"),
        (f"https://supabase.com/dashboard/project/{REF}", "fail"),
        ("https://supabase.com", "fail"),
        ("http://127.0.0.1:54321", "fail"),
    ],
)
def test_project_url_is_that_of_the_api(url: str, expected: str) -> None:
    assert state(address.check_project_url(patient(SUPABASE_URL=url))) == expected


@pytest.mark.parametrize(
    ("url", "expected", "seen"),
    [
        ("", "skip", "not set"),
        (f"postgresql://postgres:{HUSH}@{DB}/postgres?sslmode=require", "ok", "IPv6"),
        (f"postgresql://postgres:{HUSH}@{DB}/postgres", "warn", "sslmode is prefer"),
        (f"postgresql://p.{REF}:{HUSH}@pool.test:6543/p?sslmode=verify-full", "warn", "6543"),
        (f"postgresql://p.{REF}:{HUSH}@pool.test/p?sslmode=disable", "warn", "sslmode is disable"),
        (f"postgresql://postgres:{HUSH}@db.another.supabase.co/postgres", "fail", "'another'"),
        (f"postgresql://postgres.another:{HUSH}@pool.test/postgres", "fail", "'another'"),
        (f"postgresql://postgres:{HUSH}@127.0.0.1:54322/postgres", "fail", "own"),
        (f"postgresql://postgres:{HUSH}/1@{DB}/postgres", "fail", "cannot be read"),
    ],
)
def test_database_url_is_safe_and_of_this_project(url: str, expected: str, seen: str) -> None:
    finding = address.check_database_url(patient(DATABASE_URL=url))

    assert state(finding) == expected
    assert seen in finding.seen


def legacy(role: str, **claims: Any) -> str:
    return jwt.encode({"role": role, "ref": REF, "n": HUSH, **claims}, HUSH * 2)


@pytest.mark.parametrize(
    ("ends", "expected", "seen"),
    [(3650, "warn", "legacy JWT"), (10, "warn", "expires in 10 days"), (-1, "fail", "expired")],
)
def test_legacy_keys_are_told_of(ends: int, expected: str, seen: str) -> None:
    key = legacy("anon", exp=time.time() + ends * 86400)

    finding = tokens.check_kinds(patient(SUPABASE_PUBLISHABLE_KEY=key))

    assert state(finding) == expected
    assert seen in finding.seen
    assert "SUPABASE_SECRET_KEY" not in finding.seen
    assert key not in finding.seen


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((200, {"keys": [{"kty": "RSA", "alg": "RS256"}]}), "ok"),
        ((200, {"keys": []}), "warn"),
        ((200, {"keys": [{"kty": "oct"}]}), "warn"),
        ((200, {"keys": [{"kty": "EC", "d": "the other half"}]}), "warn"),
        ((200, ["strange"]), "warn"),
        ((404, {}), "warn"),
    ],
)
def test_shared_secret_is_told_of(keys: tuple[int, Any], expected: str) -> None:
    with project(keys=keys):
        assert state(tokens.check_signing(patient())) == expected


@pytest.mark.parametrize("name", [*access.TABLES, *access.FUNCTIONS])
def test_whatever_the_publishable_key_opens_is_named(name: str) -> None:
    with project(opened=[name]):
        finding = access.check_anonymous(patient())

    assert state(finding) == "fail"
    assert name in finding.seen


def test_key_that_is_not_taken_proves_nothing() -> None:
    with project(anonymous=(401, {"message": "Invalid API key"})):
        assert state(access.check_anonymous(patient())) == "skip"
    with project(anonymous=(503, None)):
        assert state(access.check_anonymous(patient())) == "skip"


@pytest.mark.parametrize(
    ("private", "expected"),
    [
        ((200, []), "fail"),
        ((401, DENIED), "warn"),
        ((404, {"code": "PGRST205"}), "warn"),
        ((500, None), "skip"),
    ],
)
def test_private_schema_in_the_api_is_told_of(private: tuple[int, Any], expected: str) -> None:
    with project(private=private):
        assert state(access.check_schema_private(patient())) == expected


def granted(role: str, table: str, privilege: str) -> dict[str, Any]:
    one = {"role": role, "table": table, "privilege": privilege}
    return {**ACCESS, "tables": [*GRANTED, one]}


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        (granted("anon", "public.calls", "SELECT"), "anon may SELECT public.calls"),
        (granted("authenticated", "public.calls", "INSERT"), "authenticated may INSERT"),
        (granted("authenticated", "private.webhook_inbox", "SELECT"), "private.webhook_inbox"),
        (granted("authenticated", "public.profiles", "TRUNCATE"), "TRUNCATE public.profiles"),
        ({**ACCESS, "open_tables": ["public.calls"]}, "public.calls has no RLS"),
        ({**ACCESS, "functions": ["anon private.is_admin"]}, "anon may call private.is_admin"),
        ({**ACCESS, "functions": ["authenticated public.prune"]}, "may call public.prune"),
        ({**ACCESS, "tables": GRANTED[:-1]}, "service_role may not read scenarios"),
        ({**ACCESS, "reads_only": True}, "replica"),
    ],
)
def test_rights_too_many_or_too_few_are_named(told: dict[str, Any], seen: str) -> None:
    finding = access.check_grants(patient(told))

    assert state(finding) == "fail"
    assert finding is not None
    assert seen in finding.seen


@pytest.mark.parametrize(
    ("role", "table", "privilege"),
    [
        ("anon", "public.scenarios", "SELECT"),
        ("authenticated", "public.profiles", "UPDATE"),
        ("anon", "public.tables_of_yours", "SELECT"),
    ],
)
def test_rights_that_are_yours_to_give_are_no_fault(role: str, table: str, privilege: str) -> None:
    assert state(access.check_grants(patient(granted(role, table, privilege)))) == "ok"


def test_extension_in_public_is_told_of() -> None:
    exposed = {**ACCESS, "extensions": {"vector": "public"}}

    assert state(access.check_extensions(patient(exposed))) == "warn"


def test_http_2_is_told_of() -> None:
    assert state(connection.check_protocol(patient(protocol="HTTP/2"))) == "warn"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((200, list(range(1500))), "ok"),
        ((200, list(range(100))), "warn"),
        ((404, {"code": "PGRST202"}), "skip"),
    ],
)
def test_answers_that_are_cut_off_are_told_of(rows: tuple[int, Any], expected: str) -> None:
    with project(rows=rows):
        assert state(connection.check_rows(patient())) == expected


@pytest.mark.parametrize(
    ("timeouts", "expected"),
    [
        ({}, "ok"),
        ({"authenticator": "0"}, "ok"),
        ({"authenticator": "3s"}, "warn"),
        ({"authenticator": "3s", "service_role": "2min"}, "ok"),
        ({"authenticator": "8s", "service_role": "500"}, "warn"),
    ],
)
def test_short_timeouts_are_told_of(timeouts: dict[str, str], expected: str) -> None:
    told = {**ACCESS, "timeouts": timeouts}

    assert state(connection.check_timeouts(patient(told))) == expected


@pytest.mark.parametrize(("limit", "expected"), [("30", "ok"), ("31", "warn"), ("101", "warn")])
def test_more_changes_than_realtime_carries(limit: str, expected: str) -> None:
    asked = patient(REALTIME_CHANGES_PER_SECOND=limit)

    assert state(live.check_plan(asked)) == expected


def test_what_is_right_at_home_only() -> None:
    assert state(ahead.check_local_addresses(patient(WEBHOOK_ALLOW_LOCAL="1"))) == "fail"
    assert state(ahead.check_proxies(patient(TRUSTED_PROXIES="0"))) == "warn"
    with project(demo=(200, [{"id": "5eed"}])):
        assert state(ahead.check_demo(patient())) == "warn"


REPLY = {"event": "phx_reply", "payload": {"status": "ok", "response": {}}}
REFUSAL = {
    "event": "phx_reply",
    "payload": {"status": "error", "response": {"reason": "ClientJoinRateLimitReached: x"}},
}


def system(status: str, message: str) -> dict[str, Any]:
    return {"event": "system", "payload": {"status": status, "message": message}}


@contextmanager
def realtime(*frames: dict[str, Any], status: int = 101) -> Iterator[str]:
    """A Realtime that answers a join with these frames, or the connection with this status."""

    def answer(socket: ServerConnection) -> None:
        joined = json.loads(socket.recv())
        assert joined["event"] == "phx_join"
        for frame in frames:
            socket.send(json.dumps(frame))
        for _ in socket:
            pass

    def refuse(socket: ServerConnection, _: Any) -> Any:
        return None if status == 101 else socket.respond(status, "no")

    with serve(answer, "127.0.0.1", 0, process_request=refuse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("frames", "expected", "seen"),
    [
        ([REPLY, system("ok", "Subscribed to PostgreSQL")], "ok", "changes flow"),
        ([REPLY, system("error", "Unable to subscribe")], "fail", "Unable to subscribe"),
        ([REFUSAL], "fail", "ClientJoinRateLimitReached"),
        ([REPLY], "fail", "no changes flow"),
        ([], "fail", "no answer"),
    ],
)
def test_a_join_is_followed_until_changes_flow(
    monkeypatch: pytest.MonkeyPatch, frames: list[dict[str, Any]], expected: str, seen: str
) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.3)
    with realtime(*frames) as url:
        finding = live.check_join(patient(SUPABASE_URL=url))

    assert finding is not None
    assert (state(finding), seen in finding.seen) == (expected, True), finding.seen


@pytest.mark.parametrize(
    ("status", "seen"), [(401, "refused"), (429, "plan"), (404, "no Realtime answers")]
)
def test_a_socket_that_is_refused(status: int, seen: str) -> None:
    with realtime(status=status) as url:
        finding = live.check_join(patient(SUPABASE_URL=url))

    assert finding is not None
    assert state(finding) == "fail"
    assert seen in finding.seen


def test_a_socket_that_cannot_be_opened() -> None:
    assert state(live.check_join(patient(SUPABASE_URL="http://127.0.0.1:9"))) == "skip"


def test_one_function_and_one_entry_make_a_check() -> None:
    modules: Sequence[Callable[..., Any] | Any] = (
        access, address, ahead, connection, live, tokens
    )  # fmt: skip

    assert {check.__name__ for check in hosted.CHECKS} == {
        name for module in modules for name in vars(module) if name.startswith("check_")
    }


def test_the_page_names_every_line() -> None:
    table = [row.split(" | ") for row in PAGE.splitlines() if row.startswith("| ")]
    named = {name for row in table for name in re.findall(r"`([^`]+)`", row[-1])}
    with project():
        ours = {found.name for check in ASKING if (found := check(patient()))} | {live.JOIN}
    others = "".join(file.read_text() for file in Path("services/doctor").glob("*.py"))

    assert ours <= named
    assert [name for name in named - ours if f'"{name}"' not in others] == []
