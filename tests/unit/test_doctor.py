"""services/doctor: every check says what it saw, and none a secret."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jwt
import pytest
import requests
import responses

from services import doctor
from services.database import DatabaseRefused
from services.doctor import (
    CHECKS,
    diagnose,
    examine,
    host,
    keys,
    operation,
    outside,
    project,
    realtime,
    setup,
)
from services.doctor.finding import Check, Finding
from services.doctor.patient import Patient, Schema
from services.errors import Unavailable
from services.outage import mounts
from services.outage.spool import Spool
from services.reach.proof import prove
from services.reach.public_url import TunnelNote
from services.schema_version import SCHEMA_VERSION
from services.settings import load_settings

HUSH = "hush-hush-hush-hush-hush"
TEXTS = {
    "SUPABASE_URL": "https://abc.example.test",
    "SUPABASE_SECRET_KEY": f"sb_secret_{HUSH}",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "PUBLIC_BASE_URL": "https://hooks.example.test",
    "TAVUS_WEBHOOK_TOKEN": f"{HUSH}-1,{HUSH}-2",
    "METRICS_TOKEN": HUSH,
    "SENTRY_DSN": f"https://{HUSH}@sentry.example.test/1",
}
SCHEMA = Schema(version=SCHEMA_VERSION, published=project.PUBLISHED, ahead=0.2, precision=0.1)
OPERATIONS: dict[str, Any] = {
    "deliveries": {"waiting": 0, "oldest_due_seconds": None, "disabled_endpoints": 0},
    "processes": [{"kind": "worker", "host": "h", "silent_seconds": 5.0, "alive": True}],
    "realtime": {"changes_per_second": 1.0, "peak_per_second": 2.0, "since": None},
}
BACKLOG = {"received": 0, "failed": 0, "unmatched": 0, "dead": 0, "oldest_due_seconds": None}

ELSEWHERE = (host.__name__, keys.__name__, outside.__name__)
"""These look at this machine, or ask somebody."""


def patient(
    schema: Any = SCHEMA, backlog: Any = BACKLOG, operations: Any = OPERATIONS, **texts: str
) -> Patient:
    """Return an installation in good health, but for what is named."""
    given = {**TEXTS, **texts}
    return Patient(
        settings=load_settings(given),
        texts=given,
        schema=schema,
        backlog=backlog,
        operations=operations,
    )


def state(finding: Finding | None) -> str:
    assert finding is not None
    assert HUSH not in f"{finding.seen} {finding.mend}"
    assert (finding.state in ("ok", "skip")) == (finding.mend == "")
    return finding.state


@pytest.mark.parametrize(
    "check",
    [check for check in CHECKS if check.__module__ not in ELSEWHERE],
    ids=lambda check: check.__name__,
)
def test_good_health_is_ok(check: Check) -> None:
    assert state(check(patient())) == "ok"


@pytest.mark.parametrize(
    ("texts", "seen"),
    [
        ({"TAVUS_WEBHOOK_TOKEN": "short"}, "TAVUS_WEBHOOK_TOKEN has 5 characters"),
        ({"OPENAI_API_KEY": "short"}, "OPENAI_API_KEY has 5 characters"),
        ({"TAVUS_WEBHOOK_TOKEN": f"{HUSH},short"}, "TAVUS_WEBHOOK_TOKEN has 5 characters"),
        ({"TAVUS_WEBHOOK_TOKEN": f"{HUSH}\nshort"}, "TAVUS_WEBHOOK_TOKEN has 5 characters"),
        ({"CALLBACK_SIGNING_KEY": f"{HUSH}\n"}, "CALLBACK_SIGNING_KEY has white space around"),
        ({"CALLBACK_SIGNING_KEY": "<random>"}, "CALLBACK_SIGNING_KEY is still the example's"),
        ({"TAVUS_WEBHOOK_SECRET": f"'{HUSH}'"}, "quotation mark"),
        ({"TAVUS_WEBHOOK_SECRET": "hush hush hush hush hush"}, "white space"),
    ],
)
def test_odd_secrets_are_named_and_not_shown(texts: dict[str, str], seen: str) -> None:
    finding = setup.check_secrets(patient(**texts))

    assert state(finding) == "fail"
    assert seen in finding.seen
    assert not [text for text in texts.values() if text.strip() in finding.seen]


def test_secrets_on_lines_of_a_file_are_as_good_as_between_commas() -> None:
    assert state(setup.check_secrets(patient(TAVUS_WEBHOOK_TOKEN=f"{HUSH}\n{HUSH}"))) == "ok"


def test_closed_door_is_told() -> None:
    assert state(setup.check_callbacks(patient(TAVUS_WEBHOOK_TOKEN=""))) == "fail"
    assert state(setup.check_callbacks(patient(TAVUS_WEBHOOK_TOKEN=","))) == "fail"


@pytest.mark.parametrize(
    ("url", "supabase", "expected"),
    [
        ("https://hooks.example.test", "https://abc.example.test", "ok"),
        ("http://hooks.example.test", "https://abc.example.test", "fail"),
        ("http://127.0.0.1.example.test", "http://127.0.0.1:54321", "fail"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:54321", "ok"),
        ("http://localhost:8000", "http://[::1]:54321", "ok"),
        ("http://127.0.0.1:8000", "https://abc.example.test", "fail"),
        ("https://user:hush-hush-hush-hush-hush@hooks.example.test", "https://x.test", "fail"),
    ],
)
def test_public_address_is_safe(url: str, supabase: str, expected: str) -> None:
    found = setup.check_public_url(patient(PUBLIC_BASE_URL=url, SUPABASE_URL=supabase))

    assert state(found) == expected


def test_processes_that_count_apart_are_told_of() -> None:
    several = {"WEB_CONCURRENCY": "2"}

    assert setup.check_metrics(patient(METRICS_TOKEN="")) is None
    assert state(setup.check_metrics(patient(**several))) == "warn"
    shared = patient(**several, PROMETHEUS_MULTIPROC_DIR="/var/lib/x")
    assert state(setup.check_metrics(shared)) == "ok"


def test_project_that_does_not_answer() -> None:
    away = patient(schema=Unavailable("no answer"), backlog=Unavailable())

    assert state(project.check_address(away)) == "fail"
    assert state(project.check_service_key(away)) == "skip"
    others = [check(away) for check in CHECKS if check.__module__ == project.__name__]
    assert [finding.name for finding in others if finding] == ["supabase", "service key"]


def test_address_of_something_else() -> None:
    for refused in (DatabaseRefused("no such page", "404"), DatabaseRefused("Supabase refused")):
        strange = patient(schema=refused)

        assert state(project.check_address(strange)) == "fail"
        assert state(project.check_service_key(strange)) == "skip"
    assert state(project.check_address(patient(SUPABASE_URL="http://abc.example.test"))) == "fail"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"sb_secret_{HUSH}", "ok"),
        (jwt.encode({"role": "service_role", "n": HUSH}, HUSH * 2), "ok"),
        (jwt.encode({"role": "anon", "n": HUSH}, HUSH * 2), "fail"),
        (jwt.encode({"n": HUSH}, HUSH * 2), "fail"),
        (jwt.encode({"role": ["service_role"]}, HUSH * 2), "fail"),
        (HUSH, "fail"),
        ("eyJ.eyJ.eyJ", "fail"),
    ],
)
def test_key_is_a_service_key(key: str, expected: str) -> None:
    found = project.check_service_key(patient(SUPABASE_SECRET_KEY=key))

    assert state(found) == expected
    assert found is not None
    assert key not in found.seen


@pytest.mark.parametrize("code", ["42501", "PGRST301", "401", ""])
def test_key_that_supabase_does_not_take(code: str) -> None:
    refused = patient(
        schema=DatabaseRefused("Invalid API key", code),
        backlog=DatabaseRefused("Invalid API key", code),
    )

    assert state(project.check_service_key(refused)) == "fail"
    assert project.check_schema(refused) is None


def test_schema_that_is_not_there_or_another() -> None:
    absent = patient(schema=DatabaseRefused("no function", "PGRST202"))
    other = patient(schema=replace(SCHEMA, version="older"))
    unnamed = patient(schema=replace(SCHEMA, version=None))

    assert [state(project.check_schema(one)) for one in (absent, other, unnamed)] == ["fail"] * 3
    assert state(project.check_service_key(absent)) == "skip"


def test_realtime_that_carries_too_little() -> None:
    found = project.check_realtime(patient(schema=replace(SCHEMA, published=("conversations",))))

    assert state(found) == "fail"
    assert found is not None
    assert "feedback_sessions, processed_webhook_events, qualification_data" in found.seen


@pytest.mark.parametrize(
    ("ahead", "precision", "expected"),
    [(4.0, 0.0, "ok"), (-6.0, 0.0, "warn"), (-6.0, 2.0, "ok"), (61.0, 0.0, "fail")],
)
def test_clocks_agree(ahead: float, precision: float, expected: str) -> None:
    apart = replace(SCHEMA, ahead=ahead, precision=precision)

    assert state(project.check_clock(patient(schema=apart))) == expected


@pytest.mark.parametrize(
    ("processes", "seconds", "expected"),
    [
        ([("worker", 5.0)], None, "ok"),
        ([("worker", 59.0), ("web", 1.0)], 59.0, "ok"),
        ([("worker", 61.0), ("web", 1.0)], None, "fail"),
        ([("web", 1.0)], 59.0, "fail"),
        ([("web", 1.0)], 61.0, "fail"),
        ([("worker", 5.0)], 61.0, "fail"),
        ([], None, "fail"),
        ([], 61.0, "fail"),
    ],
)
def test_a_worker_is_known_by_its_reports_and_by_what_is_due(
    processes: list[tuple[str, float]], seconds: float | None, expected: str
) -> None:
    told = [{"kind": kind, "silent_seconds": silent} for kind, silent in processes]
    waiting = patient(
        backlog={**BACKLOG, "oldest_due_seconds": seconds},
        operations={**OPERATIONS, "processes": told},
    )

    assert state(operation.check_worker(waiting)) == expected


def test_a_database_without_reports_is_judged_by_what_is_due() -> None:
    older = patient(operations=DatabaseRefused("no function", "PGRST202"))

    assert state(operation.check_worker(older)) == "ok"
    assert operation.check_deliveries(older) is None


@pytest.mark.parametrize(
    ("overdue", "disabled", "expected"),
    [(None, 0, "ok"), (59.0, 0, "ok"), (61.0, 0, "fail"), (None, 1, "warn")],
)
def test_deliveries_that_do_not_go_out(overdue: float | None, disabled: int, expected: str) -> None:
    told = {"waiting": 1, "oldest_due_seconds": overdue, "disabled_endpoints": disabled}

    found = operation.check_deliveries(patient(operations={**OPERATIONS, "deliveries": told}))

    assert state(found) == expected


def test_somebody_is_to_be_told() -> None:
    slack = f"https://hooks.slack.example.test/{HUSH}"

    assert state(operation.check_alerts(patient(METRICS_TOKEN=""))) == "warn"
    assert state(operation.check_alerts(patient(METRICS_TOKEN="", ALERT_SLACK_URL=slack))) == "ok"
    here = patient(METRICS_TOKEN="", SUPABASE_URL="http://127.0.0.1:54321")
    assert state(operation.check_alerts(here)) == "ok"


def test_debugging_is_for_ones_own_machine() -> None:
    assert state(operation.check_telling(patient(DEBUG_REQUESTS="1"))) == "warn"
    assert operation.check_telling(patient(SENTRY_DSN="")) is None


ANON = {"role": "anon", "ref": "abcdefgh", "n": HUSH}


@pytest.mark.parametrize(
    ("key", "status", "expected"),
    [
        ("sb_publishable_x", 200, "ok"),
        ("sb_publishable_x", 401, "fail"),
        ("sb_publishable_x", 500, "skip"),
        (jwt.encode(ANON, HUSH * 2), 200, "ok"),
        (jwt.encode({**ANON, "ref": "another"}, HUSH * 2), 200, "fail"),
        (jwt.encode({**ANON, "role": "service_role"}, HUSH * 2), 200, "fail"),
        (HUSH, 200, "fail"),
    ],
)
def test_publishable_key_is_told_from_others(key: str, status: int, expected: str) -> None:
    asked = patient(SUPABASE_PUBLISHABLE_KEY=key, SUPABASE_URL="https://abcdefgh.supabase.co")
    with responses.RequestsMock(assert_all_requests_are_fired=False) as vendor:
        vendor.get("https://abcdefgh.supabase.co/auth/v1/settings", status=status)

        found = keys.check_publishable_key(asked)

    assert state(found) == expected
    assert key not in found.seen or key == "sb_publishable_x"


def test_key_of_another_kind_is_told_without_asking() -> None:
    with responses.RequestsMock():
        found = keys.check_publishable_key(patient(SUPABASE_PUBLISHABLE_KEY=f"sb_other_{HUSH}"))

    assert (state(found), found.seen) == (
        "fail", "it is another kind of key than sb_publishable_…"
    )  # fmt: skip


def test_publishable_key_is_not_judged_where_nobody_can_be_asked() -> None:
    with responses.RequestsMock() as vendor:
        failure = requests.ConnectTimeout(f"no answer to {HUSH}")
        vendor.get("https://abc.example.test/auth/v1/settings", body=failure)

        found = keys.check_publishable_key(patient())

    assert (state(found), "(ConnectTimeout)" in found.seen) == ("skip", True)


def test_secret_key_of_another_project_is_told_without_asking() -> None:
    key = jwt.encode({"role": "service_role", "ref": "another", "n": HUSH}, HUSH * 2)
    found = project.check_service_key(
        patient(SUPABASE_SECRET_KEY=key, SUPABASE_URL="https://abcdefgh.supabase.co")
    )

    assert state(found) == "fail"
    assert "'another'" in found.seen


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"body": requests.exceptions.SSLError("bad")}, "fail"),
        ({"body": requests.ConnectionError("no name")}, "skip"),
        ({"body": "another page", "status": 200}, "fail"),
        ({"body": "away", "status": 503}, "fail"),
    ],
)
def test_public_address_is_looked_at_from_outside(answer: dict[str, Any], expected: str) -> None:
    with responses.RequestsMock() as others:
        others.get("https://hooks.example.test/health", **answer)

        assert state(outside.check_reach(patient())) == expected
    local = patient(PUBLIC_BASE_URL="http://127.0.0.1:8000", SUPABASE_URL="http://127.0.0.1:1")
    assert state(outside.check_reach(local)) == "skip"


def test_a_tunnel_that_runs_is_what_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    local = patient(PUBLIC_BASE_URL="http://127.0.0.1:8000", SUPABASE_URL="http://127.0.0.1:1")
    note = TunnelNote(local.settings.port)
    with note.held(), responses.RequestsMock() as others:
        note.write("https://made-up.tunnel.example.test")
        others.get("https://made-up.tunnel.example.test/health", body="another page")

        found = outside.check_reach(local)

    assert state(found) == "fail"
    assert "(the tunnel that runs)" in found.seen


def test_this_service_is_known_by_its_proof() -> None:
    well = patient()

    def proof(request: Any) -> tuple[int, dict[str, str], str]:
        return 200, {}, f"{prove(well.settings, request.params['proof'])}"

    with responses.RequestsMock() as others:
        others.add_callback("GET", "https://hooks.example.test/health", callback=proof)

        assert state(outside.check_reach(well)) == "ok"


TAVUS = "https://tavusapi.com/v2"


@pytest.mark.parametrize(
    ("status", "expected"), [(200, "ok"), (401, "fail"), (404, "fail"), (503, "skip")]
)
def test_tavus_is_asked_about_its_key(status: int, expected: str) -> None:
    with responses.RequestsMock() as vendor:
        vendor.get(f"{TAVUS}/personas", json={"data": []}, status=status)

        assert state(outside.check_tavus(patient(TAVUS_API_KEY=HUSH))) == expected
    assert state(outside.check_tavus(patient())) == "skip"


def test_a_tavus_that_is_away_says_nothing_of_the_key() -> None:
    with responses.RequestsMock() as vendor:
        vendor.get(f"{TAVUS}/personas", body=requests.ConnectionError(f"no way to {HUSH}"))

        found = outside.check_tavus(patient(TAVUS_API_KEY=HUSH))

    assert (state(found), found.seen) == (
        "skip", "Tavus cannot be reached (ConnectionError)."
    )  # fmt: skip


def test_callbacks_at_tavus_are_not_judged_where_tavus_cannot_reach_us() -> None:
    local = {"PUBLIC_BASE_URL": "http://127.0.0.1:8000", "SUPABASE_URL": "http://127.0.0.1:1"}
    with responses.RequestsMock():
        found = outside.check_tavus_callbacks(patient(TAVUS_API_KEY=HUSH, **local))

    assert state(found) == "skip"
    assert found is not None
    assert "PUBLIC_BASE_URL" in found.seen


def test_callbacks_at_tavus_that_could_not_be_read_are_counted() -> None:
    row = {"uuid": "o1", "data": [{"objective_name": "a"}]}
    with responses.RequestsMock() as vendor:
        vendor.get(f"{TAVUS}/objectives", json={"data": [row], "total_count": 1})
        vendor.get(f"{TAVUS}/guardrails", status=400, json={"message": f"not for {HUSH}"})

        found = outside.check_tavus_callbacks(patient(TAVUS_API_KEY=HUSH))

    assert (state(found), found and found.seen) == ("skip", "1 could not be read")


def test_callbacks_at_tavus_that_lead_elsewhere() -> None:
    def found(url: str | None) -> str:
        row = {"uuid": "o1", "data": [{"objective_name": "a", "callback_url": url}]}
        with responses.RequestsMock() as vendor:
            vendor.get(f"{TAVUS}/objectives", json={"data": [row], "total_count": 1})
            vendor.get(f"{TAVUS}/guardrails", json={"data": [], "total_count": 0})
            return state(outside.check_tavus_callbacks(patient(TAVUS_API_KEY=HUSH)))

    ours = "https://{}.example.test/api/tavus/webhook?t={}"
    assert found(ours.format("hooks", f"{HUSH}-1")) == "ok"
    assert found(ours.format("older", f"{HUSH}-1")) == "fail"
    assert found(ours.format("hooks", "another")) == "fail"
    assert found(None) == "warn"
    assert outside.check_tavus_callbacks(patient()) is None


def test_dead_letters_are_told_of() -> None:
    assert state(project.check_dead_letters(patient(backlog={**BACKLOG, "dead": 3}))) == "warn"


@pytest.fixture(name="on_disk")
def _on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever /tmp lies on, it counts as a disk."""
    monkeypatch.setattr(mounts, "IN_MEMORY", frozenset())
    monkeypatch.setattr(mounts, "filesystem", lambda path, *_: "ext4")


def test_without_a_spool_it_is_told_what_is_lost() -> None:
    hosted = host.check_spool_place(patient())
    local = host.check_spool_place(patient(SUPABASE_URL="http://127.0.0.1:54321"))

    assert (state(hosted), state(local)) == ("warn", "ok")
    assert "events are lost of" in hosted.seen
    assert "tavus" in hosted.seen
    assert host.check_spool_room(patient()) is None
    assert host.check_spool_rows(patient()) is None


@pytest.mark.usefixtures("on_disk")
def test_spool_is_looked_at_and_never_made(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    well = patient(SPOOL_PATH=str(path), SPOOL_MAX_BYTES="1000000")

    assert state(host.check_spool_place(well)) == "ok"
    assert state(host.check_spool_room(well)) == "ok"
    assert host.check_spool_rows(well) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("on_disk")
def test_spool_in_use_is_well(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = Spool(path)
    spool.put({"n": 1})
    in_use = patient(SPOOL_PATH=str(path))

    assert state(host.check_spool_place(in_use)) == "ok"
    rows = host.check_spool_rows(in_use)
    assert (state(rows), rows and rows.seen) == ("ok", "1 wait for Supabase, none was given up")
    assert [spooled.row for spooled in spool.take(9, 999)] == [{"n": 1}]
    spool.close()


@pytest.mark.usefixtures("on_disk")
def test_spool_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 1000)
    broken = patient(SPOOL_PATH=str(tmp_path / "broken.db"))
    nowhere = patient(SPOOL_PATH=str(tmp_path / "nowhere" / "spool.db"))

    assert state(host.check_spool_place(broken)) == "fail"
    assert host.check_spool_rows(broken) is None
    assert state(host.check_spool_place(nowhere)) == "fail"
    assert host.check_spool_room(nowhere) is None


@contextmanager
def nobody() -> Iterator[None]:
    """Be no superuser, whom nothing is closed to."""
    is_root = os.geteuid() == 0
    if is_root:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if is_root:
            os.setresuid(0, 0, 0)


@pytest.mark.usefixtures("on_disk")
def test_spool_in_a_folder_that_is_closed_to_who_asks_is_named() -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "spool.db"
        Spool(path).put({"n": 1})
        Path(folder).chmod(0)
        elsewhere = patient(SPOOL_PATH=str(path))

        with nobody():
            finding = host.check_spool_place(elsewhere)
            others = host.check_spool_room(elsewhere), host.check_spool_rows(elsewhere)
        Path(folder).chmod(0o700)

    assert (state(finding), finding.seen) == ("fail", f"{folder} is closed")
    assert [state(other) for other in others if other] == ["ok"]


def test_spool_that_would_not_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lying = patient(SPOOL_PATH=str(tmp_path / "spool.db"))

    monkeypatch.setattr(mounts, "filesystem", lambda path, *_: "tmpfs")
    in_memory = host.check_spool_place(lying)
    monkeypatch.setattr(mounts, "filesystem", lambda path, *_: "overlay")
    in_container = host.check_spool_place(lying)

    assert (state(in_memory), state(in_container)) == ("fail", "warn")


@pytest.mark.usefixtures("on_disk")
def test_spool_without_room_or_with_what_nobody_takes(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = Spool(path)
    spool.put({"n": 1})
    spool.set_aside(1, "no")
    full = patient(SPOOL_PATH=str(path), SPOOL_MAX_BYTES="999999999999999")

    assert state(host.check_spool_room(full)) == "fail"
    assert state(host.check_spool_rows(full)) == "fail"


def test_redis_is_asked() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        absent = patient(RATE_LIMIT_STORAGE_URL=f"redis://:{HUSH}@127.0.0.1:{port}")
        wrong = patient(RATE_LIMIT_STORAGE_URL=f"redis://:{HUSH}@127.0.0.1:{port}?nonsense=1")

        assert state(host.check_rate_limits(absent)) == "fail"
        assert state(host.check_rate_limits(wrong)) == "fail"
    assert state(host.check_rate_limits(patient())) == "ok"


def test_service_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        assert state(host.check_service(patient(PORT=str(port)))) == "warn"


@pytest.mark.parametrize("bind", ["::1", "::", "[::]"])
def test_service_of_an_ipv6_address_is_asked(bind: str) -> None:
    finding = host.check_service(patient(BIND=bind, PORT="1"))

    assert (state(finding), finding.seen) == ("warn", "none answers at http://[::1]:1")


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """Answer every GET on this machine so; give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield str(server.server_port)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "expected", "seen"),
    [
        (200, {"status": "ready", "circuit": "closed"}, "ok", "the circuit closed"),
        (200, {"status": "ready", "circuit": "open"}, "fail", "the circuit is open"),
        (503, {"detail": "The spool is full.", "circuit": "closed"}, "fail", "The spool is full."),
        (200, {"status": "fine"}, "warn", "another service"),
        (200, ["no object"], "warn", "another service"),
        (503, "<html>", "warn", "another service"),
    ],
    ids=str,
)
def test_what_answers_at_the_port_is_known(
    status: int, body: Any, expected: str, seen: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    with answering(status, text) as port:
        found = host.check_service(patient(PORT=port))

    assert (state(found), seen in found.seen) == (expected, True), found.seen


def test_wrong_settings_are_all_there_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "raw_settings", lambda: {**TEXTS, "SUPABASE_URL": "nowhere"})

    [finding] = examine()

    assert (finding.name, finding.state) == ("settings", "fail")
    assert "SUPABASE_URL" in finding.seen


def test_one_function_and_one_entry_make_a_check() -> None:
    assert {check.__name__ for check in CHECKS} == {
        name
        for module in (setup, project, keys, operation, outside, host, realtime)
        for name in vars(module)
        if name.startswith("check_")
    }
    assert len(diagnose(patient(schema=Unavailable(), backlog=Unavailable()))) >= 5
