"""What the commands print: in colour on a terminal, plainly elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from services.local.parts import Part
from services.plain import printable


class Screen:
    """The person's terminal, which may go away at any time without anything else failing."""

    def __init__(self, console: Console | None = None) -> None:
        """Print to standard output, or to the console given."""
        self._console = console or Console(highlight=False)
        self._status: Status | None = None

    def say(self, text: str, style: str = "") -> None:
        """Print lines, which others may have told: a part's log holds what came in."""
        shown = escape(printable(text, "\n"))
        self._print(f"[{style}]{shown}[/]" if style else shown)

    def report(self, part: Part, what: str, seconds: float) -> None:
        """Print what became of a part."""
        if what != "ready":
            self.say(f"{part.name} {what}", "yellow")
        elif part.once:
            self._print(f"[green]done [/]  {part.name:<10} {seconds:5.1f} s")
        else:
            self._print(f"[green]ready[/]  {part.name:<10} {seconds:5.1f} s")

    def table(self, title: str, rows: Mapping[str, str]) -> None:
        """Print names and values, each value on one line so that it can be copied whole."""
        self._print(f"\n[bold]{escape(title)}[/]")
        width = max(map(len, rows))
        for name, value in rows.items():
            self._print(f"  {name:<{width}}  [cyan]{escape(value)}[/]")

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show on a terminal that something takes its time, until left or `settle`."""
        self._status = self._console.status(text) if self._console.is_terminal else None
        if self._status:
            with suppress(OSError):
                self._status.start()
        try:
            yield
        finally:
            self.settle()

    def settle(self) -> None:
        """Show no longer that something takes its time."""
        status, self._status = self._status, None
        if status:
            with suppress(OSError):
                status.stop()

    def _print(self, text: str) -> None:
        # Who reads may be gone, and rich then ends the program; what we have started is still to
        # be looked after, and to be stopped.
        with suppress(OSError, SystemExit):
            self._console.print(text, soft_wrap=True)
