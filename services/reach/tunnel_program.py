"""The programs that make a tunnel: how each is called, and how it tells its address."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.errors import ConvohooksError, Unprocessable
from services.reach.public_url import is_loopback

LONGEST_LINE = 8192
LAST_LINES = 10
MOST_ADDRESSES = 8
"""Addresses that one run of a program may tell; a program that needs more is started again."""
GRACE = 5.0
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ANY_ADDRESS = r"https?://[^\s\"'<>|,;]+"


class TunnelError(ConvohooksError):
    """The tunnel cannot be started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A tunnel program: its command, with `{port}` where the port belongs, and its address's look.

    The first group of `pattern` is the address, else the whole match.
    """

    command: str
    pattern: str = ANY_ADDRESS
    install: str = ""

    def arguments(self, port: int) -> list[str]:
        """Return the command for a port. Raises Unprocessable when it is none."""
        try:
            parts = shlex.split(self.command)
        except ValueError as error:
            raise Unprocessable(f"--command cannot be read: {error}.") from None
        if not parts:
            raise Unprocessable("--command is empty.")
        return [part.replace("{port}", str(port)) for part in parts]


RECIPES = {
    "cloudflared": Recipe(
        command="cloudflared tunnel --no-autoupdate --url http://127.0.0.1:{port}",
        # api.trycloudflare.com is named in its errors.
        pattern=r"https://(?!api\.)[a-z0-9-]+\.trycloudflare\.com",
        install="https://developers.cloudflare.com/cloudflare-one/connections/connect-networks/downloads/",
    ),
    "ngrok": Recipe(
        command="ngrok http {port} --log stdout --log-format logfmt",
        pattern=r"\burl=\"?(https://[^\s\"]+)",
        install="https://ngrok.com/download",
    ),
    "localtunnel": Recipe(
        command="npx --yes localtunnel --port {port}",
        pattern=r"your url is: (https://\S+)",
        install="https://nodejs.org (npx comes with it)",
    ),
}


class Program:
    """A running tunnel program, with all that it starts, and what it says."""

    def __init__(self, recipe: Recipe, port: int, env: Mapping[str, str]) -> None:
        """Start it. Raises TunnelError when there is no such program."""
        self._pattern = re.compile(recipe.pattern)
        self._port = port
        self.urls: list[str] = []
        self.lines: deque[str] = deque(maxlen=LAST_LINES)
        arguments = recipe.arguments(port)
        try:
            self._process = subprocess.Popen(  # noqa: S603 (the command is the person's own)
                arguments,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            told = f" To install it: {recipe.install}" if recipe.install else ""
            raise TunnelError(f"{arguments[0]} cannot be run: {error.strerror}.{told}") from None
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        """What it ended with, None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """End the program and what it has started, by SIGTERM, then by force."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        # Its children may outlive it, and keep the tunnel open.
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _listen(self) -> None:
        """Read what it says, or its pipe fills and it stands still."""
        assert self._process.stdout is not None  # noqa: S101 (it is a pipe)
        with self._process.stdout as output:
            while line := output.readline(LONGEST_LINE):
                text = COLOURS.sub("", line.decode("utf-8", "replace")).strip()
                if text:
                    self.lines.append("".join(filter(str.isprintable, text))[:300])
                    self._note_address(text)

    def _note_address(self, text: str) -> None:
        url = address_in(text, self._pattern, self._port)
        if url and url not in self.urls and len(self.urls) < MOST_ADDRESSES:
            self.urls.append(url)


def address_in(text: str, pattern: re.Pattern[str], port: int) -> str | None:
    """Return the first public address that a line tells, without what comes after the host.

    Plain http is believed of this machine alone; the port that the tunnel leads to is not public.
    """
    for match in pattern.finditer(text):
        url = match[1] if pattern.groups and match[1] else match[0]
        try:
            parts = urlsplit(url)
            is_origin = parts.port == port
        except ValueError:
            continue
        local = is_loopback(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and local)
        if is_safe and parts.hostname and "@" not in parts.netloc and not (local and is_origin):
            return f"{parts.scheme}://{parts.netloc}"
    return None
