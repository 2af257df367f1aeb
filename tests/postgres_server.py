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
from contextlib import contextmanager
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


@contextmanager
def running(**settings: str) -> Iterator[str]:
    """Its address, with the name of a database that is not there yet. `settings`: other than ours."""
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
        with _serving(there, data, whose, SETTINGS | settings) as port:
            yield f"postgres://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/cardocr"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _serving(there: Path, data: Path, whose: dict[str, Any], settings: dict[str, str]) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    told = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (data / "log").open("wb") as log:
        server = subprocess.Popen(
            [there / "postgres", "-D", data, "-p", str(port), *told],
            cwd=data,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the tests; it goes when they do
            **whose,
        )
    try:
        until(lambda: answers(port) or server.poll() is not None, 30)
        assert server.poll() is None, (data / "log").read_text()
        with connected(port) as connection:
            connection.execute(f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{PASSWORD}'")
        yield port
    finally:
        server.send_signal(signal.SIGINT)  # do not wait for connections
        server.wait(30)


def connected(port: int) -> Any:
    import psycopg

    return psycopg.connect(
        host="127.0.0.1", port=port, user=ROOT, password=PASSWORD, dbname="postgres", autocommit=True
    )


def answers(port: int) -> bool:
    import psycopg

    try:
        connected(port).close()
    except psycopg.OperationalError:
        return False
    return True


if __name__ == "__main__":
    with running() as url, redis_server.running() as redis:
        ours = {"CARDOCR_TEST_DATABASE_URL": url, "CARDOCR_TEST_REDIS_URL": redis.url}
        sys.exit(subprocess.run(sys.argv[1:], env=os.environ | ours, check=False).returncode)
