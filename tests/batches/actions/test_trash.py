from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from batches import changes
from batches.actions import runs, trash
from batches.intake import store
from batches.models import Batch, Card
from batches.states import BatchStatus
from cardocr_site.accounts.models import User

Make = Callable[..., list[Card]]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(batch: Batch) -> Path:
    path = store.make(batch)
    (path / "card-0001.jpg").write_bytes(b"scan")
    return path


def test_into_the_trash_and_back(batch: Batch, folder: Path, user: User) -> None:
    trash.delete(batch, user)
    assert not Batch.objects.visible_to(user).exists()
    assert not folder.exists()
    assert (Path(settings.DATA_DIR) / "trash" / batch.uid / "card-0001.jpg").is_file()
    trash.restore(batch)
    assert Batch.objects.visible_to(user).get() == batch
    assert (folder / "card-0001.jpg").read_bytes() == b"scan"


def test_twice_is_once(batch: Batch, folder: Path, user: User, other_user: User) -> None:
    trash.delete(batch, user)
    trash.delete(batch, other_user)
    assert Batch.objects.get().deleted_by == user
    trash.restore(batch)
    trash.restore(batch)
    assert folder.is_dir()


@pytest.mark.parametrize("status", [BatchStatus.QUEUED, BatchStatus.RUNNING, BatchStatus.PAUSED])
def test_a_batch_being_read_is_stopped(
    batch: Batch, folder: Path, make_cards: Make, user: User, status: BatchStatus
) -> None:
    make_cards(3)
    Batch.objects.update(status=status)
    trash.delete(batch, user)
    deleted = Batch.objects.get()
    assert (deleted.status, deleted.cancelled, deleted.deleted_by) == (BatchStatus.CANCELLED, 3, user)


def test_one_resumed_in_between_is_not_deleted(
    batch: Batch, folder: Path, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    Batch.objects.update(status=BatchStatus.RUNNING)
    monkeypatch.setattr(runs, "cancel", lambda batch, _user: batch)
    with pytest.raises(changes.TransitionRefused):
        trash.delete(batch, user)
    assert Batch.objects.get().deleted_at is None


def test_for_good(batch: Batch, folder: Path, make_cards: Make, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trash, "BLOCK", 2)
    make_cards(5)
    trash.delete(batch, user)
    trash.erase(batch)
    assert not Batch.objects.exists()
    assert not Card.objects.exists()
    assert not (Path(settings.DATA_DIR) / "trash" / batch.uid).exists()


def test_what_is_not_in_the_trash_is_not_erased(batch: Batch, folder: Path) -> None:
    with pytest.raises(trash.NotInTrash):
        trash.erase(batch)
    assert folder.is_dir()
