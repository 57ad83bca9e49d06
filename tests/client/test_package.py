"""The package as it is published, and the bundle that pages load."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import psycopg
import pytest

from services.local import checkout
from tests.client_package import CLIENT, node_modules, run_node

BUNDLE = checkout.ROOT / "services" / "web" / "static" / "convohooks.js"
PAGES = (CLIENT / "README.md", checkout.ROOT / "docs" / "quickstart" / "react.md")
TSC = "node_modules/typescript/bin/tsc"
COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0
  and not a.attisdropped and has_column_privilege('authenticated', c.oid, a.attnum, 'select')
"""
TYPES = {
    "uuid": "string",
    "text": "string",
    "timestamp with time zone": "string",
    "integer": "number",
    "bigint": "number",
    "double precision": "number",
    "numeric": "number",
    "boolean": "boolean",
    "jsonb": "Json",
}


# Types that are not found would let anything pass.
MISUSE = """
import { type Client, watchRows, type WebhookEvent } from "@convohooks/client";
import { useWebhookEvents } from "@convohooks/client/react";
declare const client: Client;
// @ts-expect-error There is no such column.
watchRows(client, "conversations", {}, { orderBy: "nothing" });
// @ts-expect-error It is text.
export const seq = (event: WebhookEvent): number => event.event_type;
// @ts-expect-error An id is text.
export const useEvents = () => useWebhookEvents(client, 5);
"""


@pytest.fixture(name="published", scope="module")
def _published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has installed the package: its declarations and code, nothing of `src`."""
    project = tmp_path_factory.mktemp("project")
    package = project / "node_modules" / "@convohooks" / "client"
    run_node(TSC, "-p", "tsconfig.build.json", "--outDir", str(package / "dist"))
    shutil.copy(CLIENT / "package.json", package)
    for name in ("react", "@types", "@supabase", "csstype", "iceberg-js", "tslib"):
        target = project / "node_modules" / name
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            target.symlink_to(node_modules() / name)
    return project


def test_the_types_are_right() -> None:
    assert run_node(TSC, "--noEmit") == ""


def test_the_bundle_is_the_one_that_the_sources_make(tmp_path: Path) -> None:
    run_node("build.mjs", str(tmp_path / "convohooks.js"))

    assert (tmp_path / "convohooks.js").read_text() == BUNDLE.read_text(), "run `make client`"


def test_the_bundle_needs_nothing_else() -> None:
    assert not re.findall(r"^import |\bimport\(|\brequire\(", BUNDLE.read_text(), re.MULTILINE)


def test_every_row_is_typed_as_the_database_has_it(db: psycopg.Connection) -> None:
    catalog: dict[str, dict[str, str]] = {}
    for table, column, kind, is_required in db.execute(COLUMNS):
        listed = kind.endswith("[]")
        written = TYPES[kind.removesuffix("[]")] + ("[]" if listed else "")
        catalog.setdefault(table, {})[column] = written if is_required else f"{written} | null"

    assert typed_rows() == catalog


def typed_rows() -> dict[str, dict[str, str]]:
    """Return the columns of each table as src/rows.ts declares them."""
    source = (CLIENT / "src" / "rows.ts").read_text().replace("JsonObject", "Json")
    interfaces = {
        name: dict(re.findall(r"^  (\w+): (.+);$", body, re.MULTILINE))
        for name, body in re.findall(r"^export interface (\w+) \{\n(.*?)^\}", source, re.M | re.S)
    }
    return {table: interfaces[row] for table, row in interfaces.pop("Tables").items()}


def test_the_examples_of_the_pages_fit_the_package(published: Path) -> None:
    text = "".join(page.read_text() for page in PAGES)
    examples = re.findall(r"^```(tsx?)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for number, (kind, code) in enumerate(examples):
        (published / f"example{number}.{kind}").write_text(code)
    options = {
        "target": "ES2022",
        "module": "NodeNext",
        "strict": True,
        "noEmit": True,
        "jsx": "react-jsx",
        "lib": ["ES2022", "DOM"],
        "types": ["react"],
        # Those of supabase-js have errors of their own.
        "skipLibCheck": True,
    }
    (published / "example.ts").write_text(MISUSE)
    settings = {"compilerOptions": options, "include": ["example*"]}
    (published / "tsconfig.json").write_text(json.dumps(settings))
    (published / "package.json").write_text(json.dumps({"type": "module"}))

    assert len(examples) == 3
    assert run_node(TSC, "-p", str(published)) == ""


def test_the_published_code_loads(published: Path) -> None:
    script = (
        'import * as core from "@convohooks/client";'
        'import * as react from "@convohooks/client/react";'
        "console.log(Object.keys(core).sort().join(), Object.keys(react).sort().join());"
    )
    (published / "load.mjs").write_text(script)

    names = run_node(str(published / "load.mjs")).split()

    assert names == [
        "TIMING,watchConversation,watchEvents,watchRows",
        "ConvohooksProvider,useConversation,useWebhookEvents",
    ]


def test_the_hooks_are_for_the_browser_where_servers_render(published: Path) -> None:
    hooks = published / "node_modules" / "@convohooks" / "client" / "dist" / "react.js"

    assert hooks.read_text().startswith('"use client";')


def test_the_package_has_no_dependencies() -> None:
    package = json.loads((CLIENT / "package.json").read_text())

    assert "dependencies" not in package
    assert set(package["peerDependencies"]) == {"@supabase/supabase-js", "react"}
    assert package["peerDependenciesMeta"] == {"react": {"optional": True}}


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (CLIENT / "package-lock.json").read_text()
