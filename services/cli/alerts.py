"""`convohooks alerts`: what is wrong, and whether anybody would hear of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer

from services.cli.output import AsJson, fail, print_json, print_lines, print_table
from services.database import Database
from services.errors import ConvohooksError
from services.notifier.messages import Message
from services.notifier.targets import NotSent, Target, targets_of
from services.settings import Settings, load_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List incidents, and try whether alerts arrive.",
)

Most = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most")]
NONE_SET = "Nobody is told: ALERT_WEBHOOK_URL and ALERT_SLACK_URL are not set."


@app.callback()
def alerts() -> None:
    """List incidents, and try whether alerts arrive."""


@app.command("list")
def list_incidents(limit: Most = 20, as_json: AsJson = False) -> None:
    """List what is wrong now, and then what was, newest first."""
    database = Database(_settings())
    try:
        found = database.call("list_incidents", {"most": limit})
    except ConvohooksError as error:
        fail(error.detail)
    finally:
        database.close()
    if as_json:
        print_json(found)
        return
    print_table(
        ("", "what", "found", "began", "ended", "told"),
        [_row(incident) for incident in found],
        empty="Nothing is wrong, and nothing was.",
    )


@app.command("test")
def send_test(as_json: AsJson = False) -> None:
    """Send a test message to everybody who would be told. Exit code 1 unless it arrives."""
    settings = _settings()
    targets = targets_of(settings)
    if not targets:
        fail(NONE_SET)
    outcomes = [{"target": target.name, "error": _try(target, settings)} for target in targets]
    if as_json:
        print_json(outcomes)
    else:
        for outcome in outcomes:
            print_lines(f"{outcome['target']}: {outcome['error'] or 'sent'}")
    if any(outcome["error"] for outcome in outcomes):
        raise typer.Exit(1)


def _settings() -> Settings:
    try:
        return load_settings()
    except ConvohooksError as error:
        fail(error.detail)


def _try(target: Target, settings: Settings) -> str | None:
    """Send one test message; return why it did not arrive."""
    now = datetime.now(UTC)
    incident: dict[str, Any] = {
        "id": str(uuid4()),
        "name": "alerts",
        "severity": "warning",
        "title": "Nothing is wrong",
        "detail": "This message was asked for, to see whether it arrives.",
        "figures": {},
        "began_at": now.isoformat(),
        "ended_at": None,
    }
    message = Message(
        id=str(uuid4()),
        kind="test",
        at=now,
        incident=incident,
        service_url=settings.public_base_url,
    )
    try:
        target.send(message)
    except NotSent as error:
        return error.detail
    return None


def _row(incident: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        "over" if incident["ended_at"] else incident["severity"],
        incident["title"],
        incident["detail"],
        _time(incident["began_at"]),
        _time(incident["ended_at"]),
        _told(incident["notices"]),
    )


def _told(notices: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{one['target']} {one['kind']}: {_state(one)}" for one in notices)


def _state(notice: Mapping[str, Any]) -> str:
    if notice["sent_at"]:
        return "sent"
    if notice["given_up_at"]:
        return f"given up: {notice['last_error']}"
    return f"waits: {notice['last_error']}" if notice["last_error"] else "waits"


def _time(text: str | None) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S") if text else ""
