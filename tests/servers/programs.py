"""Servers that others wrote, each started from the environment that `make servers` made for it."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.site.processes import ROOT
from tests.waiting import until

STARTS_WITHIN = 120.0  # seconds; a server takes about ten, and more beside other work


def program(environment: str, name: str) -> str:
    """The path of a program; skipped, with a message, where its environment is missing (in CI it never is)."""
    found = ROOT / ".servers" / environment / "bin" / name
    if not found.is_file():
        said = f"The server {environment} is not installed: make servers"
        if os.environ.get("CARDOCR_REQUIRE_SERVERS"):
            pytest.fail(said)
        pytest.skip(said)
    return str(found)


@contextmanager
def running(
    command: Sequence[str], folder: Path, ready: str | Callable[[], bool], variables: Mapping[str, str]
) -> Iterator[None]:
    """The program, until the block ends; the block begins when it is `ready`, or that address answers with 200.

    It gets its own folder as home, so that nothing of the person's is read or written, and none of the way to the
    network that the tests were started with.
    """
    log = folder / "server.log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "NO_COLOR": "1", **variables}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        is_ready = ready if callable(ready) else lambda: _answers(ready)
        until(lambda: is_ready() or process.poll() is not None, STARTS_WITHIN, every=0.1)
        assert process.poll() is None, log.read_text(errors="replace")[-4000:]
        yield
    finally:
        _end(process)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
