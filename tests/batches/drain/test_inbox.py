"""Files laid into a folder of the inbox become a draft."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from batches.drain import inbox
from batches.drain.inbox import Inbox
from batches.intake import uploads
from batches.models import Batch
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from tests.batches.intake import pictures

pytestmark = pytest.mark.usefixtures("administrator")


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.INBOX_DIR = tmp_path / "inbox"
    folder = settings.INBOX_DIR / "Drawer 12"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def taken() -> list[int]:
    return []


@pytest.fixture
def watcher(taken: list[int]) -> Inbox:
    return Inbox(taken.append)


def lay(folder: Path, name: str, data: bytes | None = None) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pictures.jpeg() + name.encode() if data is None else data)
    return path


def look(watcher: Inbox, times: int = 2) -> None:
    for _time in range(times):
        watcher.look()


def test_a_folder_becomes_a_draft_of_the_administrator(folder: Path, watcher: Inbox, taken: list[int], engine: Any):
    paths = [lay(folder, name) for name in ("10.jpg", "2.jpg", "sub/1.jpg")]
    look(watcher)
    batch = Batch.objects.get()
    assert (batch.name, batch.owner.username, batch.engine, batch.status) == ("Drawer 12", "admin", engine, "draft")
    assert [card.original_name for card in batch.cards.order_by("position")] == ["2.jpg", "10.jpg", "sub/1.jpg"]
    assert not any(path.exists() for path in paths)
    assert taken == [batch.pk]
    lay(folder, "3.jpg")
    look(watcher)
    assert Batch.objects.get().cards.count() == 4


def test_a_person_can_be_named(folder: Path, watcher: Inbox, user: User, settings: Any):
    settings.INBOX_OWNER = user.username
    lay(folder, "1.jpg")
    look(watcher)
    assert Batch.objects.get().owner == user


def test_its_scans_are_turned_as_those_of_any_new_batch(folder: Path, watcher: Inbox, settings: Any):
    settings.TURN_SCANS = "90"
    lay(folder, "1.jpg")
    look(watcher)
    assert Batch.objects.get().option("rotation") == 90


def test_a_file_is_taken_once_it_has_stopped_growing(folder: Path, watcher: Inbox):
    path = lay(folder, "1.jpg", pictures.jpeg()[:100])
    look(watcher, 1)
    path.write_bytes(pictures.jpeg())
    look(watcher, 1)
    assert not Batch.objects.exists()
    look(watcher, 1)
    assert Batch.objects.get().cards.count() == 1


def test_a_file_that_changes_while_it_is_read_waits(folder: Path, watcher: Inbox, monkeypatch: pytest.MonkeyPatch):
    path = lay(folder, "1.jpg")
    look(watcher, 1)
    found = next(iter(watcher._seen))
    real = inbox._draft

    def draft(name: str) -> Batch:
        path.write_bytes(pictures.jpeg() + b"more")
        return real(name)

    monkeypatch.setattr(inbox, "_draft", draft)
    with pytest.raises(inbox._Changed):
        watcher._take(found)
    assert not Batch.objects.get().cards.exists()
    assert path.is_file()


def test_a_refused_file_is_laid_aside_with_its_reason(folder: Path, watcher: Inbox):
    for _twice in range(2):
        lay(folder, "notes.txt", b"words" * 500)
        lay(folder, "1.jpg")
        look(watcher)
    aside = folder / "refused"
    assert sorted(path.name for path in aside.iterdir()) == [
        "notes-2.txt", "notes-2.txt.txt", "notes.txt", "notes.txt.txt",
    ]  # fmt: skip
    assert "not an image" in (aside / "notes.txt.txt").read_text()
    look(watcher, 3)
    assert len(list(aside.iterdir())) == 4


def test_killed_between_row_and_file_it_stands_once(folder: Path, watcher: Inbox, monkeypatch: pytest.MonkeyPatch):
    path = lay(folder, "1.jpg")

    def die(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", die)
    with pytest.raises(KeyboardInterrupt):
        look(watcher)
    monkeypatch.undo()
    assert path.is_file()
    Batch.objects.update(status=BatchStatus.RUNNING)  # and started before it is looked at again
    look(Inbox([].append))
    assert Batch.objects.get().cards.count() == 1
    assert not path.exists()


def test_a_started_batch_gets_nothing_more(folder: Path, watcher: Inbox):
    lay(folder, "1.jpg")
    look(watcher)
    Batch.objects.update(status=BatchStatus.RUNNING)
    lay(folder, "2.jpg")
    look(watcher)
    assert [batch.cards.count() for batch in Batch.objects.order_by("pk")] == [1, 1]


def test_links_and_unfinished_files_are_left_alone(folder: Path, watcher: Inbox, tmp_path: Path):
    secret = lay(tmp_path, "secret.jpg")
    (folder / "link.jpg").symlink_to(secret)
    (folder.parent / "linked").symlink_to(tmp_path)
    lay(folder, ".hidden.jpg")
    lay(folder, "scan.jpg.part")
    lay(folder.parent, "beside.jpg")
    look(watcher, 3)
    assert not Batch.objects.exists()
    assert secret.is_file()


def test_a_full_disk_leaves_the_files_where_they_are(folder: Path, watcher: Inbox, monkeypatch: pytest.MonkeyPatch):
    path = lay(folder, "1.jpg")
    monkeypatch.setattr("batches.intake.room.free", lambda: 0)
    look(watcher)
    assert path.is_file()
    monkeypatch.undo()
    look(watcher)
    assert Batch.objects.get().cards.count() == 1


def test_an_empty_inbox_asks_the_database_nothing(folder: Path, watcher: Inbox, django_assert_num_queries: Any):
    with django_assert_num_queries(0):
        look(watcher, 3)


def test_one_that_waits_holds_up_no_other(folder: Path, watcher: Inbox):
    path = lay(folder, "1.jpg")
    lay(folder, "2.jpg")
    look(watcher, 1)
    os.utime(path)  # touched: it waits another look
    look(watcher, 1)
    assert Batch.objects.get().cards.count() == 1


def test_a_file_that_may_not_be_read_spoils_no_other(folder: Path, watcher: Inbox, monkeypatch: pytest.MonkeyPatch):
    locked = lay(folder, "1.jpg")
    lay(folder, "2.jpg")
    really = os.open

    def refuse(path: Any, *args: Any, **options: Any) -> int:  # tests may run as root, who may read everything
        if path == locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        return really(path, *args, **options)

    monkeypatch.setattr("batches.drain.inbox.os.open", refuse)
    look(watcher, 3)
    assert [card.original_name for card in Batch.objects.get().cards.all()] == ["2.jpg"]
    assert locked.is_file()


def test_names_that_are_no_text_are_taken_all_the_same(folder: Path, watcher: Inbox):
    lay(folder.with_name(os.fsdecode(b"Kl\xf6ster")), os.fsdecode(b"K\xf6ln.jpg"), pictures.jpeg())
    refused = lay(folder, os.fsdecode(b"K\xf6ln.txt"), b"no scan")
    look(watcher)
    card = Batch.objects.get(name="Kl\ufffdster").cards.get()
    assert (card.original_name, card.source) == ("K\ufffdln.jpg", "K-ln.jpg")
    assert (folder / "refused" / refused.name).is_file()


def test_the_longest_name_is_laid_aside_too(folder: Path, watcher: Inbox):
    path = lay(folder, "n" * 251 + ".jpg", b"no scan")
    look(watcher)
    aside = folder / "refused"
    assert (aside / path.name).is_file()
    assert [other.suffix for other in aside.iterdir() if other.name != path.name] == [".txt"]


def test_another_file_that_has_come_under_its_name_stays(folder: Path, watcher: Inbox, monkeypatch: pytest.MonkeyPatch):
    path, take = lay(folder, "1.jpg"), uploads.take

    def and_scan_again(*args: Any, **options: Any) -> Any:
        upload = take(*args, **options)
        lay(folder, "1.jpg", pictures.jpeg((90, 60)))
        return upload

    monkeypatch.setattr("batches.drain.inbox.uploads.take", and_scan_again)
    look(watcher)
    assert path.read_bytes() == pictures.jpeg((90, 60))
