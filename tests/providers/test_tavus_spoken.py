"""E-mail addresses, as people say them to an agent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.spoken import spoken_email


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("ada at example dot test", "ada@example.test"),
        ("Ada at Example dot Test.", "ada@example.test"),
        ("ada underscore b at mail dot example dot test", "ada_b@mail.example.test"),
        ("ada dot lovelace at example dot test", "ada.lovelace@example.test"),
        ("ada dash l plus news at example dot test", "ada-l+news@example.test"),
        ("A D A at example dot test", "ada@example.test"),
        ("ada at the rate of example dot test", "ada@example.test"),
        ("ada [at] example (dot) test", "ada@example.test"),
        ("ada@example dot test", "ada@example.test"),
        ("ada @ example . test", "ada@example.test"),
        ("my email is ada at example dot test", "ada@example.test"),
        ("it's ada at example dot co dot test", "ada@example.co.test"),
        ("it at example dot test", "it@example.test"),
        ("ada lovelace at example dot test", "adalovelace@example.test"),
        ("pat at attic dot test", "pat@attic.test"),
        ("ada at sign example dot test", "ada@example.test"),
        ("ada at example dot test thank you", "ada@example.test"),
        ("ada at example dot t e s t", "ada@example.test"),
        ("Ada Lovelace <ada@Example.test>", "ada@example.test"),
        ("reach me at ada@example.test.", "ada@example.test"),
    ],
)
def test_a_spoken_address_is_written_down(said: str, written: str) -> None:
    assert spoken_email(said) == written


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (" Ada.L@Example.TEST ", "Ada.L@example.test"),
        ("<mailto:ada@example.test>", "ada@example.test"),
        ("mailto:ada@example.test", "ada@example.test"),
        ("ada+news@mail.example.test", "ada+news@mail.example.test"),
    ],
)
def test_a_written_address_stays(told: str, kept: str) -> None:
    assert spoken_email(told) == kept


@pytest.mark.parametrize(
    "said",
    [
        "I would rather not say", "at dot", "ada at work", "ada at home at example dot test",
        "@example.test", "ada@", "you can reach me and bob at example dot test", "a" * 5000, "",
        "ada at example", ".ada@example.test", "a..b@example.test",
    ],
)  # fmt: skip
def test_what_is_no_address_stays_as_it_was_said(said: str) -> None:
    assert spoken_email(f" {said} ") == said


@given(st.text())
def test_any_text_gives_a_trimmed_text(said: str) -> None:
    assert spoken_email(said) == spoken_email(said).strip()


# Without vowels, so that no part of the address is itself a word like "at" or "dot".
PART = "[b-df-hj-np-tv-z0-9]{1,9}"


@given(st.from_regex(rf"{PART}([._+-]{PART})?@{PART}\.tld", fullmatch=True))
def test_an_address_survives_being_said_and_heard(address: str) -> None:
    names = {"@": " at ", ".": " dot ", "_": " underscore ", "-": " dash ", "+": " plus "}
    said = "".join(names.get(letter, letter) for letter in address)

    assert spoken_email(said) == address


@pytest.mark.parametrize(
    "said", ["ada at example dot test maybe", "ada at example dot co uk", "a@b.test or c@d.test"]
)
def test_no_address_is_made_up(said: str) -> None:
    assert spoken_email(said) == said
