"""Containers become cards step by step, whoever is killed meanwhile."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from batches.actions import files, runs, trash
from batches.intake import adding, durable, opening, store, uploads
from batches.intake.alone import alone
from batches.models import Batch, Upload
from batches.states import UploadStatus
from tests.batches.intake import pictures


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "."), data)
    return buffer.getvalue()


def scans(number: int) -> dict[str, bytes]:
    return {f"{n}__jpg": pictures.jpeg((20 + n, 20)) for n in range(1, number + 1)}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member in a step of its own."""
    monkeypatch.setattr(adding, "GROUP_CARDS", 1)


def sent(batch: Batch, data: bytes, name: str = "box.zip") -> Upload:
    return uploads.take(batch, name, [data])


def test_a_zip_becomes_its_scans_and_its_refusals(batch: Batch):
    upload = files.receive(batch, "box.zip", [archive(**scans(2), notes__txt=b"words" * 500)])
    assert (upload.status, upload.cards_made, upload.pages_done, upload.pages_total) == (UploadStatus.DONE, 2, 3, 3)
    assert [card.original_name for card in batch.cards.all()] == ["1.jpg", "2.jpg"]
    member = upload.members.get()
    assert (member.name, member.status, member.code) == ("box.zip: notes.txt", "refused", "FILE_TYPE_INVALID")
    assert not store.held(upload).exists()
    assert not store.opening_lock(upload).exists()


def test_it_goes_on_where_it_was_left(batch: Batch, slow: None):
    upload = sent(batch, archive(**scans(3), notes__txt=b"words" * 500))
    answers = iter([True, True, False])  # after nothing, one member, two members
    assert not opening.go_on(upload.pk, lambda: next(answers))
    upload.refresh_from_db()
    assert (upload.status, upload.pages_done, upload.pages_total, upload.percent) == (UploadStatus.OPENING, 2, 4, 50)
    assert batch.cards.count() == 2
    assert opening.due() == [upload.pk]

    assert opening.go_on(upload.pk, lambda: True)
    upload.refresh_from_db()
    assert (upload.status, upload.cards_made, batch.cards.count()) == (UploadStatus.DONE, 3, 3)
    assert opening.due() == []
    assert upload.members.count() == 1


def test_a_kill_in_the_middle_doubles_nothing(batch: Batch, slow: None, monkeypatch: pytest.MonkeyPatch):
    upload = sent(batch, archive(**scans(3)))
    keep, calls = opening._keep, iter(range(9))

    def die(*arguments: Any) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        keep(*arguments)

    monkeypatch.setattr(opening, "_keep", die)
    with pytest.raises(KeyboardInterrupt):
        opening.go_on(upload.pk, lambda: True)
    assert batch.cards.count() == 2  # the second one stands, though the row does not say so yet
    monkeypatch.undo()
    assert opening.go_on(upload.pk, lambda: True)
    upload.refresh_from_db()
    assert (batch.cards.count(), upload.cards_made, upload.status) == (3, 3, UploadStatus.DONE)


def test_a_kill_before_the_rows_stand_is_no_loss(batch: Batch, settings: Any, monkeypatch: pytest.MonkeyPatch):
    settings.MAX_IMAGE_BYTES = 10
    upload = sent(batch, pictures.tiff([(20, 10)] * 3), "ledger.tif")
    moved: list[Path] = []

    def die(moves: dict[Path, Path]) -> None:
        for source, target in moves.items():
            source.rename(target)
            moved.append(target)
            os.link(target, source)  # what the orderly way out would move back, a kill leaves
        raise KeyboardInterrupt

    monkeypatch.setattr(durable, "replace_all", die)
    with pytest.raises(KeyboardInterrupt):
        opening.go_on(upload.pk, lambda: True)
    monkeypatch.undo()
    assert store.held(upload).is_file()
    assert opening.go_on(upload.pk, lambda: True)
    upload.refresh_from_db()
    assert (upload.status, upload.cards_made, batch.cards.count()) == (UploadStatus.DONE, 3, 3)


def test_a_kill_after_the_source_was_moved_is_no_loss(batch: Batch, settings: Any, monkeypatch: pytest.MonkeyPatch):
    settings.MAX_IMAGE_BYTES = 10
    upload = sent(batch, pictures.tiff([(20, 10)] * 3), "ledger.tif")

    def die(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "_keep", die)
    with pytest.raises(KeyboardInterrupt):
        opening.go_on(upload.pk, lambda: True)
    monkeypatch.undo()
    assert opening.go_on(upload.pk, lambda: True)
    upload.refresh_from_db()
    assert (upload.status, upload.cards_made, batch.cards.count()) == (UploadStatus.DONE, 3, 3)


def test_a_container_without_a_scan_is_refused(batch: Batch):
    upload = files.receive(batch, "box.zip", [archive(notes__txt=b"words" * 500)])
    assert (upload.status, upload.code) == (UploadStatus.REFUSED, "FILE_TYPE_INVALID")
    assert upload.members.get().status == UploadStatus.REFUSED


def test_a_damaged_container_is_refused_alone(batch: Batch):
    upload = files.receive(batch, "box.zip", [pictures.truncated(archive(**scans(3)))])
    assert (upload.status, upload.code) == (UploadStatus.REFUSED, "FILE_TYPE_INVALID")
    assert not store.held(upload).exists()


def test_the_same_container_twice_is_a_duplicate(batch: Batch):
    data = archive(**scans(2))
    files.receive(batch, "box.zip", [data])
    twin = files.receive(batch, "copy.zip", [data])
    assert (twin.status, twin.message) == (UploadStatus.DUPLICATE, "box.zip")
    files.add_anyway(twin)
    assert batch.cards.count() == 4


def test_the_start_waits_for_files_that_are_being_opened(batch: Batch, user: Any):
    uploads.take(batch, "1.jpg", [pictures.jpeg()])
    sent(batch, archive(**scans(2)))
    with pytest.raises(runs.CannotStart, match="still being opened"):
        runs.start(batch, user)


def test_nobody_opens_what_another_one_opens(batch: Batch):
    upload = sent(batch, archive(**scans(2)))
    with alone(store.opening_lock(upload)) as mine:
        assert mine
        assert not opening.go_on(upload.pk, lambda: True)
    assert batch.cards.count() == 0
    assert opening.go_on(upload.pk, lambda: True)
    assert batch.cards.count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_is_put_into_the_trash_this_moment_is_not_taken_for_lost(batch: Batch, monkeypatch: pytest.MonkeyPatch):
    upload, again = sent(batch, archive(**scans(2))), store.again

    def too_late(path: Path) -> Path:
        trash.delete(batch, batch.owner)
        return again(path)

    monkeypatch.setattr(store, "again", too_late)
    assert not opening.go_on(upload.pk, lambda: True)
    monkeypatch.undo()
    trash.restore(batch)
    assert opening.go_on(upload.pk, lambda: True)
    assert batch.cards.count() == 2
