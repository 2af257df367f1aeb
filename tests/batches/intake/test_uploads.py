"""What came of each file stands in a row."""

from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from batches.actions import drafts, files
from batches.intake import store, uploads
from batches.intake.receiving import Refused
from batches.models import Batch, Card, Upload
from batches.states import BatchStatus, UploadStatus
from tests.batches.intake import pictures

Usage = namedtuple("Usage", "total used free")


def take(batch: Batch, name: str = "a.jpg", data: bytes | None = None, **options: Any) -> Upload:
    return uploads.take(batch, name, [pictures.jpeg() if data is None else data], **options)


def held(batch: Batch) -> list[Path]:
    folder = store.folder(batch) / store.HELD
    return sorted(folder.iterdir()) if folder.is_dir() else []


def test_a_file_and_its_cards_know_each_other(batch: Batch):
    upload = take(batch, "Drawer/1.jpg", client_key="k")
    assert (upload.name, upload.status, upload.cards_made) == ("Drawer/1.jpg", UploadStatus.DONE, 1)
    assert [card.upload for card in batch.cards.all()] == [upload]


def test_sent_again_under_its_key_a_file_stands_once(batch: Batch):
    first = take(batch, client_key="k")
    assert take(batch, client_key="k").pk == first.pk
    assert (batch.cards.count(), batch.uploads.count()) == (1, 1)


def test_a_long_key_is_one_too(batch: Batch):
    key = "folder/" * 40
    assert take(batch, client_key=key).pk == take(batch, client_key=key).pk
    assert take(batch, "b.jpg", pictures.jpeg((50, 50)), client_key=f"{key}x").cards_made == 1


def test_other_bytes_under_the_same_key_are_another_file(batch: Batch):
    take(batch, client_key="k")
    take(batch, data=pictures.jpeg((50, 50)), client_key="k")
    assert batch.cards.count() == 2


def test_the_same_bytes_under_another_key_wait_for_a_person(batch: Batch):
    take(batch, "one.jpg", client_key="k1")
    twin = take(batch, "copy.jpg", client_key="k2")
    assert (twin.status, twin.message, twin.cards_made) == (UploadStatus.DUPLICATE, "one.jpg", 0)
    assert batch.cards.count() == 1
    assert held(batch) == [store.held(twin)]
    assert take(batch, "copy.jpg", client_key="k2").pk == twin.pk


def test_a_duplicate_can_be_added_all_the_same(batch: Batch):
    one = take(batch, "one.jpg")
    twin = take(batch, "copy.jpg")
    drafts.remove_cards(batch, one.cards.all())  # what it is a duplicate of may be gone by now
    for _twice in range(2):
        files.add_anyway(twin)
    twin.refresh_from_db()
    card = batch.cards.get()
    assert (twin.status, twin.cards_made, card.upload, card.original_name) == ("done", 1, twin, "copy.jpg")
    assert store.find(card).read_bytes() == pictures.jpeg()
    assert held(batch) == []


def test_what_a_crash_has_left_held_goes_after_a_day(batch: Batch):
    take(batch, "one.jpg")
    twin = take(batch, "copy.jpg")
    stray = store.held(twin).with_name("4711")
    stray.write_bytes(b"left by a crash")
    uploads.forget_strays(24 * 3600.0)
    assert stray.is_file()
    uploads.forget_strays(-1.0)
    assert held(batch) == [store.held(twin)]


def test_a_dismissed_duplicate_leaves_no_bytes_and_is_told_again_when_sent_again(batch: Batch):
    take(batch, "one.jpg")
    twin = take(batch, "copy.jpg", client_key="k")
    uploads.dismiss([twin])
    assert held(batch) == []
    again = take(batch, "copy.jpg", client_key="k")
    assert (again.pk, again.status, again.dismissed) == (twin.pk, UploadStatus.DUPLICATE, False)


def test_a_refusal_is_noted_and_looked_at_anew_when_sent_again(batch: Batch):
    first = take(batch, "notes.txt", b"words" * 500, client_key="k", size=2500)
    assert (first.status, first.code, first.size) == (UploadStatus.REFUSED, "FILE_TYPE_INVALID", 2500)
    assert "not an image" in first.message
    second = take(batch, "notes.txt", client_key="k")
    assert (second.pk, second.status, second.message) == (first.pk, UploadStatus.DONE, "")
    assert store.parts() == []


def test_what_was_taken_out_can_be_sent_again(batch: Batch):
    upload = take(batch, client_key="k")
    drafts.remove_cards(batch, batch.cards.all())
    upload.refresh_from_db()
    assert upload.cards_made == 0
    assert take(batch, client_key="k").cards_made == 1
    assert batch.cards.count() == 1


def test_a_started_batch_takes_nothing_and_notes_nothing(batch: Batch):
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    batch.refresh_from_db()
    with pytest.raises(Refused) as caught:
        take(batch)
    assert caught.value.code == "BATCH_LOCKED"
    assert not batch.uploads.exists()


def test_a_disk_that_is_nearly_full_refuses_before_it_is_full(batch: Batch, settings: Any, monkeypatch: Any):
    settings.MIN_FREE_BYTES = 1_000_000
    left = iter([10_000_000, 500_000])  # at the beginning, and while it is received
    monkeypatch.setattr("batches.intake.room.shutil.disk_usage", lambda _path: Usage(0, 0, next(left)))
    monkeypatch.setattr("batches.intake.room.LOOK_EVERY", 1000)
    upload = uploads.take(batch, "a.jpg", [pictures.jpeg(), b"\0" * 2000, b"\0"])
    assert (upload.status, upload.code) == (UploadStatus.REFUSED, "STORAGE_FULL")
    assert "nearly full" in upload.message
    assert (Card.objects.count(), store.parts()) == (0, [])


@pytest.mark.django_db(transaction=True)
def test_what_goes_wrong_after_the_commit_takes_no_file_away(batch: Batch, monkeypatch: pytest.MonkeyPatch):
    def fail(batch_id: int) -> None:
        raise ConnectionError("nobody to be told")

    monkeypatch.setattr("batches.live.events.changed", fail)
    assert take(batch).status == UploadStatus.DONE
    assert store.find(Card.objects.get()).read_bytes() == pictures.jpeg()
