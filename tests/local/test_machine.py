"""What `make dev` asks of a machine: settings, ports, a folder, a lock."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest
from dotenv import dotenv_values

from services.local import dotenv, postgres
from services.local.dotenv import Address
from services.local.errors import LocalStackError, StopRequestedError
from services.local.migration import compose
from services.local.parts import Account
from services.local.ports import free_port, require_free
from services.local.state import State, hold, holder, wait_for
from tests.stack import never

EXAMPLE = "# each <random> is filled\nA=one_<random>\nB=two_<random>\nPORT=8000\n"


@pytest.fixture(name="example")
def _example(tmp_path: Path) -> Path:
    path = tmp_path / ".env.example"
    path.write_text(EXAMPLE)
    return path


def test_settings_are_written_once_with_secrets_of_their_own(tmp_path: Path, example: Path) -> None:
    """Two secrets of one file differ, and only its owner reads them."""
    env_file = tmp_path / ".env"

    is_new, is_new_again = dotenv.prepare(env_file, example), dotenv.prepare(env_file, example)
    values = dotenv_values(env_file)

    assert (is_new, is_new_again) == (True, False)
    assert values["A"] != f"one_{(values['B'] or '').removeprefix('two_')}"
    assert len(values["A"] or "") > 30
    assert "# each <random> is filled" in env_file.read_text()
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


def test_settings_that_came_later_are_added_and_the_others_kept(
    tmp_path: Path, example: Path
) -> None:
    """An older .env goes on working, and is closed to others."""
    env_file = tmp_path / ".env"
    env_file.write_text("A=mine\nPORT=9000")

    dotenv.prepare(env_file, example)
    values = dotenv.read(env_file, {"PORT": "9001"})

    assert (values["A"], values["PORT"]) == ("mine", "9001")
    assert values["B"].startswith("two_")
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "https://abc.supabase.co:443",
        "http://127.0.0.1:x",
    ],
)
def test_only_a_port_of_this_machine_is_a_local_address(url: str) -> None:
    """The local stack never takes the place of a hosted project, nor pushes to one."""
    with pytest.raises(LocalStackError, match="SUPABASE_URL"):
        dotenv.local_address({"SUPABASE_URL": url}, "SUPABASE_URL")


def test_a_local_address_is_read_with_what_is_quoted_in_it() -> None:
    """Whatever the password, the stack makes its database with it."""
    settings = {"DATABASE_URL": "postgresql://me:a%40b%2Fc@localhost:54322/postgres"}

    address = dotenv.local_address(settings, "DATABASE_URL")

    assert address == Address(user="me", password="a@b/c", port=54322)


@pytest.mark.parametrize("value", ["", "0", "65536", "-1", "80a", "²"])
def test_what_is_no_port_is_told(value: str) -> None:
    with pytest.raises(LocalStackError, match=f"PORT in .env must be a port number, .*'{value}'"):
        dotenv.local_port({"PORT": value}, "PORT")


def test_a_port_is_read() -> None:
    assert dotenv.local_port({"PORT": "65535"}, "PORT") == 65535


def test_a_port_in_use_is_told_with_its_setting_and_holder() -> None:
    """The person sees what to stop or what to change."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(LocalStackError, match=rf"Port {port} \(PORT .*process {os.getpid()}"):
            require_free({"PORT": port, "DATABASE_URL": free_port()})


def test_a_port_that_is_taken_without_a_listener_is_told_without_a_holder() -> None:
    """Who holds it cannot always be seen: no one listens, or another user does."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(LocalStackError, match=rf"Port {port} \(PORT in .env\) is in use\. "):
            require_free({"PORT": port})


def test_one_port_for_two_settings_is_told() -> None:
    """The second of them would not start."""
    port = free_port()

    with pytest.raises(LocalStackError, match=f"DATABASE_URL and PORT both name port {port}"):
        require_free({"PORT": port, "DATABASE_URL": port})


def test_a_second_stack_in_one_folder_is_refused(tmp_path: Path) -> None:
    """It is told which process runs the first."""
    lock = tmp_path / "lock"

    with (
        hold(lock, busy="process {pid} runs"),
        pytest.raises(LocalStackError, match=f"process {os.getpid()} runs"),
        hold(lock, busy="process {pid} runs"),
    ):
        pytest.fail("two hold the lock")

    assert holder(lock) is None


def test_who_waits_for_a_lock_has_it_when_it_is_free(tmp_path: Path) -> None:
    """Of two that install the same, the second waits and finds it done."""
    lock = tmp_path / "lock"
    asked = []
    with ExitStack() as other:
        other.enter_context(wait_for(lock, never))

        def pause(seconds: float) -> bool:
            asked.append(seconds)
            if len(asked) == 2:
                other.close()
            return False

        with wait_for(lock, pause):
            assert len(asked) == 2


def test_who_waits_for_a_lock_can_be_stopped(tmp_path: Path) -> None:
    lock = tmp_path / "lock"

    with (
        wait_for(lock, never),
        pytest.raises(StopRequestedError),
        wait_for(lock, lambda seconds: True),
    ):
        pytest.fail("two hold the lock")


def test_a_lock_that_nobody_has_ever_held_has_no_holder(tmp_path: Path) -> None:
    """To ask does not make its file."""
    lock = tmp_path / "lock"

    assert holder(lock) is None
    assert not lock.exists()


def test_a_log_that_has_grown_large_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.local.state.LOG_LIMIT", 10)
    state = State(tmp_path)
    state.create()
    state.log("gateway").write_text("eleven char")
    state.log("worker").write_text("ten chars.")

    state.trim_logs()

    assert state.log("gateway").read_text() == ""
    assert state.log("worker").read_text() == "ten chars."


def test_the_secrets_of_a_stack_stay_the_same_and_private(tmp_path: Path) -> None:
    """People stay signed in from one start to the next."""
    state = State(tmp_path)

    assert state.secrets() == State(tmp_path).secrets()
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["link", "open to others"])
def test_a_folder_that_another_user_can_change_is_refused(tmp_path: Path, kind: str) -> None:
    """As root the database lies below /var/tmp, where anyone may put a folder before us."""
    shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "link":
        shared.symlink_to(elsewhere)
    else:
        shared.mkdir()
        shared.chmod(0o777)
    me = Account(name="me", uid=os.geteuid(), gid=os.getegid())
    cluster = postgres.Cluster(programs=shared / "postgres", home=shared / "home", account=me)

    with pytest.raises(LocalStackError, match="not a folder of ours alone"):
        postgres.prepare(cluster)

    assert list(elsewhere.iterdir()) == []


def test_the_migration_holds_the_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    """A table comes before what refers to it."""
    (tmp_path / "20_b.sql").write_text("select 2;\n\n")
    (tmp_path / "10_a.sql").write_text("select 1;")

    text = compose(tmp_path)

    assert text.endswith("\n-- 10_a.sql\n\nselect 1;\n\n-- 20_b.sql\n\nselect 2;\n")
