"""Why a captured call does not verify: the usual causes tried one by one, nothing weakened.

Each trial asks the sender's own verifier about the call as it would be without one mistake. What
verifies then names the mistake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from services.errors import Malformed, SettingsError, Unauthorized
from services.inbound import Inbound
from services.provider import Call, Provider
from services.settings import Settings, given, load_settings

# Signatures with a time in them: `t=1700000000,v1=…`, and Standard Webhooks' own header.
_TIMES = ("stripe-signature", "calendly-webhook-signature", "webhook-timestamp")
_TIME = re.compile(r"(?:^|[,\s])(?:t=)?([0-9]{9,11})(?:$|[,\s])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A call as somebody wrote it down."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake that explains why the call was refused, and how to mend it."""

    cause: str
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Whether the call verifies as it is; if not, every single mistake that explains it."""

    verifies: bool
    findings: tuple[Finding, ...] = ()


def read_capture(text: str, *, now: datetime | None = None) -> Captured:
    """Return a captured call: JSON {url, headers, body} or a raw HTTP request.

    Raises Malformed, saying what is missing.
    """
    at = now or datetime.now(UTC)
    return _from_json(text, at) if text.lstrip().startswith("{") else _from_http(text, at)


def diagnose(
    captured: Captured,
    provider: Provider,
    environment: Mapping[str, str],
    *,
    other_secrets: Sequence[str] = (),
) -> Diagnosis:
    """Try a call as it is, then without each usual mistake. Raises SettingsError."""
    settings = load_settings(environment)
    if _verifies(captured, provider, settings):
        return Diagnosis(verifies=True)
    trials = (
        *_of_urls(captured, settings),
        *_of_bodies(captured),
        *_of_clocks(captured),
        *_of_settings(given(environment).texts, other_secrets),
    )
    findings = [
        finding for finding, change in trials if _explains(change, captured, provider, settings)
    ]
    if not findings and not _has_proof(captured, provider, settings):
        findings = [
            Finding(
                cause="the call carries no signature or token of this sender",
                mend="look whether a proxy drops its header, and whether the sender signs at all",
            )
        ]
    # Of several ways in which a body may have changed the plainest is enough.
    plainest = {finding.mend: finding for finding in reversed(findings)}
    return Diagnosis(verifies=False, findings=tuple(reversed(plainest.values())))


Trial = tuple[Finding, dict[str, Any]]


def _of_urls(captured: Captured, settings: Settings) -> Iterator[Trial]:
    """Try other public addresses: where the URL is signed, ours must be the one that was called."""
    parts, public = urlsplit(captured.url), urlsplit(settings.public_base_url)
    hosts = {public.netloc, parts.netloc, captured.headers.get("host", ""), parts.hostname or ""}
    hosts |= {captured.headers.get("x-forwarded-host", "")}
    hosts |= {f"{host}:{port}" for host in list(hosts) if ":" not in host for port in (443, 80)}
    for host in sorted(filter(None, hosts)):
        for scheme in ("https", "http"):
            base = f"{scheme}://{host}{public.path}"
            if base != settings.public_base_url:
                ours = settings.public_base_url
                cause = f"the sender signed for {base}, PUBLIC_BASE_URL is {ours}"
                mend = f"set PUBLIC_BASE_URL={base}, or give the sender the address that is set"
                yield Finding(cause=cause, mend=mend), {"public_base_url": base}


def _of_bodies(captured: Captured) -> Iterator[Trial]:
    mend = "verify the raw bytes as they came; let nothing between sender and service change them"
    for cause, body in _other_bodies(captured.body):
        if body != captured.body:
            yield Finding(cause=cause, mend=mend), {"call": replace(captured, body=body)}


def _other_bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "the body has gained white space at its end", body.rstrip()
    yield "the body has lost a line end", body + b"\n"
    yield "the body's line ends were changed", body.replace(b"\r\n", b"\n")
    yield "the body has gained a byte order mark", body.removeprefix(b"\xef\xbb\xbf")
    try:
        value = json.loads(body)
    except ValueError:
        return
    for indent in (None, 2, 4):
        for separators in ((",", ":"), None):
            for ascii_only in (True, False):
                written = json.dumps(
                    value, indent=indent, separators=separators, ensure_ascii=ascii_only
                )
                yield "the body was parsed and written again", written.encode("utf-8", "replace")


def _of_clocks(captured: Captured) -> Iterator[Trial]:
    for told in _times(captured):
        seconds = round(abs((captured.at - told).total_seconds()))
        finding = Finding(
            cause=f"the signature is of {told.isoformat()}, {seconds} s from the call's arrival",
            mend="compare this machine's clock (timedatectl); that a capture is old is no fault",
        )
        yield finding, {"call": replace(captured, at=told)}


def _times(captured: Captured) -> Iterator[datetime]:
    for name in _TIMES:
        for found in _TIME.finditer(captured.headers.get(name, "")):
            yield datetime.fromtimestamp(int(found.group(1)), UTC) + timedelta(seconds=1)


def _of_settings(environment: Mapping[str, str], others: Sequence[str]) -> Iterator[Trial]:
    for name in _secret_names(environment):
        bare = environment[name].strip().strip("\"'").strip()
        if bare != environment[name]:
            cause = f"{name} has white space or quotation marks around it"
            yield Finding(cause=cause, mend=f"remove them from {name}"), {name: bare}
        for number, secret in enumerate(others, start=1):
            finding = Finding(
                cause=f"the call is signed with secret {number} of those you gave, not with {name}",
                mend=f"add that secret to {name}, separated by a comma, while both are in use",
            )
            yield finding, {name: secret.strip()}


def _secret_names(environment: Mapping[str, str]) -> list[str]:
    endings = ("_SECRET", "_TOKEN", "_KEY", "_KEYS")
    ours = ("SUPABASE", "METRICS", "OPENAI")
    return [name for name in environment if name.endswith(endings) and not name.startswith(ours)]


def _explains(
    change: Mapping[str, Any], captured: Captured, provider: Provider, settings: Settings
) -> bool:
    try:
        changed = _settings(change, settings)
    except SettingsError:
        return False  # that setting takes no such secret, so it is not the one
    return _verifies(change.get("call", captured), provider, changed)


def _settings(change: Mapping[str, Any], settings: Settings) -> Settings:
    if "public_base_url" in change:
        return replace(settings, public_base_url=change["public_base_url"])
    told = {name: value for name, value in change.items() if name != "call"}
    if not told:
        return settings
    base = {
        "SUPABASE_URL": settings.supabase_url,
        "SUPABASE_SECRET_KEY": settings.supabase_secret_key,
        "SUPABASE_PUBLISHABLE_KEY": settings.supabase_publishable_key,
        "PUBLIC_BASE_URL": settings.public_base_url,
    }
    return load_settings({**base, **told})


def _verifies(captured: Captured, provider: Provider, settings: Settings) -> bool:
    try:
        provider.verify(_inbound(captured), settings)
    except Unauthorized:
        return False
    return True


def _has_proof(captured: Captured, provider: Provider, settings: Settings) -> bool:
    call = Call(url=settings.public_base_url, body=captured.body, headers={})
    signed = provider.sign(call, settings)
    names = {name.lower() for name in signed.headers}
    return bool(names & set(captured.headers)) or "t=" in urlsplit(captured.url).query


def _inbound(captured: Captured) -> Inbound:
    parts = urlsplit(captured.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return Inbound(
        method="POST",
        path=parts.path,
        query=dict(reversed(parse_qsl(parts.query, keep_blank_values=True))),
        headers=captured.headers,
        body=captured.body,
        received_at=captured.at,
        target=target,
    )


def _from_json(text: str, at: datetime) -> Captured:
    try:
        told = json.loads(text)
    except ValueError as error:
        raise Malformed(f"The capture is no JSON: {error}.") from None
    if not isinstance(told.get("url"), str) or not isinstance(told.get("headers"), dict):
        raise Malformed("The capture wants a url and headers {name: value}, and a body.")
    body = told.get("body", "")
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {str(name).lower(): str(value) for name, value in told["headers"].items()}
    return Captured(url=told["url"], headers=headers, body=content.encode(), at=at)


def _from_http(text: str, at: datetime) -> Captured:
    head, found, body = text.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    words = first.split(" ")
    if not found or len(words) < 2:
        raise Malformed("The capture is neither JSON nor an HTTP request with an empty line in it.")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    url = words[1] if "://" in words[1] else f"https://{headers.get('host', 'unknown')}{words[1]}"
    return Captured(url=url, headers=headers, body=body.encode(), at=at)
