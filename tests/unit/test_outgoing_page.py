"""docs/outgoing.md tells what is sent, and how it is asked for, as the code has it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.outgoing.endpoint_request import EVENT_TYPES, EndpointFields, EventType
from services.outgoing.samples import sample
from services.outgoing.schedule import WAITS
from services.outgoing.signing import signed_headers
from services.settings import load_settings

PAGE = Path("docs/outgoing.md").read_text()
ENV = {
    "SUPABASE_URL": "https://p.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
}


def cells(heading: str) -> list[list[str]]:
    """Return the rows of the table below a heading."""
    section = re.split(r"\n#+ ", PAGE.partition(f"# {heading}\n")[2])[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_event_and_no_other_is_listed() -> None:
    assert [row[0] for row in cells("What is sent")] == [f"`{name}`" for name in EVENT_TYPES]


@pytest.mark.parametrize("event_type", [t for t in EVENT_TYPES if not t.startswith("message.")])
def test_fields_of_an_event_are_listed(event_type: EventType) -> None:
    [row] = [row for row in cells("What is sent") if row[0] == f"`{event_type}`"]

    assert re.findall(r"`(\w+)`", row[2]) == list(sample(event_type)["data"])


def test_fields_of_a_message_are_listed() -> None:
    payload = sample("message.created")
    wanted = {*payload, *(f"data.{name}" for name in payload["data"]), "data.filename"} - {"data"}

    assert {row[0].strip("`") for row in cells("Messages")} == wanted


def test_fields_of_an_endpoint_are_listed() -> None:
    assert {row[0].strip("`") for row in cells("Set up")} == {
        "url",
        "headers",
        *EndpointFields.model_fields,
    }


def test_headers_are_those_that_are_sent() -> None:
    now = datetime.now(UTC)
    sent = signed_headers(
        webhook_id="m", event_type="t", body=b"", secrets=["whsec_c2VjcmV0"], at=now, own={}
    )

    told = [row[0].strip("`") for row in cells("Headers and signature")]

    assert sorted(told) == sorted(sent)


def test_example_is_a_message() -> None:
    [example] = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    told, message = json.loads(example), sample("message.created")

    assert told.keys() == message.keys()
    assert told["data"].keys() == {*message["data"], "filename"}


def test_defaults_are_those_of_the_settings() -> None:
    settings = load_settings(ENV)

    assert f"`WEBHOOK_RATE_PER_MINUTE`, {settings.webhook_rate_per_minute} |" in PAGE
    assert f"`WEBHOOK_CONCURRENCY`, {settings.webhook_concurrency} |" in PAGE
    assert f"{settings.webhook_timeout:g} seconds (`WEBHOOK_TIMEOUT`)" in PAGE
    assert f"`WEBHOOK_DISABLE_AFTER_HOURS` ({settings.webhook_disable_after_hours})" in PAGE
    assert f"`API_REQUESTS_PER_MINUTE` ({settings.api_requests_per_minute})" in PAGE
    assert f"`[{', '.join(f'{wait:g}' for wait in WAITS)}]`" in PAGE
