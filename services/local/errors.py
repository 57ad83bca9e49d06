"""What goes wrong on a developer's machine, said so that the developer can act on it."""

from __future__ import annotations


class LocalStackError(Exception):
    """The local stack cannot start or go on; the message says why and what to do."""


class StopRequestedError(Exception):
    """A signal asked us to stop before the work was done."""
