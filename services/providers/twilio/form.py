"""What Twilio posts: a form, or JSON where a product of Twilio's sends that."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode

from services.effects import Json
from services.errors import Malformed
from services.inbound import Inbound
from services.validation import parse_object, storable

CONTENT_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 1000
MAX_BYTES = 256 * 1024
"""Of a form; Twilio's have a few thousand. Unescaping more would cost seconds, before any proof."""


class Form(dict[str, list[str]]):
    """The fields of a form with all their values, as the package's validator takes them."""

    def getlist(self, name: str) -> Iterable[str]:
        """Return every value of a field."""
        return self[name]


def fields_of(body: bytes) -> Form:
    """Return the fields exactly as they were signed: blank and repeated ones, nothing trimmed.

    Raises ValueError for more than `MAX_FIELDS` or `MAX_BYTES`.
    """
    if len(body) > MAX_BYTES:
        raise ValueError("The form is too large.")
    text = body.decode("utf-8", "replace")
    form = Form()
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS):
        form.setdefault(name, []).append(value)
    return form


def parse(inbound: Inbound) -> dict[str, Json]:
    """Return what a body holds; of a repeated field the first value. Raises Malformed."""
    if inbound.body.lstrip().startswith(b"{"):
        return {name: _as_in_a_form(value) for name, value in parse_object(inbound.body).items()}
    try:
        form = fields_of(inbound.body)
    except ValueError:
        raise Malformed(f"The form has over {MAX_FIELDS} fields or {MAX_BYTES} bytes.") from None
    return {storable(name): storable(values[0]) for name, values in form.items()}


def _as_in_a_form(value: Json) -> Json:
    """Return a number or boolean of JSON as a form would tell it; all else as it is."""
    return json.dumps(value) if isinstance(value, bool | int | float) else value


def encode(payload: dict[str, Json]) -> bytes:
    """Return the form of an object."""
    return urlencode(payload).encode()
