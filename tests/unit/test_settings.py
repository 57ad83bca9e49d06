"""settings.py: every wrong setting is named, all at once, and no secret is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gunicorn.util import parse_address

from services.errors import SettingsError
from services.settings import load_settings

GOOD = {
    "SUPABASE_URL": "https://abc.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
}


def test_defaults_are_those_of_a_local_service() -> None:
    settings = load_settings(GOOD)

    assert settings.port == 8000
    assert settings.public_base_url == "http://127.0.0.1:8000"
    assert settings.cors_origins == ()
    assert settings.tavus_webhook_tokens == ()


def test_older_names_are_accepted() -> None:
    settings = load_settings(
        {
            "SUPABASE_URL": "https://abc.example.test/",
            "SUPABASE_SERVICE_ROLE_KEY": "service",
            "SUPABASE_ANON_KEY": "anon",
            "NEXT_PUBLIC_BASE_URL": "https://hooks.example.test/",
        }
    )

    assert settings.supabase_url == "https://abc.example.test"
    assert settings.supabase_secret_key == "service"
    assert settings.supabase_publishable_key == "anon"
    assert settings.public_base_url == "https://hooks.example.test"


def test_secrets_are_lists_for_rotation() -> None:
    settings = load_settings({**GOOD, "TAVUS_WEBHOOK_TOKEN": " new , old,, "})

    assert settings.tavus_webhook_tokens == ("new", "old")


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(
            {
                "SUPABASE_URL": "abc.example.test",
                "SUPABASE_PUBLISHABLE_KEY": "sb_secret_swapped",
                "PUBLIC_BASE_URL": "https://x.example.test/?a=b",
                "PORT": "eighty",
                "WEB_CONCURRENCY": "0",
                "REQUEST_TIMEOUT": "never",
                "CORS_ORIGINS": "https://ok.example.test,ok.example.test/path",
                "TRUSTED_PROXIES": "-1",
                "AUTH_FAILURES_PER_MINUTE": "many",
                "EVENTS_PER_MINUTE": "1.5",
                "RATE_LIMIT_STORAGE_URL": "memcached://x",
                "DATABASE_URL": "mysql://x",
                "LOG_LEVEL": "loud",
            }
        )

    named = re.findall(r"^ +([A-Z_]+)", str(raised.value), re.MULTILINE)
    assert named == [
        "PORT",
        "SUPABASE_URL",
        "SUPABASE_SECRET_KEY",
        "SUPABASE_PUBLISHABLE_KEY",
        "PUBLIC_BASE_URL",
        "DATABASE_URL",
        "WEB_CONCURRENCY",
        "REQUEST_TIMEOUT",
        "CORS_ORIGINS",
        "TRUSTED_PROXIES",
        "AUTH_FAILURES_PER_MINUTE",
        "EVENTS_PER_MINUTE",
        "RATE_LIMIT_STORAGE_URL",
        "LOG_LEVEL",
    ]
    assert "sb_secret_swapped" not in str(raised.value)


def test_key_that_everybody_has_is_no_secret_key() -> None:
    with pytest.raises(SettingsError, match="SUPABASE_SECRET_KEY holds a publishable key"):
        load_settings({**GOOD, "SUPABASE_SECRET_KEY": "sb_publishable_x"})


@pytest.mark.parametrize("name", ["RETENTION_DAYS", "DEAD_RETENTION_DAYS"])
def test_days_of_retention_are_checked(name: str) -> None:
    kept = load_settings({**GOOD, "RETENTION_DAYS": "1", "DEAD_RETENTION_DAYS": "36500"})

    assert (kept.retention_days, kept.dead_retention_days) == (1, 36500)
    for bad in ("0", "36501", "-1", "a week"):
        with pytest.raises(SettingsError, match=rf" {name} is no number of days \(1 to 36500\)"):
            load_settings({**GOOD, name: bad})


@pytest.mark.parametrize("key", ["sb_secret_é", "sb secret", "sb\tsecret", "sb_\x7fsecret"])
def test_key_that_no_header_carries_is_named(key: str) -> None:
    with pytest.raises(SettingsError, match="SUPABASE_SECRET_KEY has a character"):
        load_settings({**GOOD, "SUPABASE_SECRET_KEY": key})


def test_no_secret_is_printed_with_the_settings() -> None:
    settings = load_settings({**GOOD, "TAVUS_WEBHOOK_TOKEN": "hush", "TAVUS_API_KEY": "hush"})

    assert "hush" not in repr(settings)
    assert "sb_secret_x" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("DATABASE_URL", "postgresql://postgres:[hush]@db.example.test/postgres", "no host"),
        ("SUPABASE_URL", "https://[hush]@abc.example.test", "no host"),
        ("SUPABASE_URL", "https://ada:hush/1@abc.example.test", "no port"),
        ("ALERT_WEBHOOK_URL", "https://[hush]@chat.example.test/1", "no host"),
        ("ALERT_SLACK_URL", "https://ada:hush/1@chat.example.test", "no port"),
        ("SENTRY_DSN", "https://[hush]@sentry.example.test/4", "no host"),
        ("SENTRY_DSN", "https://key:hush/1@sentry.example.test/4", "no port"),
    ],
)
def test_address_that_cannot_be_read_is_named_without_its_password(
    name: str, text: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=f"{name} has {said}") as raised:
        load_settings({**GOOD, name: text})

    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("::", "::"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("0.0.0.0", "0.0.0.0"),
        ("hooks.example.test", "hooks.example.test"),
    ],
)
def test_every_kind_of_address_to_listen_at_stands_before_a_port(text: str, host: str) -> None:
    settings = load_settings({**GOOD, "BIND": text})

    assert parse_address(f"{settings.bind}:{settings.port}") == (host, 8000)


@pytest.mark.parametrize("text", ["127.0.0.1:8000", "[::1]:8000", "unix:/run/hooks.sock"])
def test_address_to_listen_at_has_no_port_of_its_own(text: str) -> None:
    with pytest.raises(SettingsError, match="BIND is no host's address or name"):
        load_settings({**GOOD, "BIND": text})


def test_every_setting_is_in_the_example() -> None:
    source = Path("services/settings/settings.py").read_text()
    read = set(re.findall(r'"([A-Z][A-Z_]+)"', source))
    older = {"SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY", "NEXT_PUBLIC_BASE_URL"}
    example = set(re.findall(r"^#? ?([A-Z_]+)=", Path(".env.example").read_text(), re.MULTILINE))

    assert read - older <= example


def test_spool_and_breaker_are_checked() -> None:
    settings = load_settings({**GOOD, "SPOOL_PATH": "/var/lib/x.db", "BREAKER_SECONDS": "0.5"})
    with pytest.raises(SettingsError) as raised:
        load_settings({**GOOD, "SPOOL_MAX_BYTES": "1 GB", "BREAKER_FAILURES": "0"})

    assert (settings.spool_path, settings.breaker_seconds) == (Path("/var/lib/x.db"), 0.5)
    assert load_settings(GOOD).spool_path is None
    assert "SPOOL_MAX_BYTES is" in str(raised.value)
    assert "BREAKER_FAILURES is" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("RECONCILE_AFTER", "0"),
        ("RECONCILE_AFTER", "5 minutes"),
        ("RECORDINGS_BUCKET", "a/b"),
        ("RECORDINGS_BUCKET", ".."),
        ("RECORDINGS_MAX_BYTES", "2 GB"),
    ],
)
def test_reconciling_and_copying_are_checked(name: str, bad: str) -> None:
    assert load_settings(GOOD).recordings_bucket is None
    with pytest.raises(SettingsError, match=name):
        load_settings({**GOOD, name: bad})


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("WEBHOOK_ALLOW_LOCAL", "yes"),
        ("WEBHOOK_RATE_PER_MINUTE", "0"),
        ("WEBHOOK_RATE_PER_MINUTE", "10001"),
        ("WEBHOOK_CONCURRENCY", "101"),
        ("WEBHOOK_TIMEOUT", "0"),
        ("WEBHOOK_DISABLE_AFTER_HOURS", "5 days"),
        ("DELIVERIES_AT_ONCE", "0"),
        ("WEBHOOK_SECRETS_KEY", "not-a-key"),
        ("WEBHOOK_SECRETS_KEY", "é" * 44),
        ("API_REQUESTS_PER_MINUTE", "-1"),
    ],
)
def test_outgoing_webhooks_are_checked(name: str, bad: str) -> None:
    assert load_settings({**GOOD, "WEBHOOK_ALLOW_LOCAL": "1"}).webhook_allow_local is True
    assert load_settings({**GOOD, "WEBHOOK_ALLOW_LOCAL": "0"}).webhook_allow_local is False
    assert load_settings(GOOD).webhook_allow_local is False
    with pytest.raises(SettingsError, match=name):
        load_settings({**GOOD, name: bad})
