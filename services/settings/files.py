"""Settings given as files: X_FILE names a file whose text is X, as mounted secrets are.

What is wrong is told by the variable's name alone: who has put a secret where its file's path
belongs is not to find it in a log.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SUFFIX = "_FILE"
LARGEST = 65_536
"""Bytes that a setting's file may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The texts of settings, from which file each came that came from one, and what is wrong."""

    texts: Mapping[str, str]
    files: Mapping[str, str]
    problems: Mapping[str, str]


def resolve(environment: Mapping[str, str], names: Iterable[str]) -> Given:
    """Return the environment with the text of each file that `<name>_FILE` names."""
    texts, problems = dict(environment), {}
    paths = {name: environment.get(name + SUFFIX, "").strip() for name in names}
    files = {name: path for name, path in paths.items() if path}
    for name, path in files.items():
        try:
            texts[name] = _only(name, environment, path)
        except ValueError as error:
            problems[name] = str(error)
    return Given(texts=texts, files=files, problems=problems)


def _only(name: str, environment: Mapping[str, str], path: str) -> str:
    if environment.get(name, "").strip():
        raise ValueError(f"{name} and {name}{SUFFIX} are both set; one is wanted")
    try:
        return _text(path)
    except ValueError as error:
        raise ValueError(f"{name}{SUFFIX} names {error}") from None


def _text(path: str) -> str:
    """Return what a file says. Raises ValueError, whose words follow 'names'."""
    content = _content(path)
    if len(content) > LARGEST:
        raise ValueError(f"a file of more than {LARGEST} bytes")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("a file that is not UTF-8") from None
    if "\x00" in text:
        raise ValueError("a file with a NUL in it, which is no text")
    if not text:
        raise ValueError("an empty file")
    return text


def _content(path: str) -> bytes:
    try:
        # Without waiting: a named pipe that nobody writes would hold the start for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ValueError("a file that is not there") from None
    except PermissionError:
        raise ValueError("a file that this process may not read") from None
    except (OSError, ValueError):
        raise ValueError("no file that can be opened") from None
    try:
        return _read(descriptor)
    except OSError:
        raise ValueError("a file that cannot be read") from None
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        raise ValueError("a folder")
    if not stat.S_ISREG(mode):
        raise ValueError("what is no plain file")
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(LARGEST + 1)
