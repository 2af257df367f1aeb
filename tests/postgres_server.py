"""A PostgreSQL of the tests' own: in a folder that goes with it, on a free port, without waiting for the disk.

`python -m tests.postgres_server COMMAND …` runs a command while it is there, with a Redis beside it: told by
CARDOCR_TEST_DATABASE_URL and CARDOCR_TEST_REDIS_URL.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests import redis_server
from tests.waiting import until

ROOT = "postgres"
USER, PASSWORD = "cards", "p@ss/of the tests"  # owns its databases, and may do nothing else
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}


def programs() -> Path | None:
    """The folder of the newest server that is installed."""
    found = [Path(path).parent for path in (shutil.which("initdb"),) if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name.split(".")[0]))
    return next((path for path in reversed(found) if (path / "initdb").exists()), None)


class Server:
    """What a test holds. Each of its ways to go wrong can be mended again."""

    def __init__(self, there: Path, data: Path, host: str, whose: dict[str, Any], settings: dict[str, str]) -> None:
        self._there, self._data, self._whose = there, data, whose
        self._settings = {**SETTINGS, "listen_addresses": host, **settings}
        self.host = host
        with socket.socket() as probe:
            probe.bind((host, 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """With the name of a database that is not there yet."""
        return f"postgres://{USER}:{quote(PASSWORD, safe='')}@{self.host}:{self.port}/cardocr"

    def start(self) -> None:
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self._data / "log").open("ab") as log:
            server = self._process = subprocess.Popen(
                [self._there / "postgres", "-D", self._data, "-p", str(self.port), *options],
                cwd=self._data,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests; it goes when they do
                **self._whose,
            )
        until(lambda: self._answers() or server.poll() is not None, 30)
        assert server.poll() is None, (self._data / "log").read_text()

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # do not wait for connections
            self._process.wait(30)

    def pause(self) -> None:
        """It takes connections and answers nothing, as on a machine that hangs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # first, so that it starts no more
        self._to_children(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._to_children(signal.SIGCONT)
        self._process.send_signal(signal.SIGCONT)

    def _to_children(self, signal_: int) -> None:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for pid in map(int, children.read_text().split()):
            with suppress(ProcessLookupError):  # it ends at this moment
                os.kill(pid, signal_)

    def connected(self) -> Any:
        import psycopg

        return psycopg.connect(
            host=self.host, port=self.port, user=ROOT, password=PASSWORD, dbname="postgres", autocommit=True
        )

    def _answers(self) -> bool:
        import psycopg

        try:
            self.connected().close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running(**settings: str) -> Iterator[str]:
    """Its address, with the name of a database that is not there yet. `settings`: other than ours."""
    with serving(**settings) as server:
        yield server.url


@contextmanager
def serving(host: str = "127.0.0.1", network: str = "127.0.0.1/32", **settings: str) -> Iterator[Server]:
    """For whoever calls from that network."""
    there = programs()
    assert there is not None, "no PostgreSQL is installed: make servers"
    # It does not start as root.
    whose = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="cardocr-postgres-", dir="/tmp"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if whose:
            for path in (folder, secret):
                shutil.chown(path, "postgres", "postgres")
        data = folder / "data"
        subprocess.run(
            [
                *(there / "initdb", "-D", data, "-U", ROOT, f"--pwfile={secret}", "-A", "scram-sha-256"),
                *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            **whose,
        )
        with (data / "pg_hba.conf").open("a") as allowed:
            allowed.write(f"host all all {network} scram-sha-256\n")
        server = Server(there, data, host, whose, settings)
        server.start()
        try:
            with server.connected() as connection:
                connection.execute(f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{PASSWORD}'")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    with running() as url, redis_server.running() as redis:
        ours = {"CARDOCR_TEST_DATABASE_URL": url, "CARDOCR_TEST_REDIS_URL": redis.url}
        sys.exit(subprocess.run(sys.argv[1:], env=os.environ | ours, check=False).returncode)
