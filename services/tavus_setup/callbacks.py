"""Callback URLs at Tavus: which of them lead to us, and which to where we no longer are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from services.clients.tavus import TavusClient
from services.errors import BadGateway, ConvohooksError, SettingsError
from services.providers.tavus.reading import QUALIFICATION_PATH, WEBHOOK_PATH
from services.reach.public_url import is_loopback, public_url
from services.redaction import mask_sentence
from services.settings import Settings
from services.tavus_setup.resources import first_text, place, read_one

Json = Any
Row = dict[str, Json]
Kind = Literal["objective", "guardrail"]
Outcome = Literal["current", "changed", "unchanged", "to change", "other", "none", "failed"]

OUR_PATHS = (WEBHOOK_PATH, QUALIFICATION_PATH)
LONGEST_URL = 2048
KINDS: dict[Kind, str] = {"objective": "/objectives", "guardrail": "/guardrails"}
IDS = ("uuid", "objectives_id", "guardrails_id", "guardrail_id", "id")
NAMES = ("objective_name", "objectives_name", "guardrail_name", "guardrails_name", "name")
OF_A_GUARDRAIL = ("guardrail_prompt", "callback_url")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One callback URL at Tavus and what became of it.

    `current` leads here; `other` leads elsewhere and is left alone; `none` is absent; `unchanged`
    is what Tavus said of a change. `was` is shown without query, where tokens are.
    """

    kind: Kind
    set_id: str
    name: str
    pointer: str
    was: str | None
    outcome: Outcome
    reason: str = ""


def callback_url(settings: Settings, base_url: str | None = None) -> str:
    """Return the URL for objectives and guardrails, which cannot carry a conversation's own token.

    Raises SettingsError where no callback could come of it.
    """
    base = base_url or public_url(settings)
    if not settings.tavus_webhook_tokens:
        raise SettingsError("TAVUS_WEBHOOK_TOKEN is not set: callbacks to a URL would get 401.")
    if is_loopback(base) and not is_loopback(settings.tavus_base_url):
        raise SettingsError(
            f"{base} is this machine's own address: Tavus cannot reach it. Set PUBLIC_BASE_URL, or "
            "run `convohooks tunnel` in this folder."
        )
    url = f"{base}{WEBHOOK_PATH}?{urlencode({'t': settings.tavus_webhook_tokens[0]})}"
    if len(url) > LONGEST_URL:
        raise SettingsError(f"The callback URL is longer than Tavus takes ({LONGEST_URL}).")
    return url


def sync_callbacks(
    client: TavusClient,
    settings: Settings,
    *,
    base_url: str | None = None,
    every: bool = False,
    dry_run: bool = False,
) -> list[Callback]:
    """Make what leads to us lead to where we are; return every callback URL there is.

    With `every`, what has no URL gets ours. What fails does not keep the others from being changed.
    """
    sync = _Sync(client, settings, callback_url(settings, base_url), every, dry_run)
    return [callback for kind in KINDS for callback in sync.kind(kind)]


def shown(url: Json) -> str | None:
    """Return a URL as it may be shown: without user, query and fragment."""
    if not isinstance(url, str) or not url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "not a URL"
    return f"{parts.scheme}://{host}{parts.path}"[:300]


def judge(url: Json, wanted: str) -> Outcome:
    """Tell whether a URL leads to us (`current`), used to (`to change`), or is none of ours."""
    if url is None or url == "":
        return "none"
    try:
        told, ours = urlsplit(url), urlsplit(wanted)
        if not told.path.endswith(OUR_PATHS) or told.scheme not in DEFAULT_PORTS:
            return "other"
        is_current = _address(told) == _address(ours) and _token(told) == _token(ours)
    except (ValueError, TypeError, AttributeError):
        return "other"
    return "current" if is_current else "to change"


@dataclass(frozen=True, slots=True)
class _Sync:
    client: TavusClient
    settings: Settings
    wanted: str
    every: bool
    dry_run: bool

    def kind(self, kind: Kind) -> Iterator[Callback]:
        try:
            rows = list(self.client.pages(KINDS[kind]))
        except ConvohooksError as error:
            yield self._failed(kind, "", f"all {kind}s", error)
            return
        for row in rows:
            try:
                callbacks = self._judged(kind, row)
            except ConvohooksError as error:
                yield self._failed(kind, first_text(row, IDS) or "", _name(row), error)
            else:
                yield from self._changed(callbacks)

    def _judged(self, kind: Kind, row: Row) -> list[Callback]:
        set_id = first_text(row, IDS)
        if set_id is None:
            raise BadGateway("Tavus told no id of it.")
        return [
            Callback(
                kind=kind,
                set_id=set_id,
                name=_name(item),
                pointer=pointer,
                was=shown(item.get("callback_url")),
                outcome=judge(item.get("callback_url"), self.wanted),
            )
            for pointer, item in _items(kind, self._whole(kind, set_id, row))
        ]

    def _whole(self, kind: Kind, set_id: str, row: Row) -> Row:
        """Return an object with its items or its URL, which a list may leave out."""
        if isinstance(row.get("data"), list) or any(name in row for name in OF_A_GUARDRAIL):
            return row
        return read_one(self.client, KINDS[kind], set_id)

    def _changed(self, callbacks: list[Callback]) -> list[Callback]:
        due = [callback for callback in callbacks if self._is_due(callback)]
        outcome, reason = self._patch(due) if due else ("current", "")
        return [
            replace(callback, outcome=outcome, reason=reason) if callback in due else callback
            for callback in callbacks
        ]

    def _is_due(self, callback: Callback) -> bool:
        return callback.outcome == "to change" or (self.every and callback.outcome == "none")

    def _patch(self, due: list[Callback]) -> tuple[Outcome, str]:
        """Change the URLs of one set in one call."""
        if self.dry_run:
            return "to change", ""
        operations = [
            # `replace` fails where there is none.
            {
                "op": "add" if callback.was is None else "replace",
                "path": callback.pointer,
                "value": self.wanted,
            }
            for callback in due
        ]
        try:
            answer = self.client.patch(place(KINDS[due[0].kind], due[0].set_id), operations)
        except ConvohooksError as error:
            return "failed", mask_sentence(error.detail, self.settings.tavus_webhook_tokens)
        return ("unchanged" if answer is None else "changed"), ""

    def _failed(self, kind: Kind, set_id: str, name: str, error: ConvohooksError) -> Callback:
        reason = mask_sentence(error.detail, self.settings.tavus_webhook_tokens)
        return Callback(
            kind=kind,
            set_id=set_id,
            name=name,
            pointer="",
            was=None,
            outcome="failed",
            reason=reason,
        )


def _items(kind: Kind, row: Row) -> Iterator[tuple[str, Row]]:
    """Yield what holds a callback URL, with the URL's place in the object."""
    data = row.get("data")
    if isinstance(data, list):
        for index, item in enumerate(data):
            if isinstance(item, dict):
                yield f"/data/{index}/callback_url", item
    elif kind == "guardrail":
        yield "/callback_url", row


def _name(row: Row) -> str:
    return first_text(row, NAMES) or "unnamed"


def _address(parts: SplitResult) -> tuple[str, str | None, int | None, str]:
    """Return what a URL leads to, apart from how it is written; a user in it is another place."""
    path = parts.path.removesuffix(WEBHOOK_PATH).removesuffix(QUALIFICATION_PATH)
    user, _, _ = parts.netloc.rpartition("@")
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    return parts.scheme, parts.hostname, port, user + path


def _token(parts: SplitResult) -> list[str]:
    return parse_qs(parts.query).get("t", [])
