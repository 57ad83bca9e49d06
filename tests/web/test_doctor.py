"""`convohooks doctor` against a real stack: all ok when it is, and what is broken named."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
import jwt
import psycopg
import pytest

from services.local.stack import LocalStack
from services.schema_version import SCHEMA_VERSION
from tests.command import convohooks
from tests.database.events import new_conversation_id
from tests.redis_server import redis_server
from tests.stack import start_service
from tests.web.caller import SETTINGS

QUIET = """
    update private.webhook_inbox set state = 'processed', next_attempt_at = null
    where state in ('received', 'failed', 'dead');
    update private.realtime_minutes set changes = 0, peak = 0;
    delete from private.delivery_queue;
    delete from public.webhook_endpoints
"""

A_WORKER = """
    select public.report_process(jsonb_build_object(
        'process_id', gen_random_uuid(), 'kind', 'worker', 'host', 'test', 'started_at', now()
    ))
"""

Doctor = Callable[..., CompletedProcess[str]]


@pytest.fixture(name="port", scope="module")
def _port(stack: LocalStack) -> Iterator[str]:
    """Where the service of these tests listens."""
    service = start_service(stack, **SETTINGS)
    yield service.url.rpartition(":")[2]
    service.kill()


@pytest.fixture(name="doctor")
def _doctor(stack: LocalStack, port: str, db: psycopg.Connection, tmp_path: Path) -> Doctor:
    """Runs the command with the settings of `make dev`, but for what is named."""
    db.execute(QUIET)
    db.execute(A_WORKER)
    own = {**os.environ, **stack.env(), **SETTINGS, "PORT": port, "COLUMNS": "250"}

    def run(*arguments: str, **env: str) -> CompletedProcess[str]:
        return convohooks("doctor", *arguments, env={**own, **env}, cwd=tmp_path)

    return run


def findings(done: CompletedProcess[str]) -> dict[str, Any]:
    assert done.stderr == ""
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def failed(done: CompletedProcess[str]) -> list[str]:
    assert done.returncode == 1
    return [name for name, finding in findings(done).items() if finding["state"] == "fail"]


@contextmanager
def changed(db: psycopg.Connection, change: str, back: str) -> Iterator[None]:
    db.execute(change)
    try:
        yield
    finally:
        db.execute(back)


def test_what_make_dev_runs_is_all_ok(doctor: Doctor) -> None:
    done = doctor("--json")

    odd = [f for f in findings(done).values() if f["state"] not in ("ok", "skip")]
    assert odd == []
    assert json.loads(done.stdout)["ok"] is True
    assert done.returncode == 0
    assert len(findings(done)) >= 12


def test_table_is_for_people(doctor: Doctor) -> None:
    done = doctor()

    assert done.returncode == 0
    assert "how to mend it" in done.stdout
    assert SCHEMA_VERSION in done.stdout


def test_no_secret_is_shown(doctor: Doctor, stack: LocalStack) -> None:
    secrets = [stack.secret_key, *SETTINGS["TAVUS_WEBHOOK_TOKEN"].split(",")]

    for told in (doctor().stdout, doctor("--json").stdout):
        assert not [secret for secret in secrets if secret in told]


def test_key_that_is_not_the_projects(doctor: Doctor, stack: LocalStack) -> None:
    unknown = doctor("--json", SUPABASE_SECRET_KEY="sb_secret_of-somebody-else")
    forged = jwt.encode({"role": "service_role"}, "x" * 32)
    signed = jwt.encode({"role": "anon", "exp": time.time() + 60}, stack.jwt_secret)

    assert failed(unknown) == ["service key"]
    assert failed(doctor("--json", SUPABASE_SECRET_KEY=forged)) == ["service key"]
    assert failed(doctor("--json", SUPABASE_SECRET_KEY=signed)) == ["service key"]


def test_address_of_nobody(doctor: Doctor, port: str) -> None:
    assert failed(doctor("--json", SUPABASE_URL="http://127.0.0.1:9")) == ["supabase"]
    another = doctor("--json", SUPABASE_URL=f"http://127.0.0.1:{port}")
    assert failed(another) == ["supabase"]


def test_schema_of_another_version(doctor: Doctor, db: psycopg.Connection) -> None:
    comment = "comment on function public.describe_schema() is '{}'"
    with changed(db, comment.format("older"), comment.format(SCHEMA_VERSION)):
        done = doctor("--json")

    assert failed(done) == ["schema"]
    assert "older" in findings(done)["schema"]["seen"]


def test_schema_that_is_not_there(
    doctor: Doctor, db: psycopg.Connection, stack: LocalStack
) -> None:
    reload = "; notify pgrst, 'reload schema'"
    away = f"alter function public.describe_schema() rename to absent{reload}"
    back = f"alter function public.absent() rename to describe_schema{reload}"
    with changed(db, away, back):
        # Else it may learn of this when all is well again, in the middle of the next test.
        until(lambda: postgrest_says(stack), "PGRST202")
        done = failed(doctor("--json"))
    assert done == ["schema"]
    until(lambda: doctor().returncode, 0)


def postgrest_says(stack: LocalStack) -> str | None:
    """Return the code of the error for who calls the function that doctor looks for."""
    headers = {"apikey": stack.secret_key, "Authorization": f"Bearer {stack.secret_key}"}
    answer = httpx.post(f"{stack.url}/rest/v1/rpc/describe_schema", headers=headers).json()
    code: str | None = answer.get("code")
    return code


def until(look: Callable[[], Any], wanted: Any) -> Any:
    """Look until it is so; PostgREST takes a moment to learn of a change."""
    deadline = time.monotonic() + 20
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, seen
    return seen


def test_table_that_realtime_does_not_carry(doctor: Doctor, db: psycopg.Connection) -> None:
    publication = "alter publication supabase_realtime {} table public.feedback_sessions"
    with changed(db, publication.format("drop"), publication.format("add")):
        done = doctor("--json")

    assert failed(done) == ["realtime"]
    assert "add table feedback_sessions" in findings(done)["realtime"]["mend"]


def test_no_worker(doctor: Doctor, db: psycopg.Connection) -> None:
    due = """
        insert into private.webhook_inbox
            (source, event_key, event_type, body, body_sha256, state, next_attempt_at)
        values ('tavus', %s, 'x', '', 'x', 'failed', now() - interval '2 minutes')
    """
    db.execute(due, [new_conversation_id()])

    done = doctor("--json")

    assert failed(done) == ["worker"]


def test_service_that_cannot_take_events(doctor: Doctor, stack: LocalStack) -> None:
    cut_off = start_service(stack, **SETTINGS, SUPABASE_URL="http://127.0.0.1:9")
    try:
        done = doctor("--json", PORT=cut_off.url.rpartition(":")[2])
    finally:
        cut_off.kill()

    assert failed(done) == ["service"]


def test_redis_is_found_and_missed(doctor: Doctor, tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        there = doctor("--json", RATE_LIMIT_STORAGE_URL=redis.url)
        redis.kill()
        gone = doctor("--json", RATE_LIMIT_STORAGE_URL=redis.url)

    assert there.returncode == 0
    assert failed(gone) == ["rate limits"]


def test_settings_that_are_missing(doctor: Doctor) -> None:
    done = doctor("--json", SUPABASE_SECRET_KEY="", PORT="eighty")

    assert failed(done) == ["settings"]
    assert "SUPABASE_SECRET_KEY" in findings(done)["settings"]["seen"]
    assert "PORT" in findings(done)["settings"]["seen"]
