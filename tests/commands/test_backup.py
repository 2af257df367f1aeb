"""A backup of a site at work, brought back on an empty machine: all that was accepted is there, and it goes on."""

import io
import json
import sqlite3
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from batches.intake import adding, copying, moves, store
from batches.models import Batch
from cardocr_site import locks
from cardocr_site.accounts.models import AuditEntry
from cardocr_site.backups import making, restoring
from tests import vlm_server
from tests.site.processes import manage

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="of the embedded one; tests/upgrades/ has others"),
]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "other-disk").mkdir()
    return tmp_path / "other-disk" / "cards.tar"


@pytest.fixture
def stocked(batch: Batch) -> Batch:
    """With three scans on the disk, the last in `_errors/`, and something made of the first."""
    for number in range(3):
        adding.add_file(batch, f"{number}.jpg", [vlm_server.card_image(number, (160, 120))])
    base = store.folder(batch)
    store.write_atomic(base / store.DERIVED / "0.jpg-page-r0.jpg", b"page")
    (base / store.ERRORS).mkdir(exist_ok=True)
    (base / "2.jpg").rename(base / store.ERRORS / "2.jpg")
    (base / "half.part").write_bytes(b"half")
    return batch


@pytest.fixture
def made(stocked: Batch, target: Path) -> Path:
    call_command("backup", str(target))
    return target


@pytest.fixture
def bring(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], str]:
    """Restore into tmp_path / "new"; what is said. Raises CommandError."""

    def restore(archive: Path) -> str:
        data = tmp_path / "new"
        data.mkdir(exist_ok=True)
        with monkeypatch.context() as patched:
            patched.setattr(settings, "DATA_DIR", data)
            patched.setitem(settings.DATABASES["default"], "NAME", data / "cardocr.sqlite3")
            told = io.StringIO()
            call_command("restore", str(archive), stdout=told)
        return told.getvalue()

    return restore


def inside(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".part"
    }


def dump(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        yield from database.iterdump()


def changed(source: Path, target: Path, change: Callable[[tarfile.TarInfo, bytes], Any]) -> Path:
    """The same archive with members as `change` gives them; None leaves one out."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            file = old.extractfile(member)
            result = change(member, file.read() if file else b"")
            if result is not None:
                info, data = result
                info.size = len(data)
                new.addfile(info, io.BytesIO(data))
    return target


def test_on_an_empty_machine_everything_is_as_it_was(stocked, made, tmp_path):
    data = tmp_path / "new"
    told = manage(data, "restore", str(made))
    assert told.returncode == 0, told.stderr
    assert f"1 batches and 4 files are in {data}" in told.stdout
    assert "The backup has no keys" in told.stdout
    assert list(dump(data / "cardocr.sqlite3")) == list(dump(Path(connection.settings_dict["NAME"])))
    assert files_of(data / "temp" / stocked.uid) == files_of(store.folder(stocked))
    assert not (data / "restore.part").exists()
    doctor = manage(data, "doctor", "--no-calls")
    assert "scans of cards: All there." in doctor.stdout
    assert "files without a row: None." in doctor.stdout


def test_it_is_for_its_owner_alone_and_has_no_keys(made):
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    assert not [name for name in inside(made) if name.startswith("keys/")]
    assert settings.SECRET_KEY.encode() not in made.read_bytes()
    assert settings.ENCRYPTION_KEY.encode() not in made.read_bytes()


def test_keys_come_along_where_they_are_asked_for(stocked, target, tmp_path, bring):
    call_command("backup", str(target), "--with-keys")
    assert "no keys" not in bring(target)
    for name, key in (("encryption-key", settings.ENCRYPTION_KEY), ("secret-key", settings.SECRET_KEY)):
        path = tmp_path / "new" / name
        assert path.read_text() == key
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_that_is_there_already_stays_beside_that_of_the_backup(stocked, target, tmp_path, bring):
    call_command("backup", str(target), "--with-keys")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "encryption-key").write_text("the only one")
    (tmp_path / "new" / "secret-key").write_text(settings.SECRET_KEY)
    bring(target)
    assert (tmp_path / "new" / "encryption-key").read_text() == settings.ENCRYPTION_KEY
    (old,) = (tmp_path / "new").glob("*-key.before-*")
    assert old.name.startswith("encryption-key")
    assert old.read_text() == "the only one"


def test_a_link_that_somebody_put_there_is_not_followed(stocked, target, tmp_path):
    """A folder for backups may be one that others write to."""
    (tmp_path / "theirs").write_bytes(b"theirs")
    for kind in ("tar", "database"):
        target.with_name(f".{target.name}.{kind}.part").symlink_to(tmp_path / "theirs")
    call_command("backup", str(target))
    assert (tmp_path / "theirs").read_bytes() == b"theirs"
    assert stat.S_IMODE(target.lstat().st_mode) == 0o600
    assert not target.is_symlink()


def test_a_batch_that_starts_and_scans_that_move_meanwhile_are_in_it(
    stocked, monkeypatch, target, tmp_path, bring, user
):
    """The row is copied as a draft; its folder has its new name when the files are copied."""

    def snapshot(path: Path, tell: Any) -> None:
        real(path)
        stocked.label = "Drawer_2026-11-28_14-00_" + stocked.uid
        stocked.save()
        moves.settle(stocked)

    real = making.snapshot
    monkeypatch.setattr(making, "snapshot", snapshot)
    opened = copying._opened

    def moved(batch: Batch, name: str) -> Any:
        if name == "1.jpg":
            base = store.folder(batch)
            (base / name).rename(base / store.ERRORS / name)
        return opened(batch, name)

    monkeypatch.setattr(copying, "_opened", moved)
    call_command("backup", str(target))
    bring(target)
    there = files_of(tmp_path / "new" / "temp" / stocked.uid)
    assert sorted(there) == ["0.jpg", "_derived/0.jpg-page-r0.jpg", "_errors/1.jpg", "_errors/2.jpg"]


def test_what_is_made_meanwhile_is_left_out_and_said(stocked, monkeypatch, target, tmp_path, bring, user):
    real = making.snapshot

    def snapshot(path: Path, tell: Any) -> None:
        real(path)
        later = Batch.objects.create(name="Later", owner=user)
        adding.add_file(later, "9.jpg", [vlm_server.card_image(9, (160, 120))])

    monkeypatch.setattr(making, "snapshot", snapshot)
    call_command("backup", str(target))
    assert "1 batches were made while the backup was" in bring(target)
    assert [path.name for path in (tmp_path / "new" / "temp").iterdir()] == [stocked.uid]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("there.tar", "is there already"),
        ("no/folder.tar", "There is no folder"),
        ("data", "lies in the data folder"),
    ],
)
def test_where_it_cannot_go(stocked, tmp_path, place, said):
    (tmp_path / "there.tar").write_bytes(b"mine")
    path = settings.DATA_DIR / "cards.tar" if place == "data" else tmp_path / place
    with pytest.raises(CommandError, match=said):
        call_command("backup", str(path))
    assert (tmp_path / "there.tar").read_bytes() == b"mine"


def test_it_stops_before_the_disk_is_full_and_leaves_nothing(stocked, target, settings):
    settings.MIN_FREE_BYTES = 10**18
    with pytest.raises(CommandError, match="would be left on the disk"):
        call_command("backup", str(target))
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    "there", ["cardocr.sqlite3", "cardocr.sqlite3-wal", "batches/Drawer_1/1.jpg", "trash/abc/1.jpg"]
)
def test_a_data_folder_in_use_is_left_alone(made, tmp_path, bring, there):
    path = tmp_path / "new" / there
    path.parent.mkdir(parents=True)
    path.write_bytes(b"ours")
    with pytest.raises(CommandError, match="the data folder is in use"):
        bring(made)
    assert path.read_bytes() == b"ours"
    assert not (tmp_path / "new" / "temp").exists()


def one_byte(member: tarfile.TarInfo, data: bytes) -> Any:
    return member, data[:-1] + bytes([data[-1] ^ 1]) if member.name.endswith("/1.jpg") else data


def database(member: tarfile.TarInfo, data: bytes) -> Any:
    return member, data + b"x" if member.name == "database.sqlite3" else data


def lost(member: tarfile.TarInfo, data: bytes) -> Any:
    return None if member.name.endswith("/1.jpg") else (member, data)


def cut(member: tarfile.TarInfo, data: bytes) -> Any:
    return None if member.name == "end.json" else (member, data)


def whole_batch(member: tarfile.TarInfo, data: bytes) -> Any:
    return None if member.name.startswith(("files/", "sums/")) else (member, data)


def outside(member: tarfile.TarInfo, data: bytes) -> Any:
    if member.name.endswith("/1.jpg"):
        member.name = member.name.replace("1.jpg", "../../../../evil.jpg")
    return member, data


def link(member: tarfile.TarInfo, data: bytes) -> Any:
    if member.name.endswith("/1.jpg"):
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        return member, b""
    return member, data


def newer(member: tarfile.TarInfo, data: bytes) -> Any:
    return member, json.dumps(json.loads(data) | {"form": 2}).encode() if member.name == "about.json" else data


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (one_byte, "1 files of the batch .* are not as they were, the first is 1.jpg"),
        (lost, "are not as they were"),
        (database, "does not hold what its end says"),
        (whole_batch, "does not hold what its end says"),
        (cut, "is cut off"),
        (outside, "is no name of a file"),
        (link, "is no file"),
        (newer, "was made by a newer cardocr"),
    ],
)
def test_a_damaged_or_hostile_one_leaves_the_folder_as_it_was(made, tmp_path, bring, change, said):
    with pytest.raises(CommandError, match=said):
        bring(changed(made, tmp_path / "changed.tar", change))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run"]
    assert not list(tmp_path.rglob("evil.jpg"))


def test_one_is_checked_without_bringing_it_back(made: Path, tmp_path: Path):
    told = io.StringIO()
    call_command("restore", str(made), "--check", stdout=told)
    assert told.getvalue() == f"{made} is whole: 1 batches, 4 files, without keys.\n"
    for change, said in ((one_byte, "are not as they were"), (database, "does not hold what its end says")):
        with pytest.raises(CommandError, match=said):
            call_command("restore", str(changed(made, tmp_path / "changed.tar", change)), "--check")
    assert [path.name for path in settings.DATA_DIR.glob("check-*")] == []


def test_one_that_cannot_be_read_back_is_not_kept(stocked: Batch, target: Path, monkeypatch: pytest.MonkeyPatch):
    """As where the disk has kept another byte than it was given."""
    real = making._read_back

    def rotten(part: Path, tell: Any) -> None:
        data = bytearray(part.read_bytes())
        data[data.index(b"\xff\xd8") + 20] ^= 1  # in the first JPEG
        part.write_bytes(data)
        real(part, tell)

    monkeypatch.setattr(making, "_read_back", rotten)
    with pytest.raises(CommandError, match="cannot be read back, so nothing was kept"):
        call_command("backup", str(target))
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("bytes_", [b"", b"no archive at all" * 100])
def test_what_is_no_backup_is_refused(tmp_path, bring, bytes_):
    (tmp_path / "x.tar").write_bytes(bytes_)
    with pytest.raises(CommandError, match=r"x\.tar"):
        bring(tmp_path / "x.tar")


def test_a_database_with_changes_that_nobody_here_knows_is_refused(made, tmp_path):
    with tarfile.open(made) as tar:
        member = tar.getmember("database.sqlite3")
        file = tar.extractfile(member)
        assert file is not None
        (tmp_path / "newer.sqlite3").write_bytes(file.read())
    with closing(sqlite3.connect(tmp_path / "newer.sqlite3")) as base:
        base.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('batches', '9999_later', '2030-01-01')"
        )
        base.commit()
    with pytest.raises(restoring.Failed, match="it knows batches 9999_later"):
        restoring._check_database(tmp_path / "newer.sqlite3")


@pytest.mark.parametrize("change", ["label = '../../evil'", "label = '/tmp/evil'", "label = ''", "uid = '../x'"])
def test_a_database_whose_folders_lie_elsewhere_is_refused(made, tmp_path, change):
    with tarfile.open(made) as tar:
        file = tar.extractfile("database.sqlite3")
        assert file is not None
        (tmp_path / "hostile.sqlite3").write_bytes(file.read())
    restoring._check_database(tmp_path / "hostile.sqlite3")
    with closing(sqlite3.connect(tmp_path / "hostile.sqlite3")) as base:
        base.execute(f"UPDATE batches_batch SET {change}")
        base.commit()
    with pytest.raises(restoring.Failed, match="is no name of a folder"):
        restoring._check_database(tmp_path / "hostile.sqlite3")


def test_a_serve_that_runs_there_is_in_the_way(made, tmp_path, bring):
    lock = locks.held(locks.of_role(tmp_path / "new", "web"), "it")
    with lock, pytest.raises(CommandError, match="cardocr runs there already"):
        bring(made)
    assert not (tmp_path / "new" / "cardocr.sqlite3").exists()


def test_the_audit_log_knows_of_it(made: Path):
    entry = AuditEntry.objects.get(act="backup")
    assert entry.details == {"by": "command", "with_keys": False}


def test_a_log_that_cannot_be_written_to_is_no_reason_for_no_backup(
    stocked: Batch, target: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("database or disk is full")

    monkeypatch.setattr(AuditEntry.objects, "create", full)
    told = io.StringIO()
    call_command("backup", str(target), stderr=told)
    assert target.is_file()
    assert "could not be written to" in told.getvalue()
