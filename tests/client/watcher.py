"""A client in a process of Node: supabase-js, the built package, and what they were told."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from services.local.stack import LocalStack
from services.local.toolchain import node
from tests.client_package import CLIENT, node_modules
from tests.e2e.accounts import Account

PATIENCE = 20.0
# So that a test need not wait as long as a page does.
TIMING = {"live": 1000, "poll": 500, "retry": 200, "sweep": 1500, "overlap": 1000}
EVENTS = "processed_webhook_events"


class Watcher:
    """One Supabase client; its watches are numbered in the order they were begun."""

    def __init__(self, stack: LocalStack, **options: Any) -> None:
        """Start it; `tokens` are told it in place of sessions, `hasRealtime` may be False."""
        node_modules()
        told = {"url": stack.url, "key": stack.publishable_key, "hasRealtime": True, **options}
        command = [str(node()), "tests/driver.ts", json.dumps(told)]
        self.process = subprocess.Popen(
            command,
            cwd=CLIENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told: list[dict[str, Any]] = []
        self.watches = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._asked = 0
        self._news = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def do(self, command: str, *given: Any) -> Any:
        """Let it do something, and return what came of it; raises RuntimeError when that failed."""
        answer = self._answer(self._ask(command, *given), command)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("result")

    def start(self, command: str, *given: Any) -> Callable[[], Any]:
        """Let it begin something; what is returned waits for its end."""
        number = self._ask(command, *given)
        return lambda: self._answer(number, command).get("result")

    def sign_in(self, account: Account) -> Watcher:
        """Sign in with e-mail and password."""
        assert self.do("signIn", account.email, account.password) is None
        return self

    def watch(self, kind: str, *given: Any, **options: Any) -> int:
        """Begin a watch, whose handlers come after what it is of; return its number."""
        self.watches += 1
        timing = {**TIMING, **options.pop("timing", {})}
        told = {"timing": timing, **options}
        self.do("watch", self.watches, kind, *given, "handlers", told)
        return self.watches

    def calls(self, name: str, watch: int = 1) -> list[list[Any]]:
        """Return what a handler was given, call by call."""
        with self._news:
            told = [one for one in self.told if one["watch"] == watch and one["name"] == name]
        return [one["given"] for one in told]

    def events(self, watch: int = 1) -> list[dict[str, Any]]:
        """Return the events that were handed over, in the order they came."""
        return [event for rows, _ in self.calls("onEvents", watch) for event in rows]

    def said(self, watch: int = 1) -> list[str]:
        """Return what the events say that `say` made."""
        return [event["event_data"]["said"] for event in self.events(watch)]

    def last(self, name: str, watch: int = 1) -> Any:
        """Return what a handler was given last; None when it was not called."""
        calls = self.calls(name, watch)
        return calls[-1][0] if calls else None

    def statuses(self, watch: int = 1) -> list[str]:
        """Return every status in its order."""
        return [status for (status,) in self.calls("onStatus", watch)]

    def wait_until(self, condition: Callable[[], Any], patience: float = PATIENCE) -> Watcher:
        """Wait until something that was told makes the condition true."""
        end = time.monotonic() + patience
        with self._news:
            while not condition():
                left = end - time.monotonic()
                if left <= 0 or not self._listener.is_alive():
                    raise AssertionError(f"in vain; it was told\n{self._tail()}")
                self._news.wait(min(left, 0.5))
        return self

    def wait_live(self, watch: int = 1, times: int = 1) -> Watcher:
        """Wait until the watch has become live so many times."""
        return self.wait_until(lambda: self.statuses(watch).count("live") >= times)

    def close(self) -> None:
        """Stop every watch: no channel or timer may be left, and nothing have failed unheard."""
        for number in range(1, self.watches + 1):
            self.do("stop", number)
        assert self.do("left") == [0, 0]
        self.start("leave")
        code = self.process.wait(10)
        assert self.process.stderr is not None
        assert (code, self.process.stderr.read()) == (0, "")

    def kill(self) -> None:
        """End the process, whatever it is at."""
        self.process.kill()
        self.process.wait()
        self._listener.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()

    def _ask(self, command: str, *given: Any) -> int:
        self._asked += 1
        assert self.process.stdin is not None
        message = {"id": self._asked, "command": command, "given": given}
        self.process.stdin.write(f"{json.dumps(message)}\n")
        self.process.stdin.flush()
        return self._asked

    def _answer(self, number: int, command: str) -> dict[str, Any]:
        self.wait_until(lambda: number in self._answers)
        return self._answers.pop(number)

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            message = json.loads(line)
            with self._news:
                if "watch" in message:
                    self.told.append(message)
                else:
                    self._answers[message["id"]] = message
                self._news.notify_all()

    def _tail(self) -> str:
        return "\n".join(json.dumps(one)[:300] for one in self.told[-20:])
