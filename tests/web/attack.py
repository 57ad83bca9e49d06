"""Schemathesis as the tests call it: from a process of its own, as somebody, on some operations.

It is also what signs the calls as their senders do, where it attacks what senders call.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemathesis
from requests import PreparedRequest
from requests.auth import AuthBase

from services.local import checkout
from services.provider import Call
from services.providers import providers
from services.settings import Settings, load_settings
from tests.web.caller import SETTINGS

SENDERS = ("Tavus", "Stripe", "Calendly", "Twilio", "Sources")
SIGNS = "ATTACK_AS_SENDERS"
NEEDED = {
    "SUPABASE_URL": "https://project.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_of_nobody",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_of_nobody",
}
# What was asked and what was answered is what a failure is read by.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
)
OF_PROOFS = ("missing_required_header", "ignored_auth")
"""Checks that leave a proof out, which is of no use where each call is signed on its way."""
ALL = ("coverage", "fuzzing", "stateful")
QUICK = ("fuzzing", "stateful")
"""Without what tries each bound of each field: once in a run is enough of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Who attacks what, and how: `tokens` by the names of the security schemes."""

    url: str
    tokens: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    not_tags: tuple[str, ...] = ()
    phases: tuple[str, ...] = ALL
    examples: int = 3
    seconds: int | None = None
    signs: bool = False


def attack(told: Attack, folder: Path) -> subprocess.CompletedProcess[str]:
    """Attack the service; the process ends with 1 and the failed calls when something is wrong."""
    config = folder / "schemathesis.toml"
    config.write_text(_config(told))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [f"{told.url}/openapi.json", "--url", told.url, "--continue-on-failure"]
    checks = CHECKS if told.signs else (*CHECKS, *OF_PROOFS)
    command += ["--checks", ",".join(checks), "--phases", ",".join(told.phases)]
    command += ["--max-examples", str(told.examples), "--workers", "2", "--no-color"]
    command += ["--max-time", str(told.seconds)] if told.seconds else ["--seed", "1"]
    command += [part for tag in told.tags for part in ("--include-tag", tag)]
    command += [part for tag in told.not_tags for part in ("--exclude-tag", tag)]
    env = {**os.environ, "PYTHONPATH": str(checkout.ROOT), "SCHEMATHESIS_HOOKS": __name__}
    env |= {SIGNS: "1"} if told.signs else {}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def _config(told: Attack) -> str:
    lines = ["warnings = false", "[output.sanitization]", "enabled = false"]
    lines += ["[parameters]", '"path.source" = "messages"']
    for name, token in told.tokens.items():
        kind = "api_key" if name.endswith("-t") else "bearer"
        lines += [f'[auth.openapi."{name}"]', f'{kind} = "{token}"']
    return "\n".join([*lines, ""])


def _is_binary(body: str | bytes) -> bool:
    return isinstance(body, bytes) and "\ufffd" in body.decode(errors="replace")


class Signature(AuthBase):
    """Signs a call as the sender does whose path it is for."""

    def __init__(self, settings: Settings) -> None:
        """Take the secrets."""
        self._settings = settings
        self._by_path = {path: one for one in providers(settings) for path in one.paths}

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Return the request, signed."""
        provider = self._by_path.get(request.path_url.partition("?")[0])
        body = request.body or b""
        # What is no UTF-8 some senders cannot sign: it goes unsigned.
        if provider is None or _is_binary(body):
            return request
        call = Call(
            url=self._settings.public_base_url + request.path_url,
            body=body.encode() if isinstance(body, str) else body,
            headers={},
        )
        signed = provider.sign(call, self._settings)
        request.headers.update(signed.headers)
        host = (request.url or "").partition(request.path_url)[0]
        request.url = host + signed.url.removeprefix(self._settings.public_base_url)
        return request


if SIGNS in os.environ:
    _signature = Signature(load_settings({**NEEDED, **SETTINGS}))

    @schemathesis.hook
    def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
        """Sign the call that is about to be made."""
        kwargs["auth"] = _signature
