"""The parts that stand in for Supabase: Postgres, its schema, PostgREST, the gateway."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from services.local import checkout, postgres, toolchain
from services.local.dotenv import Address
from services.local.parts import Part, answers
from services.local.ports import HOST, free_port
from services.local.state import Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Where the stand-in listens, and the keys it takes."""

    gateway_port: int
    database: Address
    publishable_key: str
    secret_key: str
    realtime_delay_ms: int = 0
    project: Path = checkout.ROOT
    """The folder whose supabase/migrations it has."""

    @property
    def url(self) -> str:
        """What clients know as SUPABASE_URL."""
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def database_url(self) -> str:
        """The superuser's way to the database."""
        return self.database_named("postgres")

    def database_named(self, name: str) -> str:
        """Return the superuser's way to another database of the same server."""
        return _database_url(self.database.user, self.database.password, self.database.port, name)


def parts(backend: Backend, cluster: postgres.Cluster, secrets: Secrets) -> list[Part]:
    """Return all parts of the stand-in in the order in which they start."""
    rest = toolchain.postgrest()
    rest_port = free_port() if rest else None
    return [
        *postgres.parts(cluster, backend.database, backend.database_url),
        bootstrap(backend.database_url, secrets),
        _push(backend),
        *([_postgrest(rest, rest_port, backend, secrets)] if rest and rest_port else []),
        _gateway(backend, rest_port, secrets),
    ]


def bootstrap(database_url: str, secrets: Secrets) -> Part:
    """Return the run that gives a database what every Supabase has: roles, auth, publication."""
    return Part(
        name="bootstrap",
        command=(str(toolchain.node()), "bootstrap.mjs"),
        cwd=checkout.NODE_PROJECT,
        env={
            **toolchain.node_environ(),
            "DATABASE_URL": database_url,
            "AUTHENTICATOR_PASSWORD": secrets.authenticator_password,
        },
        after=("postgres",),
        once=True,
    )


def _push(backend: Backend) -> Part:
    remote = f"{backend.database_url}?sslmode=disable"
    return Part(
        name="push",
        command=(str(toolchain.supabase_cli()), "db", "push", f"--remote={remote}", "--yes"),
        cwd=backend.project,
        env=toolchain.node_environ(),
        after=("bootstrap",),
        once=True,
    )


def _postgrest(program: Path, port: int, backend: Backend, secrets: Secrets) -> Part:
    database = _database_url(
        "authenticator", secrets.authenticator_password, backend.database.port, "postgres"
    )
    return Part(
        name="postgrest",
        command=(str(program),),
        cwd=checkout.ROOT,
        env={
            "PGRST_DB_URI": database,
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_EXTRA_SEARCH_PATH": "public",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_POOL": "16",
            # As supabase/config.toml has it: whatever reads more has to ask again.
            "PGRST_DB_MAX_ROWS": "1000",
            "PGRST_JWT_SECRET": secrets.jwt_secret,
            "PGRST_JWT_AUD": "",
            "PGRST_LOG_LEVEL": "warn",
            "PGRST_OPENAPI_MODE": "disabled",
            "PGRST_SERVER_HOST": HOST,
            "PGRST_SERVER_PORT": str(port),
        },
        # Started after the push, so that it never serves a schema older than the migrations.
        after=("push",),
        ready=answers(f"http://{HOST}:{port}/"),
    )


def _gateway(backend: Backend, rest_port: int | None, secrets: Secrets) -> Part:
    return Part(
        name="gateway",
        command=(str(toolchain.node()), "gateway.mjs"),
        cwd=checkout.NODE_PROJECT,
        env={
            **toolchain.node_environ(),
            "GATEWAY_HOST": HOST,
            "GATEWAY_PORT": str(backend.gateway_port),
            "DATABASE_URL": backend.database_url,
            "POSTGREST_URL": f"http://{HOST}:{rest_port}" if rest_port else "",
            "JWT_SECRET": secrets.jwt_secret,
            "SUPABASE_PUBLISHABLE_KEY": backend.publishable_key,
            "SUPABASE_SECRET_KEY": backend.secret_key,
            "REALTIME_SYSTEM_DELAY_MS": json.dumps(backend.realtime_delay_ms),
        },
        after=("bootstrap",),
        ready=answers(f"{backend.url}/local/health"),
    )


def _database_url(user: str, password: str, port: int, name: str) -> str:
    return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@{HOST}:{port}/{name}"
