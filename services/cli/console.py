"""What the commands print: in colour on a terminal, plainly elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from services.local.parts import Part


class Screen:
    """The person's terminal, which may go away at any time without anything else failing."""

    def __init__(self, console: Console | None = None) -> None:
        """Print to standard output, or to the console given."""
        self._console = console or Console(highlight=False)
        self._status: Status | None = None

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        self._print(f"[{style}]{escape(text)}[/]" if style else escape(text))

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
            self._status.start()
        try:
            yield
        finally:
            self.settle()

    def settle(self) -> None:
        """Show no longer that something takes its time."""
        if self._status:
            self._status.stop()
            self._status = None

    def _print(self, text: str) -> None:
        try:
            self._console.print(text, soft_wrap=True)
        except OSError:
            # The terminal was closed; what we have started is still to be stopped.
            return
