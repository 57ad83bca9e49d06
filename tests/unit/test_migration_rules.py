"""squawk's rules: they hold for our migrations, and they can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from checks import migrations
from checks.migrations import FITTING_NONE, UNFIT_FOR_FIRST
from services.local.migration import BY_HAND
from services.local.statements import missing, split

HARMLESS = "create table if not exists public.a (id uuid primary key);\n"
HARM = {
    "ban-drop-function": "drop function public.f(text);",
    "ban-drop-column": "alter table public.a drop column b;",
    "renaming-column": "alter table public.a rename column b to c;",
    "require-lock-timeout": "alter table public.a add column c text;",
    "adding-required-field": "set lock_timeout = '2s'; set statement_timeout = '1min';"
    " alter table public.a add column c text not null;",
}


def folder_of(folder: Path, *migrations: str) -> Path:
    for number, text in enumerate(migrations):
        (folder / f"2026010100000{number}_x.sql").write_text(text)
    return folder


def test_our_migrations_keep_the_rules() -> None:
    assert migrations.main() == 0


@pytest.mark.parametrize(("rule", "statement"), HARM.items(), ids=HARM)
def test_later_migration_that_would_hurt_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], rule: str, statement: str
) -> None:
    assert migrations.main(folder_of(tmp_path, HARMLESS, statement)) == 1
    assert rule in capfd.readouterr().out


def test_first_migration_is_looked_at_too(tmp_path: Path) -> None:
    assert migrations.main(folder_of(tmp_path, HARMLESS)) == 0
    assert migrations.main(folder_of(tmp_path, HARM["ban-drop-column"])) == 1


def test_a_new_column_fits_below_what_make_migration_begins_a_file_with(tmp_path: Path) -> None:
    column = "alter table public.a add column if not exists c text;\n"
    assert migrations.main(folder_of(tmp_path, HARMLESS, BY_HAND + column)) == 0


def test_what_is_meant_is_let_through(tmp_path: Path) -> None:
    meant = f"-- squawk-ignore ban-drop-function\n{HARM['ban-drop-function']}\n"
    assert migrations.main(folder_of(tmp_path, HARMLESS, BY_HAND + meant)) == 0


def test_every_rule_that_is_left_out_has_its_reason_and_is_broken_somewhere(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "FITTING_NONE", {"ban-drop-database": "there is none"})
    monkeypatch.setattr(migrations, "UNFIT_FOR_FIRST", {})

    assert migrations.main() == 1

    told = capfd.readouterr().out
    left_out = {**FITTING_NONE, **UNFIT_FOR_FIRST}
    assert [rule for rule in left_out if rule not in told] == []
    assert all(len(reason) > 20 for reason in left_out.values())


def test_last_statement_counts_without_its_semicolon_and_a_last_comment_does_not() -> None:
    """A file may end as its author likes; nothing of it is lost on the way to a migration."""
    assert list(split("select 1;\nselect ';'\n")) == ["select 1;", "select ';'"]
    assert list(split("select 1; -- that is all; really")) == ["select 1;"]
    assert missing("select 1;\nselect 2", ["select 1;"]) == ["select 2"]


def test_make_migration_says_what_it_takes() -> None:
    command = [sys.executable, "-m", "services.local.migration", "--help"]

    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "usage: make migration" in done.stdout
    assert "--name" in done.stdout
    assert "--release" in done.stdout
