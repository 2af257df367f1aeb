"""Calls end by wall clock, whatever a server does, and so does a card with all that is asked again for it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from ocr import errors
from ocr.engines import openai_compatible
from ocr.engines.base import CALLS_LONG, EngineConfig, Prepared
from ocr.engines.openai_compatible import OpenAICompatibleAdapter
from tests.ocr.endpoint import TASK, adapter, completion

TIMEOUT = 0.4
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


@pytest.fixture
def dribbling() -> Iterator[Callable[[bytes], str]]:
    """A server that sends what it is given at once, and then a byte every 20 ms, for as long as it is listened to."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def serve(listener: socket.socket, first: bytes) -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65536)
            try:
                connection.sendall(first)
                while not over.wait(0.02):
                    connection.sendall(b"x")
            except OSError:
                return

    def start(first: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        threads.append(threading.Thread(target=serve, args=(listener, first), daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"

    yield start
    over.set()
    for thread in threads:
        thread.join(5)


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nX-Slow: ", HEAD], ids=["headers", "body"])
def test_a_server_that_dribbles_does_not_outlive_the_calls_time(
    dribbling: Callable[[bytes], str], image: Prepared, first: bytes
) -> None:
    config = EngineConfig(
        kind="openai_compatible", name="e", address=dribbling(first), timeout=TIMEOUT, private_hosts=("127.0.0.1",)
    )
    reader = OpenAICompatibleAdapter(config)
    begun = time.monotonic()
    with pytest.raises(errors.EngineTimeout):
        reader.read(image, TASK)
    assert time.monotonic() - begun < 5 * 5 * TIMEOUT
    reader.close()


def test_a_card_ends_after_three_calls_time_whatever_is_asked_again(
    image: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(openai_compatible, "time", SimpleNamespace(monotonic=lambda: clock.now))
    allowed: list[float] = []

    def slowly(request: httpx.Request) -> httpx.Response:
        within = request.extensions["timeout"]["read"]
        allowed.append(within)
        if within < 9:
            raise httpx.ReadTimeout("too late")
        clock.now += 9
        named = ("temperature", "json_schema", "json_object", "max_tokens")[len(allowed) - 1]
        return httpx.Response(400, json={"error": {"message": f"{named} is not supported"}})

    with pytest.raises(errors.EngineTimeout):
        adapter(slowly, timeout=10.0).read(image, TASK)
    assert allowed == [10.0, 10.0, 10.0, pytest.approx(CALLS_LONG * 10 - 27)]


def test_a_prompt_answer_is_given_its_whole_time(image: Prepared) -> None:
    allowed: list[float] = []

    def handle(request: httpx.Request) -> httpx.Response:
        allowed.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, json=completion())

    adapter(handle, timeout=10.0).read(image, TASK)
    assert allowed == [10.0]


def test_a_server_that_takes_a_request_by_the_spoonful_does_not_outlive_the_calls_time(tmp_path: Path) -> None:
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            while not over.wait(0.005) and connection.recv(32768):
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    path = tmp_path / "card.jpg"
    path.write_bytes(bytes(48_000_000))  # ten seconds of spoonfuls
    config = EngineConfig(
        kind="openai_compatible",
        name="e",
        address=f"http://127.0.0.1:{listener.getsockname()[1]}/v1",
        timeout=TIMEOUT,
        private_hosts=("127.0.0.1",),
    )
    reader = OpenAICompatibleAdapter(config)
    begun = time.monotonic()
    with pytest.raises(errors.EngineTimeout):
        reader.read(Prepared(path, "image/jpeg", 10, 10), TASK)
    assert time.monotonic() - begun < 8 * TIMEOUT
    reader.close()
    over.set()
    thread.join(5)
