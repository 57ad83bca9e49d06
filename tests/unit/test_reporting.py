"""What Sentry is told: types, places and ids; nothing that anybody said."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import structlog

from services.chores.chore import Chore
from services.cli.worker import reported
from services.errors import SettingsError, Unavailable
from services.events import WebhookEventProcessingService
from services.settings import Settings
from services.telemetry import logs, reporting
from services.worker import Worker
from tests.in_process import EVENT_ID, PATH, TOKEN, UTTERANCE, client, due, failing, settings_of
from tests.providers.tavus_samples import Rows
from tests.telemetry_fakes import TelemetryServer

HOSTILE = "hostile words of a person"
BODY = {
    "event_type": UTTERANCE,
    "conversation_id": "c-1",
    "seq": 1,
    "properties": {"role": "user", "speech": HOSTILE, "secret": HOSTILE},
}


@pytest.fixture(name="sentry")
def _sentry() -> Iterator[TelemetryServer]:
    with TelemetryServer() as sentry:
        yield sentry


@pytest.fixture(name="settings")
def _settings(sentry: TelemetryServer) -> Iterator[Settings]:
    settings = settings_of(SENTRY_DSN=sentry.dsn, SENTRY_ENVIRONMENT="staging")
    reporting.configure(settings, "webhook")
    logs.configure_command()
    yield settings
    reporting.configure(settings_of(), "webhook")
    logs.reset()


def told(sentry: TelemetryServer) -> list[dict[str, Any]]:
    """Return what it was told; whatever it was, nothing hostile was in any byte."""
    reporting.flush()
    for words in (HOSTILE, HOSTILE.replace(" ", "%20"), HOSTILE.split()[0], TOKEN):
        assert words.encode() not in sentry.all_bytes
    return sentry.events()


def test_handler_that_fails_is_told_with_the_tags_of_the_seed(
    sentry: TelemetryServer, settings: Settings
) -> None:
    answer = client(settings, failing(ValueError(HOSTILE))).post(
        PATH, query_string={"t": TOKEN}, json=BODY, headers={"X-Request-ID": "request-1"}
    )

    [event] = told(sentry)
    assert answer.get_json() == {"received": True, "outcome": "failed"}
    assert event["tags"] == {
        "component": "webhook",
        "context": "handler",
        "event_type": UTTERANCE,
        "source": "tavus",
        "event_id": EVENT_ID,
        "request_id": "request-1",
    }
    assert event["extra"] == {"conversation_id": "c-1"}
    assert event["environment"] == "staging"
    assert event["release"].startswith("convohooks@")
    [error] = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("ValueError", "")
    assert [frame["function"] for frame in error["stacktrace"]["frames"]][-1] == "fail"
    assert not any("vars" in frame for frame in error["stacktrace"]["frames"])


def test_error_that_nobody_foresaw_is_told_once(
    sentry: TelemetryServer, settings: Settings
) -> None:
    answer = client(settings).get(
        f"/broken/{HOSTILE}", query_string={"t": TOKEN, "q": HOSTILE}, headers={"Cookie": HOSTILE}
    )

    [event] = told(sentry)
    assert answer.status_code == 500
    assert event["tags"]["context"] == "unforeseen"
    assert event["tags"]["request_id"] == answer.headers["X-Request-ID"]
    assert "request" not in event


def test_what_caused_an_error_is_told_without_its_words_too(
    sentry: TelemetryServer, settings: Settings
) -> None:
    try:
        try:
            raise KeyError(HOSTILE)
        except KeyError as cause:
            cause.add_note(HOSTILE)
            raise RuntimeError(HOSTILE) from cause
    except RuntimeError:
        structlog.get_logger().exception("chore failed", chore="test", words=HOSTILE)

    [event] = told(sentry)
    assert [error["type"] for error in event["exception"]["values"]] == ["KeyError", "RuntimeError"]
    assert event["tags"]["chore"] == "test"


def test_lines_before_are_breadcrumbs_without_contents(
    sentry: TelemetryServer, settings: Settings
) -> None:
    log = structlog.get_logger()
    log.warning("circuit open", to="Supabase", reason=HOSTILE, source=HOSTILE)
    log.error("unforeseen", exc_info=ValueError(HOSTILE))

    crumbs = told(sentry)[-1]["breadcrumbs"]["values"]
    assert crumbs[-1]["message"] == "circuit open"
    assert crumbs[-1]["data"] == {"to": "Supabase"}


def test_hostile_names_are_not_told(sentry: TelemetryServer, settings: Settings) -> None:
    facts = {"conversation_id": HOSTILE, "event_type": HOSTILE, "source": "é", "body": HOSTILE}
    reporting.report("A sentence of ours.", context="test", **facts)

    [event] = told(sentry)
    assert set(event["tags"]) == {"component", "context"}
    assert "extra" not in event or event["extra"] == {}


class OneEvent:
    """A database with one event that is due, and its last try."""

    def claim_events(self, *_: object) -> list[dict[str, Any]]:
        return [due(BODY, headers={"x-request-id": "request-1"}, tries=6)]

    def finish_events(self, claim: str, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"id": EVENT_ID, "outcome": "dead"}]


def test_last_attempt_that_fails_and_the_dead_letter_are_told(
    sentry: TelemetryServer, settings: Settings
) -> None:
    worker = Worker(
        database=OneEvent(),  # type: ignore[arg-type]
        events=WebhookEventProcessingService(lookups=Rows()),
        providers=[failing(KeyError(HOSTILE))],
    )

    worker.work()

    retry, dead = told(sentry)
    assert retry["tags"]["context"] == "retry"
    assert retry["exception"]["values"][0]["type"] == "KeyError"
    assert dead["tags"]["context"] == "dead letter"
    assert dead["tags"]["event_id"] == EVENT_ID
    assert dead["tags"]["request_id"] == "request-1"
    assert dead["extra"] == {"attempt": "6"}


@pytest.mark.parametrize(("error", "times"), [(ZeroDivisionError(HOSTILE), 1), (Unavailable(), 0)])
def test_chore_with_a_defect_is_told_and_an_outage_is_not(
    sentry: TelemetryServer, settings: Settings, error: Exception, times: int
) -> None:
    stopping = threading.Event()

    def work() -> bool:
        stopping.set()
        raise error

    Chore(name="test", every=0.0, work=work).run(stopping)

    assert [event["tags"]["context"] for event in told(sentry)] == ["chore failed"] * times


def test_what_ends_the_worker_is_told_before_it_ends(
    sentry: TelemetryServer, settings: Settings
) -> None:
    with pytest.raises(ValueError, match=HOSTILE), reported():
        raise ValueError(HOSTILE)

    assert [event["tags"]["context"] for event in sentry.events()] == ["worker failed"]
    assert HOSTILE.encode() not in sentry.all_bytes


def test_without_a_dsn_nothing_is_told(sentry: TelemetryServer) -> None:
    reporting.configure(settings_of(), "webhook")

    client(settings_of()).get("/broken/word")

    assert told(sentry) == []


@pytest.mark.parametrize(
    "dsn",
    [
        "secret-key",
        "https://sentry.example.test/1",
        "https://secret-key@sentry.example.test",
        "https://secret-key@sentry.example.test/project",
        "https://secret-key@sentry.example.test:port/1",
        "https://secret-key@/1",
        "ftp://secret-key@sentry.example.test/1",
    ],
)
def test_dsn_that_is_none_stops_the_start(dsn: str) -> None:
    with pytest.raises(SettingsError, match="SENTRY_DSN") as told:
        settings_of(SENTRY_DSN=dsn)

    assert "secret-key" not in str(told.value)
