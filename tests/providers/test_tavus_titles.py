"""Which video is meant by what an agent says."""

from __future__ import annotations

import pytest

from services.provider import Video
from services.tools.titles import best_match

TITLES = (
    "Intro",
    "The Pricing Overview",
    "Product Demo Overview",
    "Product Demo",
    "How to Onboard Your Team",
    "Sicherheit für Einsteiger",
    "Integrations with Salesforce",
)


def match(asked: str, *titles: str) -> str | None:
    videos = [
        Video(id=str(number), title=title, storage_url=f"https://example.test/{number}")
        for number, title in enumerate(titles or TITLES)
    ]
    found = best_match(asked, videos)
    return found.title if found else None


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        ("Product Demo", "Product Demo"),
        ("product demo overview", "Product Demo Overview"),
        ("PRODUCT-DEMO: overview!", "Product Demo Overview"),
        ("pricing", "The Pricing Overview"),
        ("pric", "The Pricing Overview"),
        ("the pricing video please", "The Pricing Overview"),
        ("overview of the pricing", "The Pricing Overview"),
        ("show me the intro", "Intro"),
        ("onboard team", "How to Onboard Your Team"),
        ("onboarding your team", "How to Onboard Your Team"),
        ("Prodct Demo Overveiw", "Product Demo Overview"),
        ("sicherheit fur einsteiger", "Sicherheit für Einsteiger"),
        ("salesforce integration", "Integrations with Salesforce"),
        ("salesforce", "Integrations with Salesforce"),
    ],
)
def test_the_video_that_is_meant_is_found(asked: str, title: str) -> None:
    assert match(asked) == title


@pytest.mark.parametrize(
    "asked",
    ["", "the", "how to", "your video", "a video about the", "Zebra crossing", "?!", "t",
     "how to bake your bread", "security"],
)  # fmt: skip
def test_what_shares_only_stop_words_is_not_meant(asked: str) -> None:
    assert match(asked) is None


def test_the_same_title_comes_before_one_that_holds_it() -> None:
    assert match("Demo", "Demo Two", "Demo", "A Demo of Everything") == "Demo"


def test_a_title_that_holds_it_comes_before_a_similar_one() -> None:
    assert match("product tour", "Product Tours", "The Big Product Tour of Everything") in {
        "Product Tours",
        "The Big Product Tour of Everything",
    }
    assert match("pricing plan", "Prizing Plan", "Our Pricing Plan, Explained") == (
        "Our Pricing Plan, Explained"
    )


def test_equals_are_settled_by_title_then_id() -> None:
    twins = [
        Video(id="b", title="Demo", storage_url="https://example.test/b"),
        Video(id="a", title="Demo", storage_url="https://example.test/a"),
    ]

    first, second = best_match("demo", twins), best_match("demo", reversed(twins))

    assert first
    assert first == second
    assert first.id == "a"


def test_a_title_of_stop_words_can_be_asked_for_by_name() -> None:
    assert match("How To", "How To", "Intro") == "How To"


def test_no_videos_match_nothing() -> None:
    assert best_match("Intro", ()) is None
