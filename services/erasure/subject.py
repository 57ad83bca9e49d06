"""Whom to erase: a conversation, an e-mail address or a telephone number; and where one is named.

The database finds rows by a rough pattern. Whether they name this person and not a longer number,
or a longer address, is decided here, on each text after its JSON, form or URL encoding is undone.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote_plus

from services.errors import Unprocessable

Kind = Literal["conversation", "email", "phone", "id", "column"]

DEEPEST = 8
"""Encodings within encodings that are undone."""
SHORTEST_NAME = 12
"""Letters and digits in a row that make an id one of its kind; less is anybody's word."""
WIDEST = 255
"""Repetitions that Postgres allows in a pattern."""

_EMAIL = re.compile(r"[^\s@<>\"(),:;\\]{1,64}@(?:[\w-]+\.)+[\w-]{2,}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_PHONE_SCHEMES = ("tel:", "whatsapp:", "sms:", "mobile:")
# What people write between the digits of a number.
_BETWEEN = r"[\s().\-/\u00a0\u2010-\u2015]{0,3}"
# The same as JSON's \uxxxx, %xx or \ooo, which have digits too; a bound would cost Postgres more.
_BETWEEN_ENCODED = r"(?:[^0-9]|u[0-9A-Fa-f]{4}|%(?:25)*[0-9A-Fa-f]{2}|\\[0-7]{3})*"
_TELLING = re.compile(rf"(?=[a-z]*[0-9])(?=[0-9]*[a-z])[0-9a-z]{{{SHORTEST_NAME},}}", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Seconds, milliseconds or microseconds since 1970, which no telephone number looks like.
_MOMENT = re.compile(r"1[0-9]{9}([0-9]{3}){0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What names somebody; `value` is in its one spelling."""

    kind: Kind
    value: str

    @property
    def pattern(self) -> str:
        """What finds at least every place, in a row's JSON or body as Postgres searches it."""
        if self.kind == "phone":
            return _BETWEEN_ENCODED.join(self.value.lstrip("+"))
        if self.kind == "column":
            return '": "' + re.sub(r"[^0-9A-Za-z]", ".{1,12}", self.value) + '"'
        # Whatever is no ASCII letter or digit may be written in some encoding.
        plain = re.sub(r"^[^0-9A-Za-z]+|[^0-9A-Za-z]+$", "", self.value)
        return re.sub(r"[^0-9A-Za-z]+", lambda found: _encoded(found[0]), plain)

    def is_named_in(self, value: object) -> bool:
        """Whether a JSON value names it: as a whole word, never as a part of another."""
        if self.kind == "column":
            return self.value in texts_of(value)
        token = _token(self)
        return any(_names(self, token, text) for text in texts_of(value))


def conversation(text: str) -> Subject:
    """Return a conversation, by its sender's id or our row's. Raises Unprocessable."""
    if not text.strip() or len(text) > 500:
        raise Unprocessable("--conversation wants the id of a conversation.")
    return Subject(kind="conversation", value=text.strip())


def email(text: str) -> Subject:
    """Return an address; capitals make no difference, a +tag does. Raises Unprocessable."""
    # Not casefold(), which makes two letters of an ß: that is another address.
    address = text.strip().lower().removeprefix("mailto:")
    if not _EMAIL.fullmatch(address):
        raise Unprocessable(f"--email wants an address like ada@example.test, found {text!r}.")
    return Subject(kind="email", value=address)


def phone(text: str) -> Subject:
    """Return a number in E.164, however it was formatted. Raises Unprocessable without +country."""
    number = text.strip().lower()
    for scheme in _PHONE_SCHEMES:
        number = number.removeprefix(scheme)
    digits = re.sub(_BETWEEN.removesuffix("{0,3}"), "", number)
    digits = re.sub(r"^00", "+", digits)
    if not _PHONE.fullmatch(digits):
        raise Unprocessable(f"--phone wants a number like +15550000002, found {text!r}.")
    return Subject(kind="phone", value=digits)


def identifier(text: str) -> Subject:
    """Return what a sender calls a call, a message, a booking or a payment."""
    return Subject(kind="id", value=text)


def column(text: str) -> Subject:
    """Return an id that says little by itself: it names a thing only as all of a column."""
    return Subject(kind="column", value=text)


def is_telling(name: str) -> bool:
    """Whether an id cannot stand in a text by chance, or because somebody chose a word for one."""
    return bool(_UUID.search(name) or _TELLING.search(name))


def texts_of(value: object, depth: int = 0) -> Iterator[str]:
    """Yield every text of a JSON value, names of fields too, with what is encoded in it."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from texts_of(item, depth)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_of(item, depth)
    elif isinstance(value, str):
        yield value
        if depth < DEEPEST:
            for inner in _decoded(value):
                yield from texts_of(inner, depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _digits_of(value)


def body_of(encoded: str) -> str:
    """Return a stored body (base64) as text; what is no UTF-8 keeps its ASCII."""
    body = b64decode(encoded)
    if body[1:2] == b"\0" or body[:1] == b"\0":
        return body.decode("utf-16-le" if body[1:2] == b"\0" else "utf-16-be", "replace")
    return body.decode("utf-8", "replace")


def _whole(digits: str) -> int:
    # Python refuses thousands of them.
    return int(digits[:40])


def _digits_of(number: float) -> Iterator[str]:
    """Yield a whole number as text: people's numbers come as JSON numbers too."""
    # A whole number may be larger than any float.
    is_whole = isinstance(number, int) or number.is_integer()
    if is_whole and not _MOMENT.fullmatch(whole := str(int(number))):
        yield whole


def _decoded(text: str) -> Iterator[object]:
    if text.lstrip()[:1] in ("{", "[", '"'):
        try:
            yield json.loads(text, strict=False, parse_int=_whole)
        except (ValueError, RecursionError):
            # Broken JSON, or a part of some: its escapes still are.
            if "\\" in text:
                yield _unescaped(text)
    elif "\\" in text:
        yield _unescaped(text)
    if "=" in text and " " not in text and "\n" not in text:
        yield dict(enumerate(part for pair in parse_qsl(text) for part in pair))
    elif "%" in text and (plain := unquote_plus(text)) != text:
        yield plain


def _unescaped(text: str) -> str:
    # Only from the first of many backslashes on: else each of them is gone through to the last.
    text = re.sub(r"(?<!\\)\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"(?<!\\)\\+[nrtbf\"]", " ", re.sub(r"(?<!\\)\\+/", "/", text))


def _encoded(signs: str) -> str:
    """Return a pattern for signs as they are, as UTF-8 in %xx or \\ooo, or as JSON's \\uxxxx."""
    units = len(signs.encode("utf-16-le", "surrogatepass")) // 2
    return f".{{1,{min(12 * units, WIDEST)}}}"


def _token(subject: Subject) -> re.Pattern[str]:
    escaped = re.escape(subject.value)
    if subject.kind == "phone":
        number = _BETWEEN.join(subject.value.lstrip("+"))
        return re.compile(rf"(?<![0-9])(?:\+|00){_BETWEEN}{number}(?![0-9])")
    if subject.kind == "email":
        # A quotation mark may stand around an address, and within one.
        before = r"(?<![\w.!#$%&*+^~-])(?<!\w')"
        return re.compile(rf"{before}{escaped}(?![\w-])(?!\.\w)", re.IGNORECASE)
    return re.compile(rf"(?<![\w-]){escaped}(?![\w-])")


def _names(subject: Subject, token: re.Pattern[str], text: str) -> bool:
    if token.search(text):
        return True
    # Without its + a number is one only where it is all there is: it might be a time, or a price.
    bare = re.sub(r"[\s()-]|@[\w.]+$", "", text)
    return subject.kind == "phone" and bare == subject.value[1:]


def rough(subjects: list[Subject]) -> str:
    """Return one pattern for all of them."""
    return "|".join(f"({subject.pattern})" for subject in subjects)


def is_any_named(subjects: list[Subject], row: Mapping[str, Any]) -> bool:
    """Whether a row, its body as text, names one of them."""
    return any(subject.is_named_in(row) for subject in subjects)
