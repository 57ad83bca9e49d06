"""Whose the local Postgres is and where it lies: as root elsewhere, and readable by its user."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services.local import postgres, toolchain
from services.local.dotenv import Address
from services.local.errors import LocalStackError
from services.local.parts import Account
from services.local.postgres import Cluster
from services.local.state import State

ADDRESS = Address(user="postgres", password="password-for-tests", port=54322)

Become = Callable[..., None]


@pytest.fixture(name="become")
def _become(monkeypatch: pytest.MonkeyPatch) -> Become:
    """Be this user, on a machine that has these others."""

    def become(uid: int, *names: str) -> None:
        mine = pwd.getpwuid(os.getuid())
        entries = [pwd.struct_passwd((name, *mine[1:])) for name in names]
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        monkeypatch.setattr(pwd, "getpwall", lambda: entries)

    return become


@pytest.fixture(name="programs")
def _programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The programs as npm leaves them for one whose files are nobody else's."""
    monkeypatch.setattr(toolchain, "MODULES", tmp_path / "node_modules")
    home = toolchain.postgres_home()
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "initdb").write_text("#!/bin/sh\n")
    (home / "bin" / "initdb").chmod(0o700)
    (home / "share.txt").write_text("what it reads")
    (home / "share.txt").chmod(0o600)
    (home / "lib.so.5").symlink_to("lib.so.5.1")
    home.chmod(0o700)
    return home


@pytest.fixture(name="cluster")
def _cluster(tmp_path: Path, programs: Path) -> Cluster:
    """A cluster as root has it, of a user that this process may give files to."""
    me = Account(name="me", uid=os.geteuid(), gid=os.getegid())
    shared = tmp_path / "shared"
    return Cluster(programs=shared / "postgres-1", home=shared / "one", account=me)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def drafts(cluster: Cluster) -> list[Path]:
    return list(cluster.home.parent.glob("draft-*"))


def test_who_is_not_root_has_it_all_in_the_checkout(tmp_path: Path, become: Become) -> None:
    become(1000, "postgres")
    state = State(tmp_path)

    cluster = postgres.cluster(state)
    postgres.prepare(cluster)
    initdb, server = postgres.parts(cluster, ADDRESS, "postgresql://127.0.0.1/postgres")
    initdb.before()

    assert cluster.programs == toolchain.postgres_home()
    assert (initdb.account, server.account) == (None, None)
    assert mode(tmp_path / "postgres") == 0o700
    assert (tmp_path / "postgres" / "password").read_text() == "password-for-tests"


def test_what_lies_in_the_checkout_goes_with_its_cluster(tmp_path: Path, become: Become) -> None:
    """The programs are npm's there, and stay."""
    become(1000)
    cluster = postgres.cluster(State(tmp_path))
    postgres.prepare(cluster)

    postgres.remove(cluster)
    postgres.remove_programs(cluster)

    assert not cluster.home.exists()
    assert tmp_path.exists()


def test_root_runs_it_as_a_user_that_every_machine_has(tmp_path: Path, become: Become) -> None:
    become(0, "root", "nobody")

    account = postgres.cluster(State(tmp_path)).account

    assert account is not None
    assert account.name == "nobody"


def test_root_without_such_a_user_is_told_whom_to_add(tmp_path: Path, become: Become) -> None:
    become(0, "root")

    with pytest.raises(LocalStackError, match=r"add one of the users .*postgres.*nobody"):
        postgres.cluster(State(tmp_path))


def test_the_copy_can_be_read_and_run_by_another_user(cluster: Cluster, programs: Path) -> None:
    """npm gives its files the modes of a user who may have closed them to all others."""
    postgres.prepare(cluster)

    copy = cluster.programs
    assert mode(copy.parent) == 0o711
    assert mode(cluster.home) == 0o700
    assert mode(copy) == mode(copy / "bin" / "initdb") == 0o755
    assert mode(copy / "share.txt") == 0o644
    assert os.readlink(copy / "lib.so.5") == "lib.so.5.1"
    assert mode(programs / "share.txt") == 0o600
    assert drafts(cluster) == []


def test_a_copy_that_is_there_is_not_made_again(cluster: Cluster) -> None:
    postgres.prepare(cluster)
    (cluster.programs / "mine").touch()

    postgres.prepare(cluster)

    assert (cluster.programs / "mine").exists()


def test_a_copy_that_was_broken_off_is_in_nobodys_way(cluster: Cluster) -> None:
    """The numbers of processes come again, soonest in containers."""
    cluster.home.parent.mkdir(mode=0o711)
    draft = cluster.home.parent / f"draft-{os.getpid()}"
    draft.mkdir()
    (draft / "half").touch()

    postgres.prepare(cluster)

    assert not (cluster.programs / "half").exists()
    assert (cluster.programs / "share.txt").exists()
    assert drafts(cluster) == []


def test_the_copy_of_who_was_sooner_is_taken(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stacks of a checkout may copy at once."""

    class Copying:
        """Another stack copies at the same time, and has finished."""

        @staticmethod
        def copytree(source: Path, target: Path, *, symlinks: bool) -> None:
            shutil.copytree(source, target, symlinks=symlinks)
            shutil.copytree(source, cluster.programs, symlinks=symlinks)
            (cluster.programs / "theirs").touch()

    monkeypatch.setattr(postgres, "shutil", Copying)
    postgres.prepare(cluster)

    assert (cluster.programs / "theirs").exists()
    assert drafts(cluster) == []


def test_a_copy_that_cannot_be_put_in_its_place_is_an_error(cluster: Cluster) -> None:
    cluster.home.parent.mkdir(mode=0o711)
    cluster.programs.symlink_to("nowhere")

    with pytest.raises(OSError, match="postgres-1"):
        postgres.prepare(cluster)

    assert drafts(cluster) == []


def test_copies_stay_while_another_stack_may_run_them(cluster: Cluster) -> None:
    postgres.prepare(cluster)
    other = replace(cluster, home=cluster.home.with_name("other"))
    postgres.prepare(other)

    postgres.remove(cluster)
    postgres.remove_programs(cluster)

    assert (other.programs / "bin" / "initdb").exists()


def test_copies_go_with_the_last_stack(cluster: Cluster) -> None:
    """What was broken off goes as well; where there is nothing, nothing is to be done."""
    postgres.prepare(cluster)
    shared = cluster.home.parent
    (shared / "postgres-0").mkdir()
    (shared / "draft-1").mkdir()

    postgres.remove(cluster)
    postgres.remove_programs(cluster)
    postgres.remove_programs(cluster)

    assert not shared.exists()
