"""Hosts of the tests' own on one machine: network namespaces on a switch, each with a name, an address and a cable.

    with hosts.network() as room:            # this thread stands in the room where the switch is, at ROOM
        worker = room.host("worker-1")
        worker.run(["python", "manage.py", "serve", "--only", "worker"], env=…)
        worker.cut()                         # the cable is out: what is sent is lost, and nobody is told
        worker.mend()

Needs root, `ip` and `unshare`.
"""

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

NETWORK = "10.77.0"
ROOM = f"{NETWORK}.1"
CLONE_NEWNET = 0x40000000


def missing() -> str:
    """What they cannot be had for; empty where they can."""
    if os.geteuid() != 0:
        return "network namespaces are made by root alone"
    if not (shutil.which("ip") and shutil.which("unshare") and wrong_clocks()):
        return "ip, unshare or libfaketime is missing: make servers"
    tried = subprocess.run(["unshare", "--net", "--uts", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


def wrong_clocks() -> Path | None:
    """The library by which one process has a clock of its own."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@dataclass
class Host:
    name: str
    space: str
    address: str
    room: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def _cable(self) -> str:
        return f"to-{self.name}"[:15]

    def plug_in(self) -> None:
        _ip("netns", "add", self.space)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        _ip("link", "set", self._cable, "master", "switch", "up")
        for what in (
            ("addr", "add", f"{self.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", self.space, *what)

    def cut(self) -> None:
        """At the switch: the host's own end stays up, so that nobody there hears of it."""
        _ip("link", "set", self._cable, "nomaster")

    def mend(self) -> None:
        _ip("link", "set", self._cable, "master", "switch")

    def run(self, command: Sequence[str], env: dict[str, str], log: IO[bytes], cwd: Path) -> subprocess.Popen[bytes]:
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name, *command]
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.space, *named],
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def pids(self) -> list[int]:
        found = subprocess.run(["ip", "netns", "pids", self.space], capture_output=True, text=True, check=True)
        return [int(pid) for pid in found.stdout.split()]

    def kill(self, module: str) -> None:
        """What was started there by `python -m` as this, and no other."""
        for pid in self.pids():
            if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)

    def signal(self, signal_: int) -> None:
        for pid in self.pids():
            os.kill(pid, signal_)

    def power_off(self) -> None:
        """All that runs there ends at once."""
        self.signal(signal.SIGKILL)
        for process in self.processes:
            process.wait(10)
        self.processes.clear()

    def shut_down(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                self.power_off()
                break


class Room:
    def __init__(self, name: str) -> None:
        self.name = name
        self.hosts: dict[str, Host] = {}

    def host(self, name: str) -> Host:
        """One that stands there from now on."""
        address = f"{NETWORK}.{11 + len(self.hosts)}"
        host = self.hosts[name] = Host(name, f"{self.name}-{name}", address, self.name)
        host.plug_in()
        return host


@contextmanager
def network() -> Iterator[Room]:
    """The calling thread, and those it starts, stand in the room until the block ends."""
    room = Room(f"cards-{os.getpid()}")
    _ip("netns", "add", room.name)
    try:
        with _standing_in(room.name):
            _ip("link", "add", "switch", "type", "bridge")
            _ip("addr", "add", f"{ROOM}/24", "dev", "switch")
            _ip("link", "set", "switch", "up")
            _ip("link", "set", "lo", "up")
            try:
                yield room
            finally:
                for host in room.hosts.values():
                    host.power_off()
    finally:
        for host in room.hosts.values():
            _ip("netns", "del", host.space)
        _ip("netns", "del", room.name)


@contextmanager
def _standing_in(space: str) -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    before, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{space}", os.O_RDONLY)

    def enter(handle: int) -> None:
        if libc.setns(handle, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    try:
        enter(there)
        yield
    finally:
        enter(before)
        os.close(before)
        os.close(there)
