"""The settings: read once from the environment and `.env`, checked all at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from dotenv import dotenv_values

from services.errors import SettingsError
from services.notifier.thresholds import Thresholds, read_thresholds
from services.settings import files
from services.settings import values as parse
from services.settings.files import SUFFIX, Given
from services.settings.sources import Source, read_sources

Value = TypeVar("Value")

OPENAI_BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of the service. Secrets are tuples: several are valid while one is rotated."""

    supabase_url: str
    supabase_secret_key: str = field(repr=False)
    supabase_publishable_key: str
    public_base_url: str
    database_url: str | None = field(default=None, repr=False)
    bind: str = "127.0.0.1"
    port: int = 8000
    web_concurrency: int = 1
    request_timeout: float = 30.0
    tavus_api_key: str | None = field(default=None, repr=False)
    tavus_base_url: str = "https://tavusapi.com/v2"
    tavus_replica_id: str | None = None
    objectives_file: Path | None = None
    tavus_webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    tavus_webhook_tokens: tuple[str, ...] = field(default=(), repr=False)
    tavus_tool_secrets: tuple[str, ...] = field(default=(), repr=False)
    callback_signing_keys: tuple[str, ...] = field(default=(), repr=False)
    twilio_auth_tokens: tuple[str, ...] = field(default=(), repr=False)
    twilio_shared_keys: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    stripe_webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    twilio_account_sid: str | None = None
    calendly_api_key: str | None = field(default=None, repr=False)
    calendly_base_url: str = "https://api.calendly.com"
    calendly_webhook_signing_keys: tuple[str, ...] = field(default=(), repr=False)
    calendly_webhook_tokens: tuple[str, ...] = field(default=(), repr=False)
    webhook_sources: Mapping[str, Source] = field(default_factory=dict, repr=False)
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: int = 0
    auth_failures_per_minute: int = 300
    events_per_minute: int = 0
    conversations_per_hour: int = 20
    relayed_messages_per_minute: int = 600
    rate_limit_storage_url: str = field(default="memory://", repr=False)
    spool_path: Path | None = None
    spool_max_bytes: int = 512 * 1024 * 1024
    breaker_failures: int = 5
    breaker_seconds: float = 60.0
    retention_days: int = 90
    dead_retention_days: int = 365
    reconcile_after: int = 300
    recordings_bucket: str | None = None
    recordings_max_bytes: int = 2_000_000_000
    metrics_tokens: tuple[str, ...] = field(default=(), repr=False)
    metrics_port: int | None = None
    worker_metrics_port: int | None = None
    prometheus_multiproc_dir: Path | None = None
    realtime_events: tuple[str, ...] = ()
    realtime_changes_per_second: int = 30
    openai_api_key: str | None = field(default=None, repr=False)
    openai_base_url: str = OPENAI_BASE_URL
    openai_model: str = "gpt-4o-mini"
    openai_timeout: float = 60.0
    webhook_secrets_keys: tuple[str, ...] = field(default=(), repr=False)
    webhook_allow_local: bool = False
    webhook_rate_per_minute: int = 100
    webhook_concurrency: int = 10
    webhook_timeout: float = 30.0
    webhook_disable_after_hours: int = 120
    deliveries_at_once: int = 256
    api_requests_per_minute: int = 600
    sentry_dsn: str | None = field(default=None, repr=False)
    sentry_environment: str = "production"
    otlp_endpoint: str | None = field(default=None, repr=False)
    otel_service_name: str = "convohooks"
    debug_requests: bool = False
    alert_webhook_url: str | None = field(default=None, repr=False)
    alert_webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    alert_slack_url: str | None = field(default=None, repr=False)
    alert_thresholds: Thresholds = field(default_factory=Thresholds)
    log_level: str = "info"


def raw_settings() -> dict[str, str]:
    """Return the process's environment, with `.env` of the working folder below it."""
    file = {name: value or "" for name, value in dotenv_values(".env").items()}
    return {**file, **os.environ}


def unset(name: str) -> None:
    """Take a variable out of the environment, for a library that asks whether it is there."""
    os.environ.pop(name, None)


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings. Raises SettingsError, which names every missing or bad one.

    Without an argument they are read from `raw_settings`. Each may be given as a file instead.
    """
    reader = _Reader(given(raw_settings() if environment is None else environment))
    settings = reader.settings()
    if reader.problems or settings is None:
        raise SettingsError(
            "These settings are missing or wrong:\n"
            + "\n".join(f"  {line}" for line in reader.problems)
        )
    return settings


def names() -> tuple[str, ...]:
    """Return the name of every setting, older names too."""
    reader = _Reader(Given(texts={}, files={}, problems={}))
    reader.settings()
    return tuple(reader.asked)


def given(environment: Mapping[str, str]) -> Given:
    """Return every setting's text, of its variable or of the file that `<name>_FILE` names."""
    return files.resolve(environment, names())


class _Reader:
    """Reads values and collects what is wrong with them."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.asked: dict[str, None] = {}
        self.problems = list(given.problems.values())

    def settings(self) -> Settings | None:
        port = self.optional(("PORT",), parse.port, 8000)
        url = self.required(("SUPABASE_URL",), parse.url)
        secret = self.required(
            ("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"), parse.secret_key
        )
        publishable = self.required(
            ("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY"), parse.publishable_key
        )
        return Settings(
            supabase_url=url or "",
            supabase_secret_key=secret or "",
            supabase_publishable_key=publishable or "",
            public_base_url=self.optional(
                ("PUBLIC_BASE_URL", "NEXT_PUBLIC_BASE_URL"), parse.url, f"http://127.0.0.1:{port}"
            ),
            database_url=self.optional(("DATABASE_URL",), parse.database_url, None),
            port=port,
            bind=self.optional(("BIND",), parse.bind, "127.0.0.1"),
            web_concurrency=self.optional(("WEB_CONCURRENCY",), parse.processes, 1),
            request_timeout=self.optional(("REQUEST_TIMEOUT",), parse.seconds, 30.0),
            tavus_api_key=self.optional(("TAVUS_API_KEY",), parse.header, None),
            tavus_base_url=self.optional(("TAVUS_BASE_URL",), parse.url, "https://tavusapi.com/v2"),
            tavus_replica_id=self.optional(("TAVUS_REPLICA_ID",), str, None),
            objectives_file=self.optional(("OBJECTIVES_FILE",), Path, None),
            tavus_webhook_secrets=self.optional(("TAVUS_WEBHOOK_SECRET",), parse.items, ()),
            tavus_webhook_tokens=self.optional(("TAVUS_WEBHOOK_TOKEN",), parse.items, ()),
            tavus_tool_secrets=self.optional(
                ("TAVUS_TOOL_SECRET", "TAVUS_WEBHOOK_SECRET"), parse.items, ()
            ),
            callback_signing_keys=self.optional(("CALLBACK_SIGNING_KEY",), parse.items, ()),
            twilio_auth_tokens=self.optional(("TWILIO_AUTH_TOKEN",), parse.items, ()),
            twilio_shared_keys=self.optional(("TWILIO_SHARED_KEYS",), parse.named_items, ()),
            stripe_webhook_secrets=self.optional(("STRIPE_WEBHOOK_SECRET",), parse.items, ()),
            twilio_account_sid=self.optional(("TWILIO_ACCOUNT_SID",), parse.header, None),
            calendly_api_key=self.optional(("CALENDLY_API_KEY",), parse.header, None),
            calendly_base_url=self.optional(
                ("CALENDLY_BASE_URL",), parse.url, "https://api.calendly.com"
            ),
            calendly_webhook_signing_keys=self.optional(
                ("CALENDLY_WEBHOOK_SIGNING_KEY",), parse.items, ()
            ),
            calendly_webhook_tokens=self.optional(("CALENDLY_WEBHOOK_TOKEN",), parse.items, ()),
            webhook_sources=self.optional(("WEBHOOK_SOURCES",), read_sources, {}),
            cors_origins=self.optional(("CORS_ORIGINS",), parse.origins, ()),
            trusted_proxies=self.optional(("TRUSTED_PROXIES",), parse.amount, 0),
            auth_failures_per_minute=self.optional(
                ("AUTH_FAILURES_PER_MINUTE",), parse.amount, 300
            ),
            events_per_minute=self.optional(("EVENTS_PER_MINUTE",), parse.amount, 0),
            conversations_per_hour=self.optional(("CONVERSATIONS_PER_HOUR",), parse.amount, 20),
            relayed_messages_per_minute=self.optional(
                ("RELAYED_MESSAGES_PER_MINUTE",), parse.amount, 600
            ),
            rate_limit_storage_url=self.optional(
                ("RATE_LIMIT_STORAGE_URL",), parse.storage_url, "memory://"
            ),
            spool_path=self.optional(("SPOOL_PATH",), Path, None),
            spool_max_bytes=self.optional(("SPOOL_MAX_BYTES",), parse.size, 512 * 1024 * 1024),
            breaker_failures=self.optional(("BREAKER_FAILURES",), parse.failures, 5),
            breaker_seconds=self.optional(("BREAKER_SECONDS",), parse.seconds, 60.0),
            retention_days=self.optional(("RETENTION_DAYS",), parse.days, 90),
            dead_retention_days=self.optional(("DEAD_RETENTION_DAYS",), parse.days, 365),
            reconcile_after=self.optional(("RECONCILE_AFTER",), parse.wait, 300),
            recordings_bucket=self.optional(("RECORDINGS_BUCKET",), parse.bucket, None),
            recordings_max_bytes=self.optional(
                ("RECORDINGS_MAX_BYTES",), parse.size, 2_000_000_000
            ),
            metrics_tokens=self.optional(("METRICS_TOKEN",), parse.header_items, ()),
            metrics_port=self.optional(("METRICS_PORT",), self.other_port(port), None),
            worker_metrics_port=self.optional(("WORKER_METRICS_PORT",), parse.port, None),
            realtime_events=self.optional(("REALTIME_EVENTS",), parse.event_patterns, ()),
            realtime_changes_per_second=self.optional(
                ("REALTIME_CHANGES_PER_SECOND",), parse.changes, 30
            ),
            prometheus_multiproc_dir=self.optional(("PROMETHEUS_MULTIPROC_DIR",), Path, None),
            openai_api_key=self.optional(("OPENAI_API_KEY",), parse.header, None),
            openai_base_url=self.optional(("OPENAI_BASE_URL",), parse.url, OPENAI_BASE_URL),
            openai_model=self.optional(("OPENAI_MODEL",), parse.header, "gpt-4o-mini"),
            openai_timeout=self.optional(("OPENAI_TIMEOUT",), parse.seconds, 60.0),
            webhook_secrets_keys=self.optional(("WEBHOOK_SECRETS_KEY",), parse.fernet_keys, ()),
            webhook_allow_local=self.optional(("WEBHOOK_ALLOW_LOCAL",), parse.switch, False),
            webhook_rate_per_minute=self.optional(("WEBHOOK_RATE_PER_MINUTE",), parse.rate, 100),
            webhook_concurrency=self.optional(("WEBHOOK_CONCURRENCY",), parse.concurrency, 10),
            webhook_timeout=self.optional(("WEBHOOK_TIMEOUT",), parse.seconds, 30.0),
            webhook_disable_after_hours=self.optional(
                ("WEBHOOK_DISABLE_AFTER_HOURS",), parse.hours, 120
            ),
            deliveries_at_once=self.optional(("DELIVERIES_AT_ONCE",), parse.deliveries, 256),
            api_requests_per_minute=self.optional(("API_REQUESTS_PER_MINUTE",), parse.amount, 600),
            sentry_dsn=self.optional(("SENTRY_DSN",), parse.dsn, None),
            sentry_environment=self.optional(("SENTRY_ENVIRONMENT",), parse.header, "production"),
            otlp_endpoint=self.optional(("OTEL_EXPORTER_OTLP_ENDPOINT",), parse.url, None),
            otel_service_name=self.optional(("OTEL_SERVICE_NAME",), parse.header, "convohooks"),
            debug_requests=self.optional(("DEBUG_REQUESTS",), parse.switch, False),
            alert_webhook_url=self.optional(("ALERT_WEBHOOK_URL",), parse.alert_url, None),
            alert_webhook_secrets=self.optional(
                ("ALERT_WEBHOOK_SECRET",), parse.signing_secrets, ()
            ),
            alert_slack_url=self.optional(("ALERT_SLACK_URL",), parse.alert_url, None),
            alert_thresholds=self.optional(("ALERT_THRESHOLDS",), read_thresholds, Thresholds()),
            log_level=self.optional(("LOG_LEVEL",), parse.log_level, "info"),
        )

    def other_port(self, taken: int) -> Callable[[str], int]:
        def read(text: str) -> int:
            if parse.port(text) == taken:
                raise ValueError("is the port of the service itself")
            return parse.port(text)

        return read

    def required(self, names: tuple[str, ...], read: Callable[[str], Value]) -> Value | None:
        name, text = self._find(names)
        if text:
            return self._read(name, text, read)
        if not self.given.problems.keys() & {*names}:
            self.problems.append(f"{' or '.join(names)} is missing")
        return None

    def optional(
        self, names: tuple[str, ...], read: Callable[[str], Value], default: Value
    ) -> Value:
        name, text = self._find(names)
        value = self._read(name, text, read) if text else default
        return default if value is None else value

    def _find(self, names: tuple[str, ...]) -> tuple[str, str]:
        self.asked.update(dict.fromkeys(names))
        found = ((name, self.given.texts.get(name, "").strip()) for name in names)
        return next(((name, text) for name, text in found if text), (names[0], ""))

    def _read(self, name: str, text: str, read: Callable[[str], Value]) -> Value | None:
        try:
            return read(text)
        except ValueError as error:
            place = f" (from {name}{SUFFIX})" if name in self.given.files else ""
            self.problems.append(f"{name}{place} {error}")
            return None
