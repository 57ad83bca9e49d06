"""A visitor of the live page: a browser of their own, and what the page showed in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Self
from urllib.parse import urlsplit

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    WebSocket,
    expect,
)

from tests.e2e.accounts import Account

IN_TIME = 15_000


class Visitor:
    """Acts on the page as a person does, by what can be read on it."""

    def __init__(self, context: BrowserContext, service_url: str) -> None:
        """Open an empty page and write down everything that goes wrong on it."""
        self.page: Page = context.new_page()
        self.service_url = service_url
        self.problems: list[str] = []
        self.hosts: set[str] = set()
        self.sockets: list[WebSocket] = []
        self.frames: list[str] = []
        self.page.set_default_timeout(IN_TIME)
        self.page.on("console", self._read_console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._read_request)
        self.page.on("websocket", self._read_socket)

    def open(self, conversation_id: str) -> Self:
        """Go to the page of a conversation."""
        self.page.goto(f"{self.service_url}/live/{conversation_id}")
        return self

    def sign_in(self, account: Account) -> Self:
        """Fill in the form."""
        self.page.get_by_label("E-mail").fill(account.email)
        self.page.get_by_label("Password").fill(account.password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible(timeout=IN_TIME)
        return self

    def enter_as_guest(self) -> str:
        """Continue without an account; return the id of the anonymous user."""
        with self.page.expect_response(lambda answer: "/auth/v1/signup" in answer.url) as signed_up:
            self.page.get_by_role("button", name="Continue as a guest").click()
        expect(self.page.get_by_text("Guest", exact=True)).to_be_attached(timeout=IN_TIME)
        user_id: str = signed_up.value.json()["user"]["id"]
        return user_id

    def wait_until(self, status: str) -> Self:
        """Wait for the stream to be Live, Reconnecting, …."""
        expect(self.status).to_contain_text(status, timeout=IN_TIME)
        return self

    @property
    def status(self) -> Locator:
        """Where the page says whether it is live."""
        return self.page.locator("#stream-status")

    @property
    def events(self) -> Locator:
        """The items of the event list."""
        return self.page.get_by_role("list", name="Events").locator("> li")

    @property
    def outcome(self) -> Locator:
        """The line that tells what came of the last tool."""
        return self.page.locator("#outcome")

    def event(self, text: str) -> Locator:
        """Return the items of the event list that hold a text."""
        return self.events.filter(has_text=text)

    def sees(self, *texts: str) -> None:
        """Wait until each text is in one event of the list, and in one only."""
        for text in texts:
            expect(self.event(text)).to_have_count(1, timeout=IN_TIME)

    def wait_for_frame(self, part: str) -> None:
        """Wait until the websocket has received a frame that holds a text."""
        if not self.sockets:
            self.page.wait_for_event("websocket")
        if not any(part in frame for frame in self.frames):
            self.sockets[-1].wait_for_event(
                "framereceived", lambda frame: part in str(frame), timeout=IN_TIME
            )

    def changes(self) -> list[str]:
        """Return the ids of the rows that came through the websocket."""
        messages = (json.loads(frame) for frame in self.frames if frame.startswith("["))
        changes = (message[4]["data"] for message in messages if message[3] == "postgres_changes")
        return [change["record"]["id"] for change in changes]

    def foreign_hosts(self, own: Iterable[str]) -> set[str]:
        """Return the hosts that were asked for anything and are none of these addresses'."""
        return self.hosts - {urlsplit(address).netloc for address in own}

    def _read_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _read_socket(self, socket: WebSocket) -> None:
        self.sockets.append(socket)
        socket.on("framereceived", lambda frame: self.frames.append(str(frame)))

    def _read_request(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.hosts.add(urlsplit(request.url).netloc)
