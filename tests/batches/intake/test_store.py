import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from batches import changes
from batches.intake import derive, durable, store
from batches.models import Batch, Card
from batches.states import BatchStatus, CardStatus
from tests.batches.intake import pictures

Add = Callable[..., list[Card]]
NOON = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)


def started(batch: Batch) -> Batch:
    return changes.move_batch(batch, BatchStatus.QUEUED, label=store.label(batch, NOON))


def move(card: Card, *statuses: str) -> Card:
    for status in statuses:
        changes.move_cards(card.batch_id, Card.objects.filter(pk=card.pk), CardStatus(status))
    return Card.objects.get(pk=card.pk)


def inside(batch: Batch) -> list[str]:
    base = store.folder(batch)
    return sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())


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


def test_the_start_moves_the_folder_and_old_objects_still_find_it(batch: Batch, scan: Card):
    old = Card.objects.select_related("batch").get(pk=scan.pk)
    fresh = started(batch)
    assert store.find(old).parent == store.folder(batch)
    store.settle(batch)
    assert store.folder(fresh) == Path(settings.DATA_DIR) / "batches" / str(fresh.label)
    assert store.find(old).parent == store.folder(fresh)
    assert store.drafts_on_disk() == []
    store.settle(batch)
    assert store.find(scan).is_file()


def test_settling_cut_by_a_crash_is_made_up_for(batch: Batch, scan: Card, monkeypatch: pytest.MonkeyPatch):
    fresh = started(batch)

    def cut(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(durable, "sync_folder", cut)
        with pytest.raises(KeyboardInterrupt):
            store.settle(fresh)
    store.settle(fresh)
    assert store.find(scan).parent == Path(settings.DATA_DIR) / "batches" / str(fresh.label)


def test_a_start_whose_move_never_happened_is_seen_on_the_disk(batch: Batch, scan: Card):
    started(batch)
    assert store.drafts_on_disk() == [batch.uid]


def test_a_batch_without_files_settles_too(batch: Batch):
    fresh = started(batch)
    store.settle(fresh)
    assert store.folder(fresh).is_dir()
    Batch.objects.all().delete()
    store.settle(fresh)


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


def test_a_failed_card_lies_among_the_errors_and_comes_back(batch: Batch, scan: Card):
    failed = move(scan, "processing", "failed")
    for _ in range(2):
        store.place(failed)
        assert inside(batch) == ["_errors/card.jpg"]
        assert store.find(scan).parent.name == "_errors"
    move(scan, "pending")
    for _ in range(2):
        store.place(failed)  # an old object: the row decides
        assert inside(batch) == ["card.jpg"]


def test_of_a_shared_file_the_page_is_copied(batch: Batch, add: Add):
    first, second = add("ledger.tif", pictures.tiff([(60, 40), (30, 80)]))
    store.place(move(second, "processing", "failed"))
    assert inside(batch) == ["ledger.tif"]  # nothing to show yet
    derive.prepare_many([first, second])
    for _ in range(2):
        store.place(second)
    assert "_errors/ledger-p002--page.jpg" in inside(batch)
    assert store.find(second).name == "ledger.tif"
    move(second, "pending")
    store.place(second)
    assert not any(name.startswith("_errors") for name in inside(batch))


def test_a_removed_card_or_a_missing_file_is_nobodys_problem(batch: Batch, scan: Card):
    store.find(scan).unlink()
    store.place(move(scan, "processing", "failed"))
    Card.objects.all().delete()
    store.place(scan)
    with pytest.raises(FileNotFoundError):
        store.find(scan)


def test_nothing_is_written_over_on_the_way_to_the_errors(batch: Batch, scan: Card):
    errors = store.folder(batch) / "_errors"
    errors.mkdir()
    (errors / "card.jpg").write_bytes(b"another")
    store.place(move(scan, "processing", "failed"))
    assert inside(batch) == ["_errors/card.jpg", "card.jpg"]


def test_into_the_trash_and_back(batch: Batch, scan: Card):
    trash = Path(settings.DATA_DIR) / "trash" / batch.uid
    for restored in (batch, started(batch)):
        home = store.folder(restored)
        for _ in range(2):
            store.to_trash(restored)
            assert store.folder(restored) == trash
        Batch.objects.update(deleted_at=timezone.now())
        store.settle(restored)
        assert store.find(scan).parent == trash
        Batch.objects.update(deleted_at=None)
        for _ in range(2):
            store.from_trash(restored)
        store.settle(restored)
        assert home.name in {batch.uid, store.folder(restored).name}
        assert not trash.exists()


def test_erasing_leaves_nothing(batch: Batch, scan: Card):
    derive.prepare(scan)
    store.to_trash(batch)
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
