"""Which file system a folder lies on.

SQLite keeps its word on a disk of this machine alone: over a network neither its locks nor the shared memory of its
journal hold, and a database is damaged sooner or later.
"""

import re
from pathlib import Path

OVER_A_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "smb", "ncpfs", "9p", "ceph", "lustre", "afs", "gpfs"),
    *("beegfs", "glusterfs", "pvfs2", "orangefs", "coda", "davfs", "davfs2", "sshfs", "panfs"),
}
# Of what runs as a program by FUSE, the kind stands behind the dot.
BY_FUSE = {
    *("sshfs", "glusterfs", "ceph", "s3fs", "s3ql", "rclone", "gcsfuse", "goofys", "mount-s3", "juicefs", "davfs"),
    *("davfs2", "curlftpfs", "moosefs", "mfs", "seaweedfs", "smbnetfs", "nfs", "beegfs", "cephfs"),
}
TABLE = Path("/proc/self/mountinfo")


def network_type(folder: Path) -> str:
    """The type of the file system, where it is one over a network; empty: it is none, or nobody says."""
    try:
        table = TABLE.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # no Linux
        return ""
    found = type_of(folder.resolve(), table)
    return found if is_over_a_network(found) else ""


def is_over_a_network(kind: str) -> bool:
    first, _dot, behind = kind.partition(".")
    return kind in OVER_A_NETWORK or (first.startswith("fuse") and behind in BY_FUSE)


def type_of(folder: Path, table: str) -> str:
    """By the longest mount point that holds the folder; of two at one place the later lies on top. See proc(5)."""
    longest, found = -1, ""
    for line in table.splitlines():
        before, dash, behind = line.partition(" - ")
        columns = before.split(" ")
        if not dash or len(columns) < 5:
            continue
        point = Path(_unescaped(columns[4]))
        if folder.is_relative_to(point) and len(point.parts) >= longest:
            longest, found = len(point.parts), behind.split(" ")[0]
    return found


def _unescaped(text: str) -> str:
    r"""Space, tab, newline and backslash stand as \040, \011, \012 and \134."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)
