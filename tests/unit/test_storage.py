"""storage.py: what Supabase Storage answers when all is not well, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from services.chores.storage import Storage, StorageRefused
from services.errors import Unavailable
from services.local.ports import free_port
from tests.in_process import settings_of
from tests.storage_fake import FakeStorage, fake_storage

SETTINGS = settings_of()
BUCKET = "recordings"


@pytest.fixture(name="fake")
def _fake() -> Iterator[FakeStorage]:
    with fake_storage(SETTINGS.supabase_secret_key, BUCKET) as fake:
        yield fake


@pytest.fixture(name="storage")
def _storage(fake: FakeStorage) -> Iterator[Storage]:
    storage = Storage(replace(SETTINGS, supabase_url=fake.url))
    yield storage
    storage.close()


def upload(storage: Storage, path: str) -> str:
    return storage.upload(BUCKET, path, iter([b"RIFF"]), "audio/x-wav", None)


def test_folder_is_emptied_and_its_neighbour_is_not(storage: Storage, fake: FakeStorage) -> None:
    for path in ("ada/1.wav", "ada/2.wav", "adam/1.wav"):
        upload(storage, path)

    assert storage.remove_folder(BUCKET, "ada") == 2
    assert list(fake.files) == [f"{BUCKET}/adam/1.wav"]


def test_storage_that_removes_nothing_is_not_asked_for_ever(
    storage: Storage, fake: FakeStorage
) -> None:
    upload(storage, "ada/1.wav")
    fake.keeps = True

    with pytest.raises(StorageRefused, match="removed nothing") as refused:
        storage.remove_folder(BUCKET, "ada")

    assert not refused.value.permanent


def test_storage_that_is_away_is_unavailable() -> None:
    storage = Storage(replace(SETTINGS, supabase_url=f"http://127.0.0.1:{free_port()}"))

    for ask in (lambda: upload(storage, "a.wav"), lambda: storage.remove_folder(BUCKET, "ada")):
        with pytest.raises(Unavailable, match=r"cannot be reached \(ConnectError\)"):
            ask()
    storage.close()


@pytest.mark.parametrize("page", [b"<html>Bad gateway</html>", ["not", "an object"], None])
def test_refusal_that_is_none_of_storages_own_tells_its_status(
    storage: Storage, fake: FakeStorage, page: Any
) -> None:
    fake.refusals.append((502, page))

    with pytest.raises(StorageRefused, match=r"the upload \(502\): Bad Gateway") as refused:
        upload(storage, "ada/1.wav")

    assert not refused.value.permanent


@pytest.mark.parametrize("page", [b"<html>Maintenance</html>", b"\xff", {"data": []}, None])
def test_answer_that_is_no_list_ends_the_removal(
    storage: Storage, fake: FakeStorage, page: Any
) -> None:
    fake.refusals.append((200, page))

    with pytest.raises(StorageRefused, match="no list") as refused:
        storage.remove_folder(BUCKET, "ada")

    assert not refused.value.permanent
