"""`convohooks send` and `convohooks doctor signature`, against the service of these tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest

from services.cli.send import calls, provider_named
from services.errors import NotFound
from services.local.stack import LocalStack
from services.providers import providers
from services.sending import call_of, renewed, sample, sample_names
from services.settings import load_settings
from tests.command import convohooks
from tests.database.events import rows
from tests.web.caller import SETTINGS

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture(name="environment")
def _environment(stack: LocalStack) -> dict[str, str]:
    return {**os.environ, **stack.env(), **SETTINGS, "COLUMNS": "250"}


@pytest.fixture(name="run")
def _run(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: str) -> CompletedProcess[str]:
        return convohooks(*arguments, env=environment, cwd=tmp_path)

    return run


def sent(done: CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.stderr == ""
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("sender", ["tavus", "twilio", "stripe", "calendly", "messages"])
def test_every_sample_of_a_sender_is_taken(
    run: Run, service_url: str, environment: dict[str, str], sender: str
) -> None:
    done = run("send", sender, "all", "--to", service_url, "--fresh", "--shuffle", "--json")

    provider = next(p for p in providers(load_settings(environment)) if p.name == sender)
    assert done.returncode == 0, done.stdout
    assert sorted(one["event"] for one in sent(done)) == sample_names(provider)
    assert {one["status"] for one in sent(done)} == {200}


def test_repeats_are_one_event_and_fresh_ones_are_several(
    run: Run, service_url: str, db: psycopg.Connection
) -> None:
    def stored() -> int:
        [found] = rows(
            db,
            "select count(*) from private.webhook_inbox where source = 'stripe'"
            " and event_type = 'invoice.paid'",
        )
        return int(found["count"])

    to = ("--to", service_url, "--json")
    run("send", "stripe", "invoice.paid", "--fresh", *to)
    before = stored()
    done = run("send", "stripe", "invoice.paid", "--repeat", "3", *to)
    assert [one["status"] for one in sent(done)] == [200] * 3
    once = stored()
    assert once - before <= 1
    run("send", "stripe", "invoice.paid", "--repeat", "3", "--fresh", *to)
    assert stored() == once + 3


def test_a_field_is_changed(run: Run, service_url: str, db: psycopg.Connection) -> None:
    subject = "CA" + os.urandom(16).hex()
    done = run("send", "twilio", "call.status", "--to", service_url, "--set", f"CallSid={subject}")

    assert done.returncode == 0, done.stdout
    assert len(rows(db, "select 1 from public.calls where call_sid = %s", subject)) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nobody", "all"), "There is no sender 'nobody'; there are: calendly,"),
        (("stripe", "no.such"), "stripe has no sample 'no.such'; there are:"),
        (("stripe", "invoice.paid", "--to", "ftp://x"), "--to wants an http(s) address"),
        (("stripe", "invoice.paid", "--set", "x"), "--set wants path=value"),
    ],
)
def test_what_is_wrong_is_said(run: Run, arguments: tuple[str, ...], told: str) -> None:
    done = run("send", *arguments)

    assert done.returncode == 2
    assert told in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_sender_that_has_no_samples_yet_is_named(environment: dict[str, str]) -> None:
    settings = load_settings(environment)
    desk = replace(provider_named(settings, "messages"), name="desk", samples="desk")
    plain: dict[str, Any] = {"to": None, "settings_of": {}, "repeat": 1}

    with pytest.raises(NotFound, match=r"There are no samples of desk\."):
        calls(settings, desk, ["all"], **plain, fresh=False, shuffle=False)


def test_nobody_there_is_a_failure(run: Run) -> None:
    done = run("send", "stripe", "invoice.paid", "--to", "http://127.0.0.1:9", "--json")

    assert done.returncode == 1
    assert sent(done)[0]["status"] is None


def test_a_captured_call_is_explained(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    settings = load_settings(environment)
    provider = next(p for p in providers(settings) if p.name == "stripe")
    payload = renewed(provider, sample(provider, "invoice.paid"))
    call = call_of(provider, "invoice.paid", payload, settings)
    captured = {"url": call.url, "headers": dict(call.headers), "body": call.body.decode()}
    file = tmp_path / "capture.json"

    file.write_text(json.dumps(captured))
    assert run("doctor", "signature", "stripe", str(file)).returncode == 0

    file.write_text(json.dumps({**captured, "body": json.dumps(payload, indent=2)}))
    done = run("doctor", "signature", "stripe", str(file), "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [one["cause"] for one in told["findings"]] == ["the body was parsed and written again"]


def test_people_read_why_a_call_does_not_verify(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    provider = next(p for p in providers(load_settings(environment)) if p.name == "stripe")
    theirs = load_settings({**environment, "STRIPE_WEBHOOK_SECRET": "whsec_of-somebody-else"})
    call = call_of(provider, "invoice.paid", sample(provider, "invoice.paid"), theirs)
    captured = {"url": call.url, "headers": dict(call.headers), "body": call.body.decode()}
    file = tmp_path / "capture.json"

    file.write_text(json.dumps(captured))
    unexplained = run("doctor", "signature", "stripe", str(file))
    explained = run(
        "doctor", "signature", "stripe", str(file), "--secret", "whsec_of-somebody-else"
    )

    assert (unexplained.returncode, explained.returncode) == (1, 1)
    assert "no usual mistake explains it" in unexplained.stdout
    assert "(try it with --secret)" in unexplained.stdout
    assert "what is wrong" in explained.stdout
    assert "the call is signed with secret 1 of those you gave" in explained.stdout
    assert "add that secret to STRIPE_WEBHOOK_SECRET" in explained.stdout
    assert "of-somebody-else" not in explained.stdout


def test_twilio_signed_for_another_address_is_explained(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    settings = load_settings({**environment, "PUBLIC_BASE_URL": "https://old.example.test"})
    provider = next(p for p in providers(settings) if p.name == "twilio")
    call = call_of(provider, "call.status", sample(provider, "call.status"), settings)
    captured = {"url": call.url, "headers": dict(call.headers), "body": call.body.decode()}
    file = tmp_path / "capture.json"
    file.write_text(json.dumps(captured))

    done = run("doctor", "signature", "twilio", str(file), "--json")

    assert done.returncode == 1
    causes = [one["cause"] for one in json.loads(done.stdout)["findings"]]
    assert any("signed for https://old.example.test" in cause for cause in causes)


@pytest.mark.parametrize(("sender", "told"), [("nobody", "no sender"), ("stripe", "capture")])
def test_a_wrong_question_is_named(run: Run, tmp_path: Path, sender: str, told: str) -> None:
    file = tmp_path / "capture.json"
    file.write_text("nonsense")

    done = run("doctor", "signature", sender, str(file))

    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
