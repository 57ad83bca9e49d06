"""`convohooks reconcile`: asks Tavus for what lost callbacks left open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from services.chores.reconciler import Look, Reconciler
from services.cli.output import fail, print_json, print_table, progress
from services.settings import load_settings
from services.wiring.chores import wire_reconciler

COLUMNS = ("conversation", "Tavus says", "outcome", "new events", "known events", "error")


def run(conversation: str | None, as_json: bool) -> int:
    """Reconcile one conversation, or every one that lacks something; return the exit code.

    0: all were looked up. 1: something could not be, or there is no such conversation.
    """
    looks: list[Look] = []
    with _reconciler() as reconciler, progress("Asking Tavus") as tell:
        for look in _looks(reconciler, conversation):
            looks.append(look)
            tell(f"{len(looks)} looked up")
    if as_json:
        print_json([_summary(look) for look in looks])
    else:
        empty = "No conversation lacks its end or its transcript."
        print_table(COLUMNS, [_cells(look) for look in looks], empty=empty)
    return 1 if any(look.error for look in looks) else 0


def _looks(reconciler: Reconciler, conversation: str | None) -> Iterator[Look]:
    if conversation is None:
        yield from reconciler.reconcile_all()
        return
    look = reconciler.reconcile(conversation)
    if look is None:
        fail(f"There is no conversation {conversation}.")
    yield look


def _cells(look: Look) -> tuple[object, ...]:
    counts = (look.new, look.duplicates)
    return (look.conversation_id, look.told, look.outcome, *counts, look.error)


def _summary(look: Look) -> dict[str, object]:
    return {name: value for name, value in asdict(look).items() if name != "is_away"}


@contextmanager
def _reconciler() -> Iterator[Reconciler]:
    """Build it as the settings say; end with a sentence where there is no key to ask with."""
    reconciler = wire_reconciler(load_settings())
    if reconciler is None:
        fail("TAVUS_API_KEY is not set.")
    try:
        yield reconciler
    finally:
        reconciler.database.close()
