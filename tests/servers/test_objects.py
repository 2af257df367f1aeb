"""Scans on object storage: a real S3 server in a process of its own, behind a door that can be shut."""

import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from batches.intake import adding, cache, connecting, derive, objects, store
from batches.intake.receiving import Refused
from batches.intake.unreachable import Unreachable
from batches.models import Batch, Card
from batches.states import CardStatus
from cardocr_site import objects as given
from tests.servers import s3
from tests.servers.conftest import small_card

pytestmark = pytest.mark.servers

_numbers = itertools.count(1)
SOON = {"connect_timeout": 1, "read_timeout": 1, "retries": {"mode": "standard", "total_max_attempts": 1}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Door]:
    with s3.running(tmp_path_factory.mktemp("moto")) as door:
        yield door


@pytest.fixture
def door(server: s3.Door, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3.Door]:
    """The settings of the product say so: each test has a prefix of its own."""
    monkeypatch.setattr(connecting, "PATIENT", SOON)
    monkeypatch.setattr(connecting, "QUICK", SOON)
    use(settings, server, f"tests/{next(_numbers)}")
    server.broken = server.broken_for = ""
    server.calls.clear()
    yield server
    server.broken = ""
    shutil.rmtree(django_settings.DATA_DIR / "cache", ignore_errors=True)


def use(settings: Any, server: s3.Door, prefix: str, **changes: Any) -> None:
    settings.FILES_URL = f"s3://{s3.BUCKET}/{prefix}"
    said = {"endpoint": server.url, "key_id": s3.KEY_ID, "secret": s3.SECRET, "region": "us-east-1", "path_style": True}
    scans = given.storage(given.Given(url=settings.FILES_URL, **(said | changes)))
    settings.STORAGES = django_settings.STORAGES | {"scans": scans}


def prefix_of(batch: Batch) -> str:
    return f"{django_settings.FILES_URL.removeprefix(f's3://{s3.BUCKET}/')}/{batch.uid}/"


def names(door: s3.Door, batch: Batch) -> list[str]:
    return [key.removeprefix(prefix_of(batch)) for key in door.keys(prefix_of(batch))]


@pytest.fixture
def card(door: s3.Door, batch: Batch) -> Card:
    return adding.add_file(batch, "Box 1/one.jpg", [small_card(1)]).cards[0]


def test_a_scan_is_an_object_under_its_stored_name_and_nothing_else_is_left(door, batch, card):
    assert names(door, batch) == ["one.jpg"]
    assert door.bytes_of(f"{prefix_of(batch)}one.jpg") == small_card(1)
    assert store.find(card).read_bytes() == small_card(1)
    assert not store.parts()


def test_what_was_fetched_once_is_not_sent_again(door, batch, card):
    shutil.rmtree(django_settings.DATA_DIR / "cache")
    first = store.find(card)
    before = len(door.calls)
    assert store.find(card) == first
    assert first.read_bytes() == small_card(1)
    assert len(door.calls) == before + 1, "one question, whether it is still the same"


def test_an_object_that_has_changed_is_fetched_anew_and_one_that_is_gone_is_gone_here_too(door, batch, card):
    first = store.find(card)
    door.client.put_object(Bucket=s3.BUCKET, Key=f"{prefix_of(batch)}one.jpg", Body=small_card(2))
    assert store.find(card).read_bytes() == small_card(2)
    assert not first.exists()
    door.client.delete_object(Bucket=s3.BUCKET, Key=f"{prefix_of(batch)}one.jpg")
    with pytest.raises(FileNotFoundError):
        store.find(card)
    assert not [path for path in (django_settings.DATA_DIR / "cache").rglob("*one*") if path.is_file()]


def test_two_files_of_one_name_are_two_objects(door, batch, card):
    second = adding.add_file(batch, "Box 2/one.jpg", [small_card(2)]).cards[0]
    assert names(door, batch) == ["one-2.jpg", "one.jpg"]
    assert store.find(second).read_bytes() == small_card(2)


@pytest.mark.parametrize("broken", ["503", "gone"])
def test_where_the_storage_takes_nothing_there_is_neither_card_nor_object(door, batch, broken):
    door.broken, door.broken_for = broken, "PUT"
    with pytest.raises((Refused, Unreachable)):
        adding.add_file(batch, "one.jpg", [small_card(1)])
    door.broken = ""
    assert (names(door, batch), batch.cards.count(), store.parts()) == ([], 0, [])


def test_a_scan_whose_row_is_not_written_leaves_no_object(door, batch, monkeypatch):
    def full(*_arguments: Any, **_more: Any) -> None:
        raise RuntimeError("no row")

    kept = objects.Objects.keep

    def keep(self: objects.Objects, moves: Any) -> None:
        kept(self, moves)
        full()

    monkeypatch.setattr(objects.Objects, "keep", keep)
    with pytest.raises(RuntimeError, match="no row"):
        adding.add_file(batch, "one.jpg", [small_card(1)])
    assert names(door, batch) == []


def test_a_large_file_goes_in_parts(door, batch, monkeypatch):
    monkeypatch.setattr(objects, "SINGLE", 1000)
    small = objects.TransferConfig(multipart_threshold=1000, multipart_chunksize=5 << 20)
    monkeypatch.setattr(objects, "_LARGE", small)
    card = adding.add_file(batch, "one.jpg", [small_card(1)]).cards[0]
    assert any("uploads" in call for call in door.calls)
    assert store.find(card).read_bytes() == small_card(1)


def test_page_and_thumbnail_are_objects_and_go_with_the_card(door, batch, card):
    derive.prepare(card)
    card.refresh_from_db()
    assert card.prepared_at is not None
    assert not card.error
    assert names(door, batch) == ["_derived/one.jpg-page-r0.jpg", "_derived/one.jpg-thumb-r0.jpg", "one.jpg"]
    prepared = derive.prepared(card, full_resolution=False, max_px=1600)
    assert prepared.path.read_bytes() == door.bytes_of(f"{prefix_of(batch)}_derived/one.jpg-page-r0.jpg")
    adding.remove([card])
    store.forget(batch, [card], [])
    assert names(door, batch) == []


def test_the_image_of_a_failed_card_is_copied_and_the_copy_goes_when_it_is_read(door, batch, card):
    Card.objects.filter(pk=card.pk).update(status=CardStatus.FAILED)
    store.place(card)
    store.place(card)
    assert names(door, batch) == ["_errors/one.jpg", "one.jpg"]
    Card.objects.filter(pk=card.pk).update(status=CardStatus.COMPLETED)
    store.place(card)
    assert names(door, batch) == ["one.jpg"]


def test_a_batch_stays_where_it_is_from_its_draft_into_the_trash_and_is_erased_with_all(door, batch, card):
    Batch.objects.filter(pk=batch.pk).update(label="drawer_2026")
    store.settle(batch)
    store.to_trash(batch)
    assert names(door, batch) == ["one.jpg"]
    store.erase(batch)
    assert names(door, batch) == []


def test_a_page_that_does_not_come_says_nothing_about_the_scan(door, batch, card):
    shutil.rmtree(django_settings.DATA_DIR / "cache")
    door.broken = "503"
    with pytest.raises(OSError, match="503"):
        derive.prepare(card)
    card.refresh_from_db()
    assert (card.prepared_at, card.error) == (None, "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"endpoint": "http://127.0.0.1:9"}, "does not answer"),
        ({"bucket": "not-there"}, "has no bucket “not-there”"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence_without_the_secret(door, settings, changes, said):
    use(settings, door, f"tests/{next(_numbers)}", **{k: v for k, v in changes.items() if k != "bucket"})
    if bucket := changes.get("bucket"):
        settings.STORAGES["scans"]["OPTIONS"]["bucket_name"] = bucket
    with pytest.raises(Unreachable) as caught:
        store.kept().probe()
    assert said in caught.value.message
    assert s3.SECRET not in str(caught.value)


def test_the_probe_leaves_nothing(door, settings):
    assert abs(store.kept().probe()) < 5
    assert door.keys(settings.FILES_URL.removeprefix(f"s3://{s3.BUCKET}/")) == []


def copies(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".tidy")


def test_the_copies_keep_to_their_size_and_none_goes_that_was_just_given_out(tmp_path):
    kept = cache.Cache(tmp_path / "cache", tmp_path / "parts", 1000)
    made = []
    for number in range(5):
        part = kept.part()
        part.write_bytes(bytes(300))
        made.append(kept.take(tmp_path / "cache" / f"{number}.jpg", '"tag"', part, time.time()))
    assert copies(tmp_path / "cache") == made
    import os

    for number, copy in enumerate(made):
        os.utime(copy, (time.time() - 3000 + number, time.time()))
    kept.tidy()
    assert copies(tmp_path / "cache") == made[-2:]
    assert kept.find(tmp_path / "cache" / "4.jpg") == (made[-1], "tag")
    assert kept.find(tmp_path / "cache" / "0.jpg") is None
