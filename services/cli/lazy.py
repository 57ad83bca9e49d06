"""The commands that are imported when they are called: what they need takes a while to import."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from services.cli.output import IS_JSON, fail
from services.errors import ConvohooksError

SENTENCES = {
    "alerts": "List incidents, and try whether alerts arrive.",
    "replay": "Have stored events handled again: by id, by a filter, or every dead one.",
    "erase": "Remove a person from everything that is kept, and say what was removed.",
    "events": "List, show and purge stored events.",
    "spool": "List, show, retry and discard spooled events that Supabase would not store.",
    "tools": "Register the agent's tools at Tavus.",
    "objectives": "Make objectives at Tavus, and list them.",
    "persona": "Make the demo's persona at Tavus.",
    "callbacks": "Keep the callback URLs at Tavus right.",
    "calendly": "Have Calendly call this service.",
    "send": "Send samples, signed as their sender would. Exit code 1 unless all are taken.",
    "reseal": "Seal endpoints' secrets with the first WEBHOOK_SECRETS_KEY.",
    "tunnel": "Give the service a public address, check it, and let Tavus follow when it changes.",
}
"""What `--help` says of each; the module of that name in this package has its `app`."""


class LazyGroup(TyperGroup):
    """Knows these commands by their sentences, and imports the one that is called."""

    def __init__(self, **options: Any) -> None:
        """List them after those that were given."""
        super().__init__(**options)
        for name, sentence in SENTENCES.items():
            self.add_command(TyperCommand(name, help=sentence))

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what it raises is a sentence to the caller, not a traceback."""
        IS_JSON.set(False)
        try:
            return super().invoke(ctx)
        except ConvohooksError as error:
            fail(error.detail)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, itself."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, imported(name) if name in SENTENCES else command, rest


def imported(name: str) -> Any:
    """Return a command that is listed here, with what it needs."""
    return get_command(import_module(f"services.cli.{name}").app)
