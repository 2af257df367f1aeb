"""Files follow their rows, whatever was cut off on the way."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from batches import changes
from batches.intake import derive, durable, moves, store
from batches.models import Batch, Card
from batches.states import CardStatus
from tests.batches.intake import pictures
from tests.batches.intake.test_store import started

Add = Callable[..., list[Card]]


def move(card: Card, *statuses: str) -> Card:
    for status in statuses:
        changes.move_cards(card.batch_id, Card.objects.filter(pk=card.pk), CardStatus(status))
    return Card.objects.get(pk=card.pk)


def inside(batch: Batch) -> list[str]:
    base = store.folder(batch)
    return sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())


def test_the_start_moves_the_folder_and_old_objects_still_find_it(batch: Batch, scan: Card):
    old = Card.objects.select_related("batch").get(pk=scan.pk)
    fresh = started(batch)
    assert store.find(old).parent == store.folder(batch)
    moves.settle(batch)
    assert store.folder(fresh) == Path(settings.DATA_DIR) / "batches" / str(fresh.label)
    assert store.find(old).parent == store.folder(fresh)
    assert store.drafts_on_disk() == []
    moves.settle(batch)
    assert store.find(scan).is_file()


def test_settling_cut_by_a_crash_is_made_up_for(batch: Batch, scan: Card, monkeypatch: pytest.MonkeyPatch):
    fresh = started(batch)

    def cut(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(durable, "sync_folder", cut)
        with pytest.raises(KeyboardInterrupt):
            moves.settle(fresh)
    moves.settle(fresh)
    assert store.find(scan).parent == Path(settings.DATA_DIR) / "batches" / str(fresh.label)


def test_a_batch_without_files_settles_too(batch: Batch):
    fresh = started(batch)
    moves.settle(fresh)
    assert store.folder(fresh).is_dir()
    Batch.objects.all().delete()
    moves.settle(fresh)


def test_a_failed_card_lies_among_the_errors_and_comes_back(batch: Batch, scan: Card):
    failed = move(scan, "processing", "failed")
    for _ in range(2):
        moves.place(failed)
        assert inside(batch) == ["_errors/card.jpg"]
        assert store.find(scan).parent.name == "_errors"
    move(scan, "pending")
    for _ in range(2):
        moves.place(failed)  # an old object: the row decides
        assert inside(batch) == ["card.jpg"]


def test_of_a_shared_file_the_page_is_copied(batch: Batch, add: Add):
    first, second = add("ledger.tif", pictures.tiff([(60, 40), (30, 80)]))
    moves.place(move(second, "processing", "failed"))
    assert inside(batch) == ["ledger.tif"]  # nothing to show yet
    derive.prepare_many([first, second])
    for _ in range(2):
        moves.place(second)
    assert "_errors/ledger-p002--page.jpg" in inside(batch)
    assert store.find(second).name == "ledger.tif"
    move(second, "pending")
    moves.place(second)
    assert not any(name.startswith("_errors") for name in inside(batch))


def test_a_removed_card_or_a_missing_file_is_nobodys_problem(batch: Batch, scan: Card):
    store.find(scan).unlink()
    moves.place(move(scan, "processing", "failed"))
    Card.objects.all().delete()
    moves.place(scan)
    with pytest.raises(FileNotFoundError):
        store.find(scan)


def test_nothing_is_written_over_on_the_way_to_the_errors(batch: Batch, scan: Card):
    errors = store.folder(batch) / "_errors"
    errors.mkdir()
    (errors / "card.jpg").write_bytes(b"another")
    moves.place(move(scan, "processing", "failed"))
    assert inside(batch) == ["_errors/card.jpg", "card.jpg"]


def test_into_the_trash_and_back(batch: Batch, scan: Card):
    trash = Path(settings.DATA_DIR) / "trash" / batch.uid
    for restored in (batch, started(batch)):
        home = store.folder(restored)
        for _ in range(2):
            moves.to_trash(restored)
            assert store.folder(restored) == trash
        Batch.objects.update(deleted_at=timezone.now())
        moves.settle(restored)
        assert store.find(scan).parent == trash
        Batch.objects.update(deleted_at=None)
        for _ in range(2):
            moves.from_trash(restored)
        moves.settle(restored)
        assert home.name in {batch.uid, store.folder(restored).name}
        assert not trash.exists()
