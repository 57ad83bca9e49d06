"""What runs elsewhere, on GitHub and before a commit, are the commands that run here."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks import actions, schemas
from checks.check import LEFT_OUT
from checks.table import CHECKS

WORKFLOW = Path(".github/workflows/ci.yml")
DEPENDABOT = Path(".github/dependabot.yml")
MAKEFILE = Path("Makefile").read_text()
JOBS: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())["jobs"]
HOOKS = yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
MANIFESTS = {
    "pip": "pyproject.toml",
    "npm": "package-lock.json",
    "docker": "Dockerfile",
    "docker-compose": "compose.yaml",
}


def commands() -> Iterator[str]:
    """Yield what the workflow's steps run."""
    for job in JOBS.values():
        yield from (step["run"] for step in job["steps"] if "run" in step)


def test_a_hook_runs_the_check_of_its_name() -> None:
    known = {check.name for check in CHECKS}

    for hook in HOOKS:
        assert hook["id"] in known
        assert hook["entry"] == f".venv/bin/python -m checks {hook['id']}"
        assert hook["pass_filenames"] is False


def test_no_step_finds_the_token_that_checked_the_code_out() -> None:
    steps = [step for job in JOBS.values() for step in job["steps"]]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]

    assert len(checkouts) == len(JOBS)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_every_target_that_the_workflow_makes_is_there() -> None:
    made = {target for command in commands() for target in re.findall(r"make ([\w-]+)", command)}

    assert made == {"bench-compare", "coverage", "install", "mutation", "test"}
    for target in made:
        assert f"\n{target}: " in MAKEFILE


@pytest.mark.parametrize("command", list(commands()))
def test_every_step_is_a_shell_script(command: str) -> None:
    done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_no_step_takes_words_of_a_pull_request_for_a_script() -> None:
    """What a stranger can choose, such as a branch's name, comes to a step as a variable."""
    assert not [command for command in commands() if "${{" in command]


def test_nobody_is_given_more_than_reading() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())

    assert workflow["permissions"] == {"contents": "read"}
    assert not [name for name, job in JOBS.items() if "permissions" in job]
    assert "secrets." not in WORKFLOW.read_text()


def test_the_oldest_python_is_the_one_that_is_promised() -> None:
    promised = tomllib.loads(Path("pyproject.toml").read_text())["project"]["requires-python"]

    assert promised == f">={JOBS['test']['strategy']['matrix']['python'][0]}"


def test_the_real_supabase_is_started_by_the_cli_that_is_pinned() -> None:
    pinned = json.loads(Path("supabase/local/package.json").read_text())["dependencies"]

    assert JOBS["supabase"]["strategy"]["matrix"]["cli"][0] == pinned["supabase"]


def test_updates_are_looked_for_where_there_is_something_to_update() -> None:
    for entry in yaml.safe_load(DEPENDABOT.read_text())["updates"]:
        if manifest := MANIFESTS.get(entry["package-ecosystem"]):
            for folder in entry.get("directories", [entry.get("directory")]):
                assert (Path(folder.removeprefix("/")) / manifest).exists(), folder


@pytest.fixture(name="spoilt")
def _spoilt(tmp_path: Path) -> Path:
    """A tree with a workflow whose matrix is misspelt and that may run for ever."""
    file = tmp_path / WORKFLOW
    file.parent.mkdir(parents=True)
    text = WORKFLOW.read_text().replace("matrix.python", "matrix.pyhton")
    file.write_text(re.sub(r" +timeout-minutes: .*\n", "", text))
    (tmp_path / DEPENDABOT).write_text("version: 2\nupdates:\n  - package-ecosystem: pipp\n")
    return tmp_path


def test_a_misspelt_name_is_found(spoilt: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = actions.main(spoilt)

    said = capfd.readouterr().out
    if code == LEFT_OUT:
        pytest.skip(said)
    assert code == 1
    assert 'property "pyhton" is not defined' in said


def test_what_fits_no_schema_is_found(spoilt: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert schemas.main(spoilt) == 1

    said = capfd.readouterr().out
    assert "compose.yaml: no such file" in said
    assert "'pipp' is not one of" in said
    assert "'timeout-minutes' is a required property" in said
