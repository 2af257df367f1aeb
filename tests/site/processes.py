"""Starts the real `manage.py` in a process of its own, on a data folder and a port of its own."""

import atexit
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests import made, redis_server
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "administrator-of-cards"
DATABASE = "cardocr.sqlite3"
POSTGRES = os.environ.get("CARDOCR_TEST_DATABASE_URL", "")
REDIS = os.environ.get("CARDOCR_TEST_REDIS_URL", "")


def address(data: Path) -> str:
    """Where the tests are run on PostgreSQL: the database of this data folder, each has one of its own."""
    name = f"site_{hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:20]}"
    return urlsplit(POSTGRES)._replace(path=f"/{name}").geturl()


def redis_address(data: Path) -> str:
    """Its own database, but the first, which is that of the tests themselves."""
    number = 1 + int(hashlib.sha256(str(data.resolve()).encode()).hexdigest(), 16) % (redis_server.DATABASES - 1)
    return urlsplit(REDIS)._replace(path=f"/{number}").geturl()


def connected(url: str) -> Any:
    """JSON comes as text, as from SQLite."""
    import psycopg
    from psycopg.types.string import TextLoader

    connection = psycopg.connect(url, autocommit=True)
    connection.adapters.register_loader("jsonb", TextLoader)
    return connection


@cache
def _database(url: str, template: str = "template0") -> None:
    name = urlsplit(url).path.removeprefix("/")
    with connected(urlsplit(url)._replace(path="/postgres").geturl()) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


def environment(data: Path, **more: str) -> dict[str, str]:
    if POSTGRES:
        _database(address(data))
        more = {"DATABASE_URL": address(data), **more}
    if REDIS:
        more = {"REDIS_URL": redis_address(data), **more}
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("CARDOCR_", "DJANGO_"))}
    return {**ours, "PYTHONUNBUFFERED": "1", "CARDOCR_DATA_DIR": str(data), **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def manage(data: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(data, **variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def first_start(folder: Path) -> None:
    done = manage(folder, "prepare_database", CARDOCR_ADMIN_PASSWORD=PASSWORD)
    assert done.returncode == 0, done.stderr


@cache
def _prepared() -> Path:
    shared = made.folder()
    if shared is not None and not POSTGRES:
        return shared / made.DATA / DATABASE
    folder = Path(tempfile.mkdtemp(prefix="cardocr-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    first_start(folder)
    return folder / DATABASE


def with_tables(data: Path) -> Path:
    """A data folder as a first start leaves it, which takes four seconds: that is done once, and copied."""
    data.mkdir(parents=True, exist_ok=True)
    if POSTGRES:
        _database(address(data), template=urlsplit(address(_prepared().parent)).path.removeprefix("/"))
    elif not (data / DATABASE).exists():
        shutil.copyfile(_prepared(), data / DATABASE)
    shared = made.folder()
    if shared is not None and not (data / "static").exists():
        shutil.copytree(shared / made.DATA / "static", data / "static")
    return data


@dataclass
class Serving:
    process: subprocess.Popen[bytes]
    url: str
    port: int
    data: Path
    log: Path

    def children(self) -> list[int]:
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in found]

    def page(self, path: str = "accounts/login/") -> int:
        return httpx.get(f"{self.url}/{path}", timeout=30).status_code


@contextlib.contextmanager
def serve(folder: Path, *arguments: str, first: bool = False, **variables: str) -> Iterator[Serving]:
    """On the data of an earlier start, unless it is to be the `first`."""
    if not first:
        with_tables(folder / "data")
    port = free_port()
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port), *arguments],
            cwd=ROOT,
            env=environment(folder / "data", **{"CARDOCR_ADMIN_PASSWORD": PASSWORD, **variables}),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    serving = Serving(process, f"http://127.0.0.1:{port}", port, folder / "data", log)
    try:
        until(lambda: "is ready" in log.read_text() or process.poll() is not None, 90)
        assert process.poll() is None, log.read_text()
        yield serving
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def alive(pid: int) -> bool:
    """Running: neither gone nor a zombie that nobody has fetched yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
