"""The account of a run, to be read by people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields

from rich.console import Console
from rich.table import Table

from tests.chaos.books import Account, Books
from tests.chaos.hearing import Hearing, Outbox
from tests.chaos.leases import Fence
from tests.chaos.load import Load
from tests.chaos.plan import Plan
from tests.receivers import Receiver


def show(seed: int, plan: Plan, happened: Counter[str], disk: str) -> None:
    """Print what went wrong, and how often and how long."""
    table = Table("Fault", "Times", "Seconds", title=f"Seed {seed}; the disk: {disk}")
    lasted: Counter[str] = Counter()
    for step in plan.spells:
        lasted[step.fault] += round(step.seconds)
    for fault, times in sorted(happened.items()):
        table.add_row(fault, str(times), str(lasted[fault] or ""))
    Console(width=110).print(table)


def show_account(load: Load, books: Books, account: Account, fence: Fence) -> None:
    """Print what became of the events."""
    table = Table("Events", "", title="Account")
    states = Counter(books.states.values())
    figures = {
        "sent": len(load.sent),
        "acknowledged": len(load.acknowledged),
        "stored": len(books.stored),
        **{f"- {state}": count for state, count in states.most_common()},
        "effects": books.effects.total(),
        "late finishes refused": fence.refused,
        "late finishes accepted": fence.accepted,
        **{field.name: len(getattr(account, field.name)) for field in fields(account)},
        **{f"tried again: {error}": count for error, count in books.errors.most_common()},
        **{f"answered {said}": count for said, count in load.answers.most_common()},
    }
    _print(table, figures)


def show_hearing(outbox: Outbox, hearing: Hearing, receiver: Receiver) -> None:
    """Print what became of telling others."""
    heard = Counter(receiver.ids)
    types = Counter(delivery.event_type for delivery in outbox.deliveries)
    figures = {
        "deliveries": len(outbox.deliveries),
        **{f"- {event_type}": count for event_type, count in types.most_common()},
        "webhooks": len(heard),
        "calls": heard.total(),
        "forged": len(receiver.forged),
        **{field.name: len(getattr(hearing, field.name)) for field in fields(hearing)},
    }
    _print(Table("Webhooks to customers", "", title="What was heard"), figures)


def _print(table: Table, figures: Mapping[str, int]) -> None:
    for name, figure in figures.items():
        table.add_row(name, str(figure))
    Console(width=110).print(table)
