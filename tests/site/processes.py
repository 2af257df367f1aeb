"""Starts the real `manage.py` in a process of its own, on a data folder and a port of its own."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "administrator-of-cards"


def environment(data: Path, **more: str) -> dict[str, str]:
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
        timeout=120,
        check=False,
    )


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
def serve(folder: Path, *arguments: str, wait: bool = True, **variables: str) -> Iterator[Serving]:
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
        if wait:
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
