"""One way to call a vendor's HTTP API: key, timeout, retries where they are safe, a pace, a circuit
breaker, our errors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
import structlog
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from services.clients.pace import Pace
from services.errors import BadGateway, ConvohooksError, Unavailable
from services.once import once
from services.outage.breaker import Breaker

CONNECT, READ = 3.05, 15.0
"""Seconds until the vendor takes the connection, and between two bytes of its answer."""
LONGEST_WAIT = 5
"""Seconds of a Retry-After that are waited out; a longer one is for the caller to wait."""
UNCHANGED = 304
AWAY_SECONDS = 30.0
"""Seconds that a vendor is left alone after five failures in a row."""

log = structlog.get_logger()

Json = Any
Explain = Callable[[int, str], ConvohooksError | None]


class ApiRefused(BadGateway):
    """The vendor refused the call."""

    def __init__(self, detail: str, status: int) -> None:
        """Keep the vendor's status; our own answer is 502."""
        super().__init__(detail)
        self.vendor_status = status


class _Failed(Exception):
    """The vendor answered that it failed: for the circuit breaker no answer."""

    def __init__(self, answer: requests.Response) -> None:
        super().__init__()
        self.answer = answer


class ApiClient:
    """Calls one vendor. Only reads are repeated by it, after 429, 502, 503 and 504.

    Every method raises Unavailable when the vendor cannot be reached (a call that was sent may
    have been carried out) or has not been for a while, TooManyRequests when a call would wait too
    long for its turn, ApiRefused when the vendor answers 4xx or 5xx or no JSON, and whatever
    `explain(status, sentence)` returns for a refusal in place of ApiRefused.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        explain: Explain = lambda status, sentence: None,
        read_timeout: float = READ,
        pace: Pace | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        """Keep the address and headers; connect later, after gunicorn has forked.

        Without a `pace` the vendor alone says how often it may be called.
        """
        self._name = name
        self._base_url = base_url.rstrip("/")
        self._headers = {"User-Agent": "Convohooks", "Accept": "application/json", **headers}
        self._explain = explain
        self._timeout = (CONNECT, read_timeout)
        self._pace = pace
        self._breaker = breaker or Breaker(name=name, seconds=AWAY_SECONDS)

    @once
    def _session(self) -> requests.Session:
        retry = Retry(
            total=2,
            allowed_methods={"GET"},
            status_forcelist={429, 502, 503, 504},
            backoff_factor=0.3,
            raise_on_status=False,
            retry_after_max=LONGEST_WAIT,
        )
        session = requests.Session()
        session.headers.update(self._headers)
        session.trust_env = False  # a proxy or a .netrc of the machine must not see the key
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        return session

    def get(self, path: str, **query: str | int) -> Json:
        """Return what is at a path."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: Json = None) -> Json:
        """Create or do something; never repeated."""
        return self._call("POST", path, json=body)

    def patch(self, path: str, body: Json) -> Json:
        """Change something; None when the vendor says that nothing changed."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str, **query: str | int) -> Json:
        """Remove something."""
        return self._call("DELETE", path, params=query)

    def _call(self, method: str, path: str, **arguments: Any) -> Json:
        self._breaker.check_turn()  # who is away is not waited for
        if self._pace:
            self._pace.wait()
        try:
            answer = self._breaker.call(lambda: self._send(method, path, **arguments))
        except _Failed as failed:
            answer = failed.answer
        return self._read(answer)

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        started = time.monotonic()
        told: dict[str, Any] = {"to": self._name, "method": method, "path": path}
        try:
            answer = self._session.request(
                method,
                self._base_url + path,
                timeout=self._timeout,
                allow_redirects=False,  # the key goes to this vendor's address only
                **arguments,
            )
            told["status"] = answer.status_code
        except requests.RequestException as error:
            told["error"] = type(error).__name__
            raise Unavailable(f"{self._name} cannot be reached ({told['error']}).") from error
        finally:
            log.info("api call", **told, ms=round(1000 * (time.monotonic() - started), 1))
        if answer.status_code >= 500:
            raise _Failed(answer)
        return answer

    def _read(self, answer: requests.Response) -> Json:
        status = answer.status_code
        if status == UNCHANGED:
            return None
        if not answer.ok or status >= 300:
            sentence = _sentence(answer)
            raise self._explain(status, sentence) or ApiRefused(
                f"{self._name} refused the call ({status}): {sentence}", status
            )
        if not answer.content:
            return None
        try:
            return answer.json()
        except (RecursionError, ValueError):
            raise ApiRefused(f"{self._name} answered {status} with no JSON.", status) from None


def _sentence(answer: requests.Response) -> str:
    """Return what a vendor says of its refusal; Tavus says it as `error` or as `message`."""
    try:
        told = answer.json()
    except (RecursionError, ValueError):
        told = None
    named = told if isinstance(told, dict) else {}
    sentence = named.get("message") or named.get("error") or answer.reason or "no reason given"
    return str(sentence)[:300]
