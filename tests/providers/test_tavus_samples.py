"""Every entry of the events table has a sample, and every sample is read as its entry."""

from __future__ import annotations

import pytest
from tavus_samples import NAMES, handle, key, read, sample

from services.providers import PROVIDERS
from services.providers.tavus import TAVUS


def test_every_event_has_a_sample() -> None:
    assert {name.partition("-")[0] for name in NAMES} == set(TAVUS.events)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_read_as_the_event_it_is_named_after(name: str) -> None:
    assert read(sample(name)).event_type == name.partition("-")[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_gives_the_same_effects_and_key_each_time(name: str) -> None:
    assert handle(sample(name)) == handle(sample(name))
    assert key(sample(name)) == key(sample(name))


@pytest.mark.parametrize("name", NAMES)
def test_reading_leaves_the_payload_it_was_given_alone(name: str) -> None:
    payload = sample(name)

    TAVUS.project(read(payload))
    handle(payload)

    assert payload == sample(name)


def test_no_two_senders_share_a_path() -> None:
    paths = [path for provider in PROVIDERS for path in provider.paths]

    assert len(paths) == len(set(paths))
