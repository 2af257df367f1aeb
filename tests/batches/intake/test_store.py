import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from batches import changes
from batches.intake import derive, durable, moves, store
from batches.models import Batch, Card
from batches.states import BatchStatus

Add = Callable[..., list[Card]]
NOON = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)


def started(batch: Batch) -> Batch:
    return changes.move_batch(batch, BatchStatus.QUEUED, label=store.label(batch, NOON))


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("Drawer 12", "Drawer-12"),
        ("../../etc", "etc"),
        ("Kärtchen: A/B", "Kärtchen-A-B"),
        ("???", "batch"),
        ("x" * 100, "x" * 60),
    ],
)
def test_the_label_says_name_start_and_uid(batch: Batch, name: str, start: str):
    batch.name = name
    assert store.label(batch, NOON) == f"{start}_2026-11-20_14-05_{batch.uid}"


def test_the_label_of_any_name_is_a_file_name(batch: Batch):
    batch.name = "本" * 200
    label = store.label(batch, NOON)
    assert len(label) <= 120
    (Path(settings.DATA_DIR) / "batches" / label).mkdir(parents=True)


def test_a_start_whose_move_never_happened_is_seen_on_the_disk(batch: Batch, scan: Card):
    started(batch)
    assert store.drafts_on_disk() == [batch.uid]


def test_nothing_is_moved_while_somebody_writes(batch: Batch, scan: Card):
    fresh, done = started(batch), threading.Event()

    def move_it() -> None:
        with store.moving(fresh):
            done.set()

    with store.writing(batch):
        with store.writing(batch):  # any number at once
            mover = threading.Thread(target=move_it)
            mover.start()
        assert not done.wait(0.2)
    assert done.wait(10)
    mover.join()


def test_writers_that_take_turns_do_not_keep_a_mover_out(batch: Batch):
    """Each writer leaves only when the next is inside, as long as that one is let in."""
    moved, stop = threading.Event(), threading.Event()
    inside = [threading.Event() for _ in range(2000)]

    def write(first: int) -> None:
        for turn in range(first, len(inside) - 1, 2):
            if stop.is_set():
                return
            with store.writing(batch):
                inside[turn].set()
                inside[turn + 1].wait(0.2)

    def move_it() -> None:
        with store.moving(batch):
            moved.set()

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    assert inside[10].wait(10)
    threads.append(threading.Thread(target=move_it))
    threads[-1].start()
    try:
        assert moved.wait(5)
        assert not inside[-2].is_set()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_erasing_leaves_nothing(batch: Batch, scan: Card):
    derive.prepare(scan)
    moves.to_trash(batch)
    for _ in range(2):
        store.erase(batch)
    left = [path for path in Path(settings.DATA_DIR).rglob("*") if batch.uid in str(path)]
    assert left == []


def test_a_file_is_written_whole_or_not_at_all(batch: Batch, monkeypatch: pytest.MonkeyPatch):
    path = store.results_folder(batch) / "card.jpg_ocr_results.json"
    store.write_atomic(path, b"one")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            store.write_atomic(path, b"two")
    assert path.read_bytes() == b"one"
    assert store.parts() == []


def test_of_many_files_each_is_whole_or_not_there(batch: Batch, monkeypatch: pytest.MonkeyPatch):
    folder = store.results_folder(batch)
    store.write_together({folder / f"{number}.txt": b"one" for number in range(5)})
    with monkeypatch.context() as patch:
        patch.setattr(durable._libc, "syncfs", lambda _descriptor: -1)
        with pytest.raises(OSError, match="did not take"):
            store.write_together({folder / f"{number}.txt": b"two" for number in range(5)})
    assert {path.read_bytes() for path in folder.iterdir()} == {b"one"}
    assert store.parts() == []


def test_a_file_that_another_program_holds_is_tried_three_times(batch: Batch, monkeypatch: pytest.MonkeyPatch):
    path, tries = store.make(batch) / "a.txt", []
    real = Path.replace

    def held(self: Path, target: Path) -> Path:
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError
        return real(self, target)

    monkeypatch.setattr(Path, "replace", held)
    monkeypatch.setattr(durable, "PAUSE", 0.0)
    store.write_atomic(path, b"text")
    assert path.read_bytes() == b"text"
    tries[:] = [path] * -3

    def always(self: Path, target: Path) -> Path:
        raise PermissionError

    monkeypatch.setattr(Path, "replace", always)
    with pytest.raises(PermissionError):
        store.write_atomic(path, b"more")
    assert (path.read_bytes(), store.parts()) == (b"text", [])


def test_a_card_is_found_while_it_is_being_moved(batch: Batch, scan: Card, monkeypatch: pytest.MonkeyPatch):
    base = store.folder(batch)
    here, there = base / "card.jpg", base / "_errors" / "card.jpg"
    there.parent.mkdir()
    here.rename(there)
    real = Path.is_file

    def is_file(self: Path) -> bool:
        found = real(self)
        if self == here and real(there):  # it comes back between the two looks
            there.rename(here)
        return found

    monkeypatch.setattr(Path, "is_file", is_file)
    assert store.find(scan) == here
