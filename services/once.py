"""What is made at first use, once, whichever threads come together."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

Made = TypeVar("Made")


class once(Generic[Made]):
    """A property that is made at first use; `functools.cached_property` lost its lock in 3.12.

    Without one, threads that come first together make several, and a client that nobody keeps
    leaves its connections open. https://docs.python.org/3/library/functools.html
    """

    def __init__(self, make: Callable[[Any], Made]) -> None:
        """Take what makes it."""
        self._make = make
        self._lock = Lock()
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        """Keep its name: what is made lies in the object, and is found there before this."""
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Made:
        """Make it, or return what another thread has made meanwhile."""
        kept: dict[str, Made] = instance.__dict__
        with self._lock:
            if self._name not in kept:
                kept[self._name] = self._make(instance)
        return kept[self._name]
