"""SQLite is refused where it would be damaged: on a file system over a network."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from cardocr_site import databases, mounts
from cardocr_site.doctor import storage
from ocr.probe.findings import State

TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:45 / /srv/cards rw,relatime shared:20 master:3 - nfs4 nas.example.org:/cards rw,vers=4.2
41 40 8:2 / /srv/cards/fast rw,relatime - xfs /dev/sdb1 rw
42 22 0:46 / /mnt/our\040cards\134old rw - fuse.sshfs reader@nas:/ rw
43 22 0:47 / /mnt/twice rw - cifs //nas/cards rw
44 43 8:3 / /mnt/twice rw - ext4 /dev/sdc1 rw
45 22 0:48 / /mnt/disk rw - fuseblk /dev/sdd1 rw
a line of another kind
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the data folder lies on a share."""
    path = tmp_path / "mountinfo"
    path.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 0:45 / {tmp_path} rw - nfs4 nas:/cards rw\n")
    monkeypatch.setattr(mounts, "TABLE", path)
    return path


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/cardocr", "ext4"),
        ("/srv/cards", "nfs4"),
        ("/srv/cards/data", "nfs4"),
        ("/srv/cards/fast/data", "xfs"),
        ("/srv/cards/faster", "nfs4"),
        ("/srv/cardsharps", "ext4"),
        (r"/mnt/our cards\old/data", "fuse.sshfs"),
        ("/mnt/twice/data", "ext4"),
        ("/mnt/disk", "fuseblk"),
    ],
)
def test_the_longest_mount_point_says_what_a_folder_lies_on(folder: str, kind: str):
    assert mounts.type_of(Path(folder), TABLE) == kind


@pytest.mark.parametrize(
    ("kind", "is_one"),
    [
        *((kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "lustre")),
        *(
            (kind, False)
            for kind in ("ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "fuse.mergerfs", "")
        ),
    ],
)
def test_what_is_over_a_network(kind: str, is_one: bool):
    assert mounts.is_over_a_network(kind) is is_one


def test_where_nobody_says_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "missing")
    assert mounts.network_type(tmp_path) == ""


@pytest.mark.embedded
@pytest.mark.django_db
@pytest.mark.usefixtures("table")
def test_a_start_refuses_the_embedded_database_there_and_says_what_to_do(settings: Any, tmp_path: Path):
    settings.DATA_DIR = tmp_path / "data"
    with pytest.raises(CommandError, match=r"network \(nfs4\).*disk of this machine.*DATABASE_URL"):
        call_command("prepare_database", at_start=True)
    (told,) = storage.network()
    assert (told.state, "nfs4" in told.meaning) == (State.FAILED, True)


@pytest.mark.usefixtures("table")
def test_scans_may_lie_there(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings.DATA_DIR = tmp_path / "data"
    monkeypatch.setattr(connection, "vendor", "postgresql")
    assert list(storage.network()) == []


@pytest.mark.embedded
@pytest.mark.django_db
def test_a_disk_of_this_machine_is_fine(settings: Any, table: Path, tmp_path: Path):
    settings.DATA_DIR = tmp_path / "data"
    table.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 0:45 / {tmp_path}/dat rw - nfs nas:/cards rw\n")
    databases.refuse_unfit(connection)
    assert list(storage.network()) == []
