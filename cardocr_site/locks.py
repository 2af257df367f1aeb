"""One `serve` per data folder, role and machine, and the pid of whoever is in the way."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path


class InUse(Exception):
    """Somebody else has it; the message says who."""


def of_role(data: Path, role: str) -> Path:
    """On this machine: several may work in one folder, each under a name of its own."""
    return data / "run" / f"serve-{role}-{socket.gethostname()}.lock"


@contextlib.contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = file.read().strip() or "unknown"
            raise InUse(f"{what} is in use: cardocr runs there already, as process {pid}.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def waited_for(path: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def check_port(host: str, port: int) -> None:
    """Raises InUse where the port is taken, naming the process where the system lets us see it."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            pid = listener(port)
            by = f" by process {pid}" if pid else ""
            raise InUse(
                f"Port {port} on {host} cannot be used ({error.strerror}{by}). Choose another: --port."
            ) from None


def listener(port: int) -> int | None:
    """The process that listens on a port, on Linux, where it is ours to look at."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{columns[9]}]")
    for folder in Path("/proc").glob("[0-9]*/fd") if sockets else ():
        with contextlib.suppress(OSError):
            if any(str(entry.readlink()) in sockets for entry in folder.iterdir()):
                return int(folder.parent.name)
    return None
