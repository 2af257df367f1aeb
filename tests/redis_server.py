"""A Redis of the tests' own: on a free port, with a password, nothing on the disk. It can be stopped and started."""

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.waiting import until

PASSWORD = "p@ss, of the tests"
DATABASES = 100_000  # each data folder of the tests has one


def program() -> str | None:
    return shutil.which("redis-server") or shutil.which("valkey-server")


@dataclass
class Server:
    folder: Path
    port: int
    host: str = "127.0.0.1"
    process: subprocess.Popen[bytes] | None = None
    more: dict[str, object] = field(default_factory=dict)  # settings

    @property
    def url(self) -> str:
        return f"redis://:{quote(PASSWORD, safe='')}@{self.host}:{self.port}/0"

    def start(self) -> None:
        there = program()
        assert there is not None, "no Redis is installed: make servers"
        told = {"port": self.port, "bind": self.host, "databases": DATABASES, "appendonly": "no", "dir": self.folder}
        given = "".join(f"{name} {value}\n" for name, value in (told | self.more).items())
        (self.folder / "redis.conf").write_text(f'{given}save ""\nrequirepass "{PASSWORD}"\n')
        self.process = subprocess.Popen(
            [there, self.folder / "redis.conf"],
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the tests; it goes when they do
        )
        until(self.answers, 30)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
        self.process = None

    def answers(self) -> bool:
        try:
            return self.said("PING") == "PONG"
        except OSError:
            return False

    def said(self, *words: str) -> str:
        """A command's answer, without the client that is tested; of one line."""
        with socket.create_connection((self.host, self.port), 5) as line:
            line.sendall(_written("AUTH", PASSWORD) + _written(*words))
            answers = line.makefile("r")
            answers.readline()
            return answers.readline().strip().lstrip("+:")


def _written(*words: str) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


@contextmanager
def running(host: str = "127.0.0.1") -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="cardocr-redis-", dir="/tmp") as folder:
        server = Server(Path(folder), port, host)
        server.start()
        try:
            yield server
        finally:
            server.stop()
