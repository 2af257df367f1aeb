"""Who does not read makes the web process no larger, and is cut off; who reads slowly gets everything."""

import contextlib
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.site.processes import ROOT, environment, free_port
from tests.waiting import until

pytestmark = pytest.mark.processes

HEAD = "GET /endless HTTP/1.1\r\nHost: 127.0.0.1\r\n"
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
KINDS = {"http": HEAD + "\r\n", "websocket": HEAD + UPGRADE + "\r\n"}
AT_MOST = 12_000_000  # bytes on their way: the kernel takes up to 4 MB for the sender and 6 MB for the reader


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a server whose answers have no end, and who takes nothing of them for five seconds is cut off."""
    port, data = free_port(), tmp_path_factory.mktemp("endless") / "data"
    command = [sys.executable, "-m", "tests.site.web_without_end", str(port), "5"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(data))
    try:
        until(lambda: answers(port), 60)
        yield port
    finally:
        process.kill()
        process.wait(30)


def answers(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return bool(handed(port))
    return False


def handed(port: int) -> dict[str, int]:
    return dict(httpx.get(f"http://127.0.0.1:{port}/handed", timeout=30, trust_env=False).json())


def silent(port: int, kind: str) -> socket.socket:
    """A connection that asks, and reads nothing."""
    line = socket.create_connection(("127.0.0.1", port), timeout=30)
    line.sendall(KINDS[kind].encode())
    return line


def at_rest(count: Callable[[], int]) -> int:
    """The figure, once something was handed over and no more has been for half a second."""
    seen: list[tuple[int, float]] = []

    def still() -> bool:
        now = count()
        if not seen or seen[-1][0] != now:
            seen.append((now, time.monotonic()))
        return (now > 0 and time.monotonic() - seen[-1][1] > 0.5) or now > 20 * AT_MOST

    until(still, 30)
    return seen[-1][0]


@pytest.mark.parametrize("kind", KINDS)
def test_who_does_not_read_holds_up_what_is_made_for_him(port: int, kind: str):
    start = handed(port)[kind]
    with silent(port, kind) as line:
        before = at_rest(lambda: handed(port)[kind] - start)
        assert before < AT_MOST
        took = 0
        while took < AT_MOST:
            took += len(line.recv(1_000_000))
        until(lambda: handed(port)[kind] - start > before + AT_MOST // 2)  # and goes on as he reads


def test_who_takes_nothing_is_cut_off(port: int):
    lines = [silent(port, kind) for kind in KINDS]
    for line in lines:
        watch = select.poll()
        watch.register(line, select.POLLERR | select.POLLHUP)
        assert watch.poll(30_000), "still open"
        line.close()


def test_who_reads_gets_everything(port: int):
    with httpx.Client(trust_env=False, timeout=30) as client:
        for _again in range(2):  # over one connection
            answer = client.get(f"http://127.0.0.1:{port}/some")
            assert len(answer.content) == 200 * 65_536 + 3
