"""Settings by file: X_FILE is X, what is wrong is named, and nothing that a file says is shown."""

from __future__ import annotations

import json
import os
import re
from dataclasses import fields
from pathlib import Path

import pytest

from services.doctor import examine
from services.errors import SettingsError
from services.local import dotenv
from services.settings import Settings, files, given, load_settings, names
from services.settings.files import LARGEST
from services.settings.secret_names import SECRETS, without_secrets

GOOD = {
    "SUPABASE_URL": "https://abc.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
}
HUSH = "hush-hush-hush-hush"


def written(folder: Path, content: str | bytes, name: str = "secret") -> str:
    """Write a file and return where it is."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def problems(**environment: str) -> str:
    """Return what is said of settings that are wrong."""
    with pytest.raises(SettingsError) as raised:
        load_settings({**GOOD, **environment})
    return str(raised.value)


def test_every_setting_may_be_a_file(tmp_path: Path) -> None:
    """Each is read through the one door: what a file says is what its variable would have said."""
    told = {f"{name}_FILE": written(tmp_path, f"text of {name}\n", name) for name in names()}

    found = given(told)

    assert len(found.texts) == 2 * len(names()) > 100
    assert not found.problems
    assert {name: found.texts[name] for name in names()} == {
        name: f"text of {name}" for name in names()
    }


@pytest.mark.parametrize(
    "content",
    [f"{HUSH}", f"{HUSH}\n", f"{HUSH}\r\n", f"{HUSH}\n\n\n", f"\ufeff{HUSH}\n"],
    ids=["bare", "line", "line of Windows", "empty lines", "byte order mark"],
)
def test_what_editors_add_is_not_part_of_the_secret(tmp_path: Path, content: str) -> None:
    settings = load_settings({**GOOD, "TAVUS_API_KEY_FILE": written(tmp_path, content)})

    assert settings.tavus_api_key == HUSH


def test_several_secrets_stand_on_lines_or_between_commas(tmp_path: Path) -> None:
    lines = written(tmp_path, "new\nold\r\n\n", "lines")
    commas = written(tmp_path, "new, old\n", "commas")
    settings = load_settings(
        {**GOOD, "STRIPE_WEBHOOK_SECRET_FILE": lines, "METRICS_TOKEN_FILE": commas}
    )

    assert settings.stripe_webhook_secrets == ("new", "old")
    assert settings.metrics_tokens == ("new", "old")


def test_required_and_older_names_come_from_files_too(tmp_path: Path) -> None:
    told = {
        "SUPABASE_URL_FILE": written(tmp_path, "https://abc.example.test\n", "url"),
        "SUPABASE_SERVICE_ROLE_KEY_FILE": written(tmp_path, "service\n", "service"),
        "SUPABASE_ANON_KEY_FILE": written(tmp_path, "anon\n", "anon"),
        "PORT_FILE": written(tmp_path, "8123\n", "port"),
        # Its own name ends like that of a file.
        "OBJECTIVES_FILE": "/etc/objectives.json",
    }
    settings = load_settings(told)

    assert (settings.supabase_url, settings.port) == ("https://abc.example.test", 8123)
    assert (settings.supabase_secret_key, settings.supabase_publishable_key) == ("service", "anon")
    assert settings.objectives_file == Path("/etc/objectives.json")


def test_a_setting_set_twice_is_an_error_that_names_both(tmp_path: Path) -> None:
    told = problems(TAVUS_API_KEY=HUSH, TAVUS_API_KEY_FILE=written(tmp_path, HUSH + "file"))

    assert "TAVUS_API_KEY and TAVUS_API_KEY_FILE are both set; one is wanted" in told
    assert HUSH not in told


def test_an_empty_variable_is_none_beside_its_file(tmp_path: Path) -> None:
    """As `.env.example` leaves it."""
    path = written(tmp_path, HUSH)
    settings = load_settings({**GOOD, "TAVUS_API_KEY": " ", "TAVUS_API_KEY_FILE": path})

    assert settings.tavus_api_key == HUSH
    assert load_settings({**GOOD, "TAVUS_API_KEY_FILE": " "}).tavus_api_key is None


def _pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return str(folder / "pipe")


WRONG = {
    "a file that is not there": lambda folder: str(folder / "none"),
    "a folder": str,
    "an empty file": lambda folder: written(folder, "\n \n"),
    "a file that is not UTF-8": lambda folder: written(folder, b"\xff\xfe" + HUSH.encode("utf-16")),
    "a file with a NUL in it": lambda folder: written(folder, HUSH.encode("utf-16-le")),
    "a file of more than": lambda folder: written(folder, HUSH * LARGEST),
    "what is no plain file": _pipe,
    "no file that can be opened": lambda folder: "x" * 5000,
}


@pytest.mark.parametrize(("said", "make"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, said: str, make: object) -> None:
    path = make(tmp_path)  # type: ignore[operator]

    told = problems(SUPABASE_SECRET_KEY="", SUPABASE_SECRET_KEY_FILE=path)

    assert f"SUPABASE_SECRET_KEY_FILE names {said}" in told
    assert "is missing" not in told
    assert HUSH not in told


def test_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a refusal of the system made here: root may read everything."""

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied", HUSH)

    monkeypatch.setattr(files.os, "open", refuse)

    told = problems(TAVUS_API_KEY_FILE=written(tmp_path, HUSH))

    assert "TAVUS_API_KEY_FILE names a file that this process may not read" in told
    assert HUSH not in told


@pytest.mark.parametrize(
    "path", ["/dev/zero", "/dev/stdin", "/proc/self/mem", "/dev/tty", "a\x00b"]
)
def test_endless_and_odd_files_end_at_once(path: str) -> None:
    assert "TAVUS_API_KEY_FILE names" in problems(TAVUS_API_KEY_FILE=path)


def test_a_secret_in_the_place_of_its_path_is_not_shown() -> None:
    """Who forgets the file and writes the secret itself is not to find it in a log."""
    assert HUSH not in problems(TAVUS_API_KEY_FILE=HUSH, STRIPE_WEBHOOK_SECRET_FILE=f"/{HUSH}")


def test_wrong_value_of_a_file_is_told_with_its_place(tmp_path: Path) -> None:
    told = problems(PORT_FILE=written(tmp_path, "eighty"))

    assert "PORT (from PORT_FILE) is no port" in told
    assert "eighty" not in told


def test_other_variables_that_end_alike_are_left_alone() -> None:
    told = given({"SSL_CERT_FILE": "/none", "GOOGLE_APPLICATION_FILE": "/none"})

    assert not told.problems
    assert not told.files


def test_doctor_says_which_setting_came_from_where_and_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, f" {HUSH}\n")
    for name, text in {**GOOD, "SUPABASE_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("TAVUS_WEBHOOK_TOKEN_FILE", path)

    settings, secrets, *rest = examine()

    assert settings.seen == f"complete and well-formed; TAVUS_WEBHOOK_TOKEN from {path}"
    # The others are shorter than it wants; the one of the file was looked at as well.
    assert "SUPABASE_SECRET_KEY has 11 characters" in secrets.seen
    assert "TAVUS_WEBHOOK_TOKEN" not in secrets.seen
    assert HUSH not in json.dumps([f.seen + f.mend for f in (settings, secrets, *rest)])


def test_settings_file_is_given_nothing_that_comes_from_a_file(tmp_path: Path) -> None:
    """`make dev` adds what `.env` lacks; a second value for what a file says would be an error."""
    env_file, example = tmp_path / ".env", tmp_path / ".env.example"
    env_file.write_text("A_TOKEN_FILE=/run/secrets/a\n")
    example.write_text("A_TOKEN=<random>\nB_TOKEN=<random>\n")

    dotenv.prepare(env_file, example)

    assert set(dotenv.read(env_file, {})) == {"A_TOKEN_FILE", "B_TOKEN"}


def test_every_hidden_setting_is_a_secret_by_name() -> None:
    """What the settings do not show is what is handed to no other program."""
    hidden = {field.name for field in fields(Settings) if not field.repr}
    source = Path("services/settings/settings.py").read_text()
    secrets = {
        name
        for field, read in re.findall(
            r"^ {12}(\w+)=(.*?)(?=^ {12}\w+=|^ {8}\))", source, re.M | re.S
        )
        if field in hidden
        for name in re.findall(r'"([A-Z][A-Z_]+)"', read)
    } | {"SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"}

    assert secrets == {*SECRETS}
    assert secrets <= {*names()}


def test_programs_of_others_get_neither_secrets_nor_their_files() -> None:
    told = {name: "x" for name in SECRETS} | {f"{name}_FILE": "/x" for name in SECRETS}

    assert without_secrets({**told, "PATH": "/bin", "OBJECTIVES_FILE": "/o"}) == {
        "PATH": "/bin",
        "OBJECTIVES_FILE": "/o",
    }
