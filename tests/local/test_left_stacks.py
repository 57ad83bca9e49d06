"""What earlier stacks have left: ended and removed where nobody runs it, else kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.local import checkout, postgres, processes
from services.local.errors import StopRequestedError
from services.local.parts import Part
from services.local.stack import LocalStack, discard, discard_idle, local_stack
from services.local.state import State, hold, remove_tree, wait_for
from tests.stack import never, unused_backend


@pytest.fixture(name="left")
def _left(tmp_path: Path) -> Iterator[State]:
    """A stack that was killed: its folder, its cluster."""
    state = State(tmp_path / "stacks" / "left")
    state.create()
    cluster = postgres.cluster(state)
    # As root it is one that another user only passes through.
    cluster.home.parent.mkdir(mode=0o711, exist_ok=True)
    cluster.data.mkdir(parents=True)
    yield state
    discard(state)


def data_of(state: State) -> Path:
    return postgres.cluster(state).data


def test_idle_stack_is_discarded_with_what_it_left_running(left: State) -> None:
    live = (sys.executable, "-c", "import time; time.sleep(600)")
    process = processes.spawn(Part(name="gateway", command=live, cwd=checkout.ROOT), left)
    home = data_of(left).parent

    discard_idle(left.folder.parent)

    assert process.wait(0) != 0
    assert not left.folder.exists()
    assert not home.exists()


def test_stack_that_somebody_runs_is_left_alone(left: State) -> None:
    with hold(left.folder / "lock", busy=""):
        discard_idle(left.folder.parent)

    assert data_of(left).exists()
    assert left.log("gateway").parent.exists()


def test_of_two_that_discard_the_second_waits(left: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would stumble over what the first removes."""
    seen = []
    with ExitStack() as first:
        first.enter_context(wait_for(left.folder.parent / "discard.lock", never))

        def sleep(seconds: float) -> None:
            seen.append(left.folder.exists())
            remove_tree(left.folder)
            first.close()

        monkeypatch.setattr("services.local.stack.time", SimpleNamespace(sleep=sleep))
        discard_idle(left.folder.parent)

    assert seen == [True]
    assert not left.folder.exists()


@pytest.mark.parametrize("knows_the_passwords", [True, False])
def test_database_is_kept_by_who_knows_its_passwords(
    left: State, knows_the_passwords: bool
) -> None:
    """Without the secrets nothing gets into it any more; a new one is made."""
    if knows_the_passwords:
        left.secrets()

    def stop(stack: LocalStack) -> Sequence[Part]:
        raise StopRequestedError

    with (
        pytest.raises(StopRequestedError),
        local_stack(left, unused_backend(), pause=never, beside=stop),
    ):
        pytest.fail("it has started")

    assert data_of(left).exists() is knows_the_passwords
