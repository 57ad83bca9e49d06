"""Everything we ask of Supabase, by its client. The service key writes; a person's reads go with
that person's token, so that row-level security decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from postgrest import APIError, SyncPostgrestClient
from supabase import Client, ClientOptions, create_client

from services.errors import ConvohooksError, TakesNothing, Unavailable
from services.once import once
from services.provider import Phone, Scenario, Video
from services.settings import Settings

MAX_CONNECTIONS = 16
MAX_VIDEOS = 1000

# PostgREST's own codes for a database it cannot reach, the gateway's for PostgREST, and Postgres's
# classes 08 (connection), 53 (resources), 57 (shut down, timed out) and 58 (its machine).
# https://docs.postgrest.org/en/stable/references/errors.html
_AWAY = frozenset({"PGRST000", "PGRST001", "PGRST002", "PGRST003", "502", "503", "504", "520"})
_AWAY_CLASSES = ("08", "53", "57", "58")
# A full disk, a disk in trouble, and a database that is only read: a standby, or one that is nearly
# full (https://supabase.com/docs/guides/platform/database-size).
_TAKES_NOTHING = frozenset({"53100", "58030", "25006"})
# Answers of a gateway, or of Cloudflare (520 and on), in place of a Supabase that it cannot reach.
_GATEWAY_AWAY = frozenset({502, 503, 504, *range(520, 531)})
# 40P01 is a deadlock, 40001 a serialisation failure: the same call works a moment later.
_CONTENTION = frozenset({"40P01", "40001"})


class DatabaseRefused(ConvohooksError):
    """The database understood the call and refused it; trying again changes nothing."""

    def __init__(self, detail: str | None = None, code: str = "") -> None:
        """Keep the code too: an SQLSTATE, PostgREST's own, or an HTTP status; empty for none."""
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a handler needs to know of a conversation's row."""

    demo_id: str | None
    scenario_id: str | None


class Database:
    """Supabase, as this service uses it. It connects in the process that first asks it."""

    def __init__(self, settings: Settings, check: Callable[[], None] = lambda: None) -> None:
        """Keep the addresses and keys; connect later, after gunicorn has forked.

        `check` raises Unavailable where a look-up is not worth the wait.
        """
        self._settings = settings
        self._check = check

    @once
    def _http(self) -> httpx.Client:
        # HTTP/2 loses requests when threads share a client (supabase-py issue 1064).
        limits = httpx.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=3.0,
        )
        return httpx.Client(
            transport=httpx.HTTPTransport(http2=False, limits=limits, retries=1),
            timeout=httpx.Timeout(connect=2.0, read=8.0, write=8.0, pool=4.0),
            event_hooks={"response": [_require_supabase]},
        )

    @once
    def _service(self) -> Client:
        # Nobody ever signs in on this client: it would lose the service key's rights.
        return create_client(
            self._settings.supabase_url,
            self._settings.supabase_secret_key,
            ClientOptions(
                httpx_client=self._http,
                auto_refresh_token=False,
                persist_session=False,
                postgrest_client_retry=False,
            ),
        )

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def receive_events(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Store a batch of events and apply their effects, in one transaction.

        Raises Unavailable when nobody can tell whether that happened (sending the batch again is
        safe), DatabaseRefused when it did not and will not.
        """
        return list(self.call("receive_events", {"batch": batch}))

    def claim_tool_run(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Claim a call of a tool, or learn why not to run it; raises like `receive_events`."""
        return dict(self.call("claim_tool_run", {"call": call}))

    def finish_tool_run(self, run: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
        """Store a call's answer and its event; return its receipt, with the answer that counts."""
        return dict(self.call("finish_tool_run", {"run": run, "event": event}))

    def claim_events(self, claim: str, most: int, lease: float) -> list[dict[str, Any]]:
        """Claim due events, `most` at most, for `lease` seconds; raises like `receive_events`."""
        arguments = {"claim": claim, "max_events": most, "lease_seconds": lease}
        return list(self.call("claim_events", arguments))

    def extend_claim(self, claim: str, lease: float) -> None:
        """Hold on to what a claim still has for another `lease` seconds."""
        self.call("extend_claim", {"claim": claim, "lease_seconds": lease})

    def finish_events(self, claim: str, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Apply what handlers made of claimed events, or write down why they failed."""
        arguments = {"claim": claim, "batch": batch}
        return list(self.call("finish_events", arguments))

    def list_events(
        self, wanted: Mapping[str, Any], before: int | None, most: int
    ) -> list[dict[str, Any]]:
        """Return a page of the inbox, newest first, without bodies."""
        arguments = {"filter": wanted, "before": before, "most": most}
        return list(self.call("list_events", arguments))

    def search_end(
        self, wanted: Mapping[str, Any], before: int | None, most: int
    ) -> dict[str, Any] | None:
        """Return {seq, received_at} of the event at which a search for a text stops, if it does."""
        arguments = {"filter": wanted, "before": before, "most": most}
        found: dict[str, Any] | None = self.call("search_end", arguments)
        return found

    def show_event(self, event_id: UUID) -> dict[str, Any] | None:
        """Return one event of the inbox with its body (base64) and its failed attempts.

        It is named by its id or by that of its row of `processed_webhook_events`.
        """
        found: dict[str, Any] | None = self.call("show_event", {"event_id": str(event_id)})
        return found

    def replay_events(self, wanted: Mapping[str, Any]) -> int:
        """Make events due again; return how many."""
        return int(self.call("replay_events", {"filter": wanted}))

    def purge_events(self, wanted: Mapping[str, Any]) -> int:
        """Delete dead events; return how many."""
        return int(self.call("purge_events", {"filter": wanted}))

    def prune(self, days: int, dead_days: int, most: int) -> dict[str, int]:
        """Remove what is too old, `most` rows of each kind; return how many of each were."""
        arguments = {"days": days, "dead_days": dead_days, "most": most}
        return dict(self.call("prune", arguments))

    def begin_conversation(
        self, row: Mapping[str, Any], key: str | None, request_hash: str, patience: float
    ) -> dict[str, Any]:
        """Make the row of a conversation before the sender is asked for it, once for each key."""
        arguments = {
            "conversation": row,
            "request_key": key,
            "request_hash": request_hash,
            "patience_seconds": patience,
        }
        self._check()
        return dict(self.call("begin_conversation", arguments))

    def place_conversation(self, ref: str, conversation_id: str, url: str) -> dict[str, Any]:
        """Tie a row to the sender's conversation, once."""
        arguments = {"ref": ref, "conversation_id": conversation_id, "conversation_url": url}
        return dict(self.call("place_conversation", arguments))

    def fail_conversation(self, ref: str, reason: str, look_seconds: float | None) -> None:
        """Mark a row whose conversation never came to be; say when to look for it again."""
        arguments = {"ref": ref, "reason": reason, "look_seconds": look_seconds}
        self.call("fail_conversation", arguments)

    def claim_lost_conversations(self, most: int, lease: float) -> list[dict[str, Any]]:
        """Claim rows whose conversations may run at the sender though nobody was told of them."""
        arguments = {"most": most, "lease_seconds": lease}
        return list(self.call("claim_lost_conversations", arguments))

    def finish_look(self, ref: str, look_seconds: float | None) -> None:
        """Say when to look for a row's conversation again; None for never."""
        self.call("finish_look", {"ref": ref, "look_seconds": look_seconds})

    def note_end(self, conversation_id: str) -> None:
        """Mark a conversation as ended until its sender says how it ended."""
        self.call("note_end", {"conversation_id": conversation_id})

    def has_demo(self, demo_id: str) -> bool:
        """Return whether a demo has videos of its own."""
        videos = self._service.table("demo_videos").select("id").eq("demo_id", demo_id)
        return bool(self._read(videos.limit(1)))

    def claim_reconciliation(self, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """Claim a conversation whose end or transcript is missing; None when none is left."""
        found: dict[str, Any] | None = self.call("claim_reconciliation", {"wanted": dict(wanted)})
        return found

    def finish_reconciliation(self, look: Mapping[str, Any]) -> str:
        """Write down what came of a look: complete, waiting, given up or lost."""
        return str(self.call("finish_reconciliation", {"look": dict(look)}))

    def claim_recording(self, claim: str, lease: float) -> dict[str, Any] | None:
        """Claim a recording that is to be copied; None when none is due."""
        arguments = {"claim": claim, "lease_seconds": lease}
        found: dict[str, Any] | None = self.call("claim_recording", arguments)
        return found

    def extend_recording(self, claim: str, lease: float) -> bool:
        """Hold on to a claimed recording for another `lease` seconds; return whether it is held."""
        return bool(self.call("extend_recording", {"claim": claim, "lease_seconds": lease}))

    def finish_recording(self, copy: Mapping[str, Any]) -> str:
        """Write down what came of a copy: copied, waiting, given up or lost."""
        return str(self.call("finish_recording", {"copy": dict(copy)}))

    def claim_analyses(self, claim: str, most: int, lease: float) -> list[dict[str, Any]]:
        """Claim transcripts to be read again, `most` at most, for `lease` seconds."""
        arguments = {"claim": claim, "most": most, "lease_seconds": lease}
        return list(self.call("claim_analyses", arguments))

    def finish_analysis(self, claim: str, row_id: str, feedback: Mapping[str, Any]) -> str:
        """Store the feedback on a claimed transcript; return done or lost."""
        arguments = {"claim": claim, "conversation": row_id, "feedback": feedback}
        return str(self.call("finish_analysis", arguments))

    def fail_analysis(self, claim: str, row_id: str, error: str, wait: float | None) -> str:
        """Write down why there is none; return waiting, given_up (without a wait) or lost."""
        arguments = {
            "claim": claim, "conversation": row_id, "error": error, "retry_seconds": wait
        }  # fmt: skip
        return str(self.call("fail_analysis", arguments))

    def is_admin(self, token: str, person_id: UUID) -> bool:
        """Return whether a person is an admin, by what they themselves may read of it."""
        profile = self.as_person(token).from_("profiles").select("role").eq("id", str(person_id))
        return any(row["role"] == "admin" for row in self._read(profile))

    def report_process(self, report: Mapping[str, Any]) -> None:
        """Keep what a process of ours tells of itself."""
        self.call("report_process", {"report": report})

    def operations(self) -> dict[str, Any]:
        """Return what waits, which processes report, and what Realtime carries."""
        return dict(self.call("operations", {}))

    def totals(self) -> dict[str, int]:
        """Return the counts of the last 24 hours that `/health` shows."""
        return dict(self.call("webhook_totals", {}))

    def backlog(self) -> dict[str, Any]:
        """Return how many events wait in which state, and how long the longest due one does."""
        return dict(self.call("inbox_backlog", {}))

    def describe_schema(self) -> dict[str, Any]:
        """Return the schema's version, the tables that Realtime carries, and the time there."""
        return dict(self.call("describe_schema", {}))

    def protocol(self) -> str:
        """Return what is spoken on a connection to Supabase, such as HTTP/1.1."""
        try:
            url = f"{self._settings.supabase_url}/auth/v1/health"
            return self._http.get(url).http_version
        except httpx.TransportError as error:
            raise Unavailable(f"Supabase cannot be reached ({type(error).__name__}).") from error

    def check_readiness(self) -> None:
        """Commit a row. Raises Unavailable or DatabaseRefused when that cannot be done."""
        self.call("check_readiness", {})

    def conversation(self, conversation_id: str) -> Conversation | None:
        """Return what is known of a conversation, or None."""
        rows = self._read(
            self._service.table("conversations")
            .select("demo_id,scenario_id")
            .eq("conversation_id", conversation_id)
        )
        return next((Conversation(**row) for row in rows), None)

    def videos(self, demo_id: str | None) -> tuple[Video, ...]:
        """Return the newest videos of a demo and of every demo, 1,000 at most."""
        wanted = "demo_id.is.null" + (f",demo_id.eq.{_quoted(demo_id)}" if demo_id else "")
        rows = self._read(
            self._service.table("demo_videos")
            .select("id,title,storage_url,duration_seconds")
            .or_(wanted)
            .order("created_at", desc=True)
            .limit(MAX_VIDEOS)
        )
        return tuple(
            Video(
                id=str(row["id"]),
                title=row["title"] or "",
                storage_url=row["storage_url"] or "",
                duration_seconds=row["duration_seconds"],
            )
            for row in rows
        )

    def scenario(self, scenario_id: str) -> Scenario | None:
        """Return a scenario, or None."""
        rows = self._read(
            self._service.table("scenarios").select("id,title,metrics").eq("id", scenario_id)
        )
        return next((Scenario(**row) for row in rows), None)

    def phone(self, phone_number: str) -> Phone | None:
        """Return a number of ours and how it answers, or None."""
        rows = self._read(
            self._service.table("phone_numbers")
            .select(",".join(Phone.__dataclass_fields__))
            .eq("phone_number", phone_number)
        )
        return next((Phone(**row) for row in rows), None)

    def add_booking(self, row: Mapping[str, Any]) -> None:
        """Insert a booking; raises like `receive_events`."""
        execute(self._service.table("bookings").insert(dict(row)))

    def change_booking(self, booking_key: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """Change a booking; return its row. Raises like `receive_events`, and when it is gone."""
        change = self._service.table("bookings").update(dict(told))
        rows = execute(change.eq("booking_key", booking_key)).data
        if not rows:
            raise DatabaseRefused("The booking is gone.")
        return dict(rows[0])

    def as_person(self, token: str) -> SyncPostgrestClient:
        """Return a client whose reads are a person's own: row-level security sees their token."""
        return SyncPostgrestClient(
            f"{self._settings.supabase_url}/rest/v1",
            headers={
                "apikey": self._settings.supabase_publishable_key,
                "Authorization": f"Bearer {token}",
            },
            http_client=self._http,
            retry_enabled=False,
        )

    def account(self, token: str) -> dict[str, Any] | None:
        """Return the account that Supabase Auth says a token is of, or None."""
        try:
            answer = self._http.get(
                f"{self._settings.supabase_url}/auth/v1/user",
                headers={
                    "apikey": self._settings.supabase_publishable_key,
                    "Authorization": f"Bearer {token}",
                },
            )
        except httpx.TransportError as error:
            raise Unavailable("Supabase Auth cannot be reached.") from error
        if answer.status_code >= 500:
            raise Unavailable("Supabase Auth cannot answer.")
        return dict(answer.json()) if answer.status_code == 200 else None

    def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call a function of ours with the service key; raises like `receive_events`."""
        return execute(self._service.rpc(function, dict(arguments))).data

    def _read(self, query: Any) -> list[dict[str, Any]]:
        self._check()
        return list(execute(query).data)


def _require_supabase(response: httpx.Response) -> None:
    """Raise Unavailable when a gateway answers in place of Supabase, whose errors have a code."""
    status = response.status_code
    if status in _GATEWAY_AWAY and b'"code"' not in response.read():
        raise Unavailable(f"Supabase cannot be reached ({status}).")


def execute(query: Any) -> Any:
    """Send a query. Raises Unavailable when it may work later, DatabaseRefused when it will not."""
    try:
        return query.execute()
    except httpx.TransportError as error:
        raise Unavailable(f"Supabase cannot be reached ({type(error).__name__}).") from error
    except APIError as error:
        code = str(error.code or "")
        # A Postgres that dies in the middle of an answer leaves an error that says nothing.
        is_empty = not code and not error.message
        why = f"Supabase cannot commit now ({code or 'no reason given'})."
        if code in _TAKES_NOTHING:
            raise TakesNothing(why) from error
        if is_empty or code in _AWAY | _CONTENTION or code[:2] in _AWAY_CLASSES:
            raise Unavailable(why) from error
        raise DatabaseRefused(f"Supabase refused: {code} {error.message}", code) from error


def _quoted(text: str) -> str:
    """Return a value for a filter in which commas, dots and brackets mean nothing."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
