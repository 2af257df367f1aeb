"""Files that come at the same moment share a transaction, and none of them spoils another."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from batches.intake import adding, entering, uploads
from batches.models import Batch, Upload
from batches.states import UploadStatus
from tests.batches.intake import pictures
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
File = tuple[str, bytes, str]  # name, bytes, key


def together(batch: Batch, *files: File) -> list[Upload]:
    """They all wait while another one is being written."""

    def one(file: File) -> Upload:
        try:
            return uploads.take(batch, file[0], [file[1]], client_key=file[2])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(files)) as threads:
        with entering._turn:
            waiting = [threads.submit(one, file) for file in files]
            until(lambda: len(entering._queue) == len(files))
        return [one.result(20) for one in waiting]


def file(number: int, name: str = "", key: str = "") -> File:
    return name or f"{number}.jpg", pictures.jpeg((50 + number, 40)), key


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each transaction held."""
    kept: list[int] = []
    keep: Callable[..., Any] = adding.keep

    def watching(batch: Batch, group: list[adding.Ready], *more: Any) -> Any:
        kept.append(len(group))
        return keep(batch, group, *more)

    monkeypatch.setattr("batches.intake.adding.keep", watching)
    return kept


def test_those_that_wait_share_a_transaction(batch: Batch, groups: list[int]) -> None:
    made = together(batch, file(1, "same.jpg"), file(2, "same.jpg"), file(3))
    assert groups == [3]
    assert all(upload.status == UploadStatus.DONE for upload in made)
    assert {card.filename for card in batch.cards.all()} == {"same.jpg", "same-2.jpg", "3.jpg"}
    assert sorted(card.position for card in batch.cards.all()) == [1, 2, 3]
    assert sorted(upload.cards.get().upload_id for upload in made) == sorted(upload.pk for upload in made)
    batch.refresh_from_db()
    assert (batch.total, batch.version) == (3, 1)


def test_in_one_transaction_the_same_key_stands_once_and_the_same_bytes_wait(batch: Batch) -> None:
    made = together(batch, file(1, key="k"), file(1, key="k"), file(1, "copy.jpg", key="other"))
    assert batch.cards.count() == 1
    assert batch.uploads.count() == 2
    assert sorted(upload.status for upload in made) in (
        ["done", "done", "duplicate"],
        ["done", "duplicate", "duplicate"],
    )


def test_what_is_wrong_with_one_is_its_own(batch: Batch, groups: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    make = entering.Entry.make

    def poisoned(entry: entering.Entry, *more: Any) -> Any:
        if entry.name == "2.jpg":
            raise RuntimeError("poison")
        return make(entry, *more)

    monkeypatch.setattr(entering.Entry, "make", poisoned)
    with pytest.raises(RuntimeError, match="poison"):
        together(batch, file(1), file(2), file(3))
    assert sorted(groups) == [1, 1, 1, 3]
    assert sorted(card.filename for card in batch.cards.all()) == ["1.jpg", "3.jpg"]
    assert batch.uploads.count() == 2


def test_those_for_whom_there_is_no_room_are_refused_alone(batch: Batch, settings: Any) -> None:
    settings.MAX_BATCH_CARDS = 2
    made = together(batch, file(1), file(2), file(3))
    assert sorted(upload.status for upload in made) == ["done", "done", "refused"]
    assert batch.cards.count() == 2


def test_a_file_in_parts_is_not_taken_for_added_because_its_first_try_broke(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Upload.objects.create(batch=batch, name="1.jpg", status=UploadStatus.RECEIVING)
    received = uploads.receive(adding.store.part(), [pictures.jpeg()])
    entry = entering.Entry(batch, "1.jpg", "", row=row)
    ready = adding.Ready("1.jpg", received, adding.pages_of(received))
    broken = iter([RuntimeError("broken")])

    def breaking(_moves: Any) -> None:
        for error in broken:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr("batches.intake.durable.replace_all", breaking)
        with pytest.raises(RuntimeError, match="broken"):
            entering.enter(entry, ready)
    entering.enter(entry, ready)
    assert batch.cards.count() == 1
