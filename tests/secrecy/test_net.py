"""The net catches: whatever is planted in a log or a row, however it is written."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest

from services.local.stack import LocalStack
from services.security import callback_token
from tests.secrecy import net, output
from tests.secrecy.known import Known

SECRET = "planted/secret+for=tests é"
TEXT = "planted-secret-0123456789"
KEY = "planted-callback-key"


@pytest.fixture(name="known")
def _known() -> Known:
    """Secrets of this test's own: what it plants is no leak of the run."""
    known = Known()
    known.note(
        {"METRICS_TOKEN": TEXT, "STRIPE_WEBHOOK_SECRET": SECRET, "CALLBACK_SIGNING_KEY": KEY}
    )
    return known


@pytest.fixture(name="table")
def _table(db: psycopg.Connection) -> Iterator[str]:
    db.execute("create table private.planted (note text, told jsonb, raw bytea, many text[])")
    yield "private.planted"
    db.execute("drop table private.planted")


WRITTEN = {
    "clear": lambda secret: secret.encode(),
    "in JSON": lambda secret: json.dumps({"a": f"x{secret}y"}).encode(),
    "in JSON, letters as they are": lambda secret: json.dumps(
        [secret], ensure_ascii=False
    ).encode(),
    "as escapes": lambda secret: "".join(f"\\u{ord(c):04x}" for c in secret).encode(),
    "percent-encoded": lambda secret: quote(secret, safe="").encode(),
    "percent-encoded, but its slashes": lambda secret: quote(secret).encode(),
    "hex": lambda secret: secret.encode().hex().encode(),
    "hex in capitals": lambda secret: secret.encode().hex().upper().encode(),
    "base64": lambda secret: base64.b64encode(secret.encode()),
    "base64, one byte later": lambda secret: base64.b64encode(b"x" + secret.encode() + b"yz"),
    "base64, two bytes later": lambda secret: base64.b64encode(b"xx" + secret.encode() + b"y"),
    "UTF-16": lambda secret: f'"{secret}"'.encode("utf-16-le"),
    "UTF-16 the other way round": lambda secret: f'"{secret}"'.encode("utf-16-be"),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()),
}


@pytest.mark.parametrize("secret", [TEXT, SECRET], ids=["plain", "odd"])
def test_secret_in_bytes_is_found_however_it_is_written(
    stack: LocalStack, db: psycopg.Connection, known: Known, secret: str
) -> None:
    ways = {f"w{n}": write(secret) for n, write in enumerate(WRITTEN.values())}
    db.execute(f"create table private.ways ({', '.join(f'{way} bytea' for way in ways)})")
    db.execute(
        f"insert into private.ways values ({', '.join(['%s'] * len(ways))})", [*ways.values()]
    )

    try:
        found = net.leaks(stack, known)
    finally:
        db.execute("drop table private.ways")

    places = {leak.place.removeprefix("private.ways.") for leak in found}
    assert [name for name, way in zip(WRITTEN, ways, strict=True) if way not in places] == []
    assert places == {*ways}


def test_every_kind_of_column_and_every_log_is_searched(
    stack: LocalStack, db: psycopg.Connection, known: Known, table: str
) -> None:
    db.execute(
        f"insert into {table} values (%s, %s, %s, %s)",
        (f"a {TEXT} b", json.dumps({"deep": [TEXT]}), TEXT.encode(), ["x", TEXT]),
    )
    folder = stack.state.folder / "service-planted" / "logs"
    folder.mkdir(parents=True)
    log = folder / "service-planted.log"
    log.write_text(f'{{"event": "webhook"}}\n{{"event": "oops", "url": "/?t={TEXT}"}}\n')

    try:
        found = net.leaks(stack, known)
    finally:
        log.unlink()

    places = [leak.place for leak in found]
    assert places == [
        "log of service-planted",
        *(f"private.planted.{column}" for column in ("many", "note", "raw", "told")),
    ]
    assert {leak.secret for leak in found} == {"METRICS_TOKEN"}
    assert '"event": "oops"' in str(found[0])
    assert TEXT not in str(found)


@pytest.mark.parametrize("broken", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_no_break_of_a_line_hides_a_secret(
    stack: LocalStack, db: psycopg.Connection, known: Known, table: str, broken: str
) -> None:
    db.execute(f"insert into {table} (note) values (%s)", (f"a{broken}{TEXT}",))

    assert {leak.place for leak in net.leaks(stack, known)} == {"private.planted.note"}


def test_one_place_that_is_full_of_leaks_hides_no_other(
    stack: LocalStack, db: psycopg.Connection, known: Known, table: str
) -> None:
    db.execute(
        f"insert into {table} (many) select array[g::text, %s] from generate_series(1, 60) g",
        (TEXT,),
    )
    db.execute(f"insert into {table} (note) values (%s)", (TEXT,))

    with pytest.raises(AssertionError, match=r"many.*METRICS_TOKEN[\s\S]*note: METRICS_TOKEN"):
        net.check(stack, known)


def test_token_of_a_conversation_is_found(
    stack: LocalStack, db: psycopg.Connection, known: Known, table: str
) -> None:
    row = uuid4()
    db.execute("insert into public.conversations (id) values (%s)", (row,))
    db.execute(
        f"insert into {table} (note) values (%s)", (f"?c={row}&t={callback_token(KEY, row)}",)
    )

    [leak] = net.leaks(stack, known)

    assert (leak.place, leak.secret) == ("private.planted.note", f"callback token of {row}")


def test_a_leak_ends_the_run_with_its_place(
    stack: LocalStack, db: psycopg.Connection, known: Known, table: str
) -> None:
    db.execute(f"insert into {table} (note) values (%s)", (TEXT,))

    with pytest.raises(AssertionError, match=r"private\.planted\.note: METRICS_TOKEN, clear"):
        net.check(stack, known)


def test_secrets_are_known_by_every_kind_of_setting() -> None:
    known = Known()
    known.note(
        {
            "TAVUS_WEBHOOK_TOKEN": "token-number-one, token-number-two\ntoken-number-three",
            "TWILIO_SHARED_KEYS": "id-of-the-key=shared-key-one,other=shared-key-two",
            "WEBHOOK_SOURCES": json.dumps({"a": {"secret": "source-secret-one,source-secret-two"}}),
            "DATABASE_URL": "postgresql://somebody:the%20password@127.0.0.1/x",
            "SENTRY_DSN": "https://sentry-key@errors.example.test/1",
            "ALERT_SLACK_URL": "https://hooks.example.test/services/T0/B0/slack-path?key=slack-key",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://us:collector-key@traces.example.test/v1",
            "METRICS_TOKEN": "short",
            "PUBLIC_BASE_URL": "https://hooks.example.test",
        }
    )

    assert set(known.names) == {
        *("token-number-one", "token-number-two", "token-number-three"),
        *("shared-key-one", "shared-key-two", "source-secret-one", "source-secret-two"),
        *("the password", "sentry-key", "key=slack-key", "slack-path", "collector-key"),
    }


def test_every_place_that_is_left_out_has_its_reason() -> None:
    assert all(len(reason) > 20 for reason in net.MEANT.values())


def test_folder_of_the_logs_is_the_one_that_is_searched(stack: LocalStack) -> None:
    """A net over nothing catches nothing."""
    logs = {path.stem for path in Path(stack.state.folder).glob("**/*.log")}

    assert {"postgres", "gateway"} <= logs


def test_secret_in_what_a_test_prints_is_found(known: Known) -> None:
    sections = [
        ("Captured stdout call", f'{{"event": "webhook", "url": "/?t={TEXT}"}}\n'),
        ("Captured log call", base64.b64encode(f"a {TEXT}".encode()).decode()),
        ("Captured stderr call", "nothing"),
    ]

    assert output.shown(sections, known) == [
        "Captured stdout call: METRICS_TOKEN, clear",
        "Captured log call: METRICS_TOKEN, base64",
    ]


def test_test_that_prints_a_secret_fails(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "from tests.secrecy.known import KNOWN\n\n\n"
        "def test_it():\n"
        f"    KNOWN.note({{'METRICS_TOKEN': '{TEXT}'}})\n"
        f"    print('{TEXT}')\n"
    )
    options = ("-q", "-p", "tests.secrecy.output", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--rootdir={tmp_path}", str(tmp_path)],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1, done.stdout
    assert "test_it shows secrets:" in done.stdout
    assert "Captured stdout call: METRICS_TOKEN, clear" in done.stdout
