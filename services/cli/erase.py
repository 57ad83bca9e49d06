"""`convohooks erase`: removes a person, and says what it removed and what it cannot reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from services.cli.output import (
    AsJson,
    Yes,
    confirm,
    fail,
    misuse,
    print_json,
    print_lines,
    print_table,
    progress,
)
from services.database import Database
from services.erasure import subject as erasure_subject
from services.erasure.removal import Erasure, Report
from services.erasure.subject import Subject
from services.errors import Unprocessable
from services.settings import Settings, load_settings
from services.wiring.chores import wire_erasure
from services.wiring.parts import wire_spool

app = typer.Typer(add_completion=False)

DELIVERED = "public.webhook_deliveries"


@app.command()
def erase(
    conversation: Annotated[
        str | None, typer.Option(help="The sender's id of a conversation, or our row's")
    ] = None,
    email: Annotated[str | None, typer.Option(help="An address; capitals do not matter")] = None,
    phone: Annotated[str | None, typer.Option(help="A number with its country: +1555…")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go")] = False,
    lift: Annotated[
        str | None, typer.Option(help="Keep again what comes about this: an id that was erased")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a person from everything that is kept, and say what was removed.

    It says first what would go, and asks. Whatever a killed run left undone is done by the next.
    """
    if lift is not None:
        _lift(lift, conversation or email or phone, as_json)
        return
    subject = _subject(conversation, email, phone)
    if as_json and not (yes or dry_run):
        misuse("With --json nobody is asked: say --yes, or --dry-run.")
    settings = load_settings()
    with _erasure(settings) as erasure:
        with progress("Looking") as tell:
            earlier = Counter() if dry_run else erasure.finish(tell)
            look = erasure.preview if dry_run else erasure.look
            plan, found = look(subject, tell)
            endpoints = erasure.endpoints_naming(subject)
        if not dry_run and (found.counts or plan.items):
            _ask(subject, found, yes, as_json)
            with progress("Erasing") as tell:
                found = erasure.erase(subject, plan, tell)
        found = replace(found, counts=earlier + Counter(found.counts))
    unreached = list(_unreached(settings, found, endpoints, dry_run))
    if as_json:
        told = {"conversations": found.conversations, "files_left": found.files_left}
        print_json({"dry_run": dry_run, "removed": found.counts, **told, "unreached": unreached})
        return
    if not found.counts:
        print_lines(f"Nothing of {subject.value} is kept here.")
    else:
        _print("This would be removed." if dry_run else "This was removed.", found)
    typer.echo("\nOut of reach:")
    for sentence in unreached:
        typer.echo(f"- {sentence}")


def _lift(name: str, other: str | None, as_json: bool) -> None:
    if other is not None:
        misuse("--lift takes back what was marked; it erases nothing. Give it alone.")
    with _erasure(load_settings()) as erasure:
        lifted = erasure.lift(name)
    if not lifted:
        fail(f"Nothing called {name} is marked as erased.")
    if as_json:
        print_json({"lifted": lifted})
    else:
        print_lines(f"What comes about {name} from now on is kept again.")


def _ask(subject: Subject, found: Report, yes: bool, as_json: bool) -> None:
    if found.counts:
        if not as_json:
            _print(f"{subject.value}: this would be removed.", found)
        confirm("Remove it for good?", yes)
        return
    if not as_json:
        print_lines(
            f"Nothing of {subject.value} is kept here. To erase it means to mark it: whatever"
            " comes about it is ignored for ever, until --lift takes that back."
        )
    confirm("Mark it all the same?", yes)


def _subject(conversation: str | None, email: str | None, phone: str | None) -> Subject:
    given = {"conversation": conversation, "email": email, "phone": phone}
    named = {kind: text for kind, text in given.items() if text is not None}
    if len(named) != 1:
        misuse("Name one of --conversation, --email and --phone.")
    [(kind, text)] = named.items()
    try:
        subject: Subject = getattr(erasure_subject, kind)(text)
    except Unprocessable as error:
        misuse(error.detail)
    return subject


@contextmanager
def _erasure(settings: Settings) -> Iterator[Erasure]:
    database, spool = Database(settings), wire_spool(settings)
    if settings.spool_path is None or not settings.spool_path.exists():
        spool = None  # made here it would be ours, and the service might not be let in
    erasure = wire_erasure(settings, database, spool)
    try:
        yield erasure
    finally:
        database.close()
        erasure.storage.close()
        if spool:
            spool.close()


def _print(sentence: str, found: Report) -> None:
    print_lines(sentence)
    print_table(("where", "rows"), sorted(found.counts.items()))
    if found.conversations:
        columns = ("conversation_id", "ref", "source", "user_id")
        rows = [[one.get(column) for column in columns] for one in found.conversations]
        print_table(("conversation", "our row", "named by", "whose (user id)"), rows)


def _unreached(
    settings: Settings, found: Report, endpoints: list[str], dry_run: bool
) -> Iterator[str]:
    yield "What the senders keep themselves: Tavus, Twilio, Calendly, Stripe have their own ways."
    if told := found.counts.get(DELIVERED):
        yield f"Whoever was told by some of {told} deliveries: the owners of those endpoints know."
    if endpoints:
        yield f"Endpoints of customers, who name them in their settings: {', '.join(endpoints)}."
    yield "Backups of the database, until they are overwritten; logs, which hold ids."
    yield "The accounts themselves (auth.users, profiles) and tables of your own."
    if settings.spool_path is None:
        yield "Spools of other hosts: run this there too, where SPOOL_PATH is set."
    else:
        yield "Spools of other hosts: run this there too."
    if found.files_left:
        yield f"Folders of Storage ({found.files_left}): a worker empties them as soon as it can."
    if found.counts and not dry_run:
        yield "What is on its way this moment: run this once more in a minute."
