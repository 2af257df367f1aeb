"""Against a real server on 127.0.0.1."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ocr import addresses, engines, errors, pipeline
from ocr.engines import transport
from ocr.engines.base import EngineAdapter, EngineConfig, Prepared, ReadTask, gated
from ocr.fields import FieldSpec
from tests import vlm_server
from tests.waiting import until

Build = Callable[[EngineConfig], EngineAdapter]
TASK = ReadTask((FieldSpec("author", "Author"), FieldSpec("title", "Title")))


@pytest.fixture
def server() -> Iterator[vlm_server.Server]:
    with vlm_server.running() as running:
        yield running


@pytest.fixture
def build() -> Iterator[Build]:
    """engines.build; what was built is closed at the end."""
    built: list[EngineAdapter] = []

    def one(config: EngineConfig) -> EngineAdapter:
        built.append(engines.build(config))
        return built[-1]

    yield one
    for engine in built:
        engine.close()


def card(folder: Path, number: int) -> Prepared:
    path = folder / f"{number}.jpg"
    path.write_bytes(vlm_server.card_image(number))
    return Prepared(path, "image/jpeg", 600, 400, rotation=0)


def test_each_card_gets_its_own_answer_from_many_threads(
    server: vlm_server.Server, tmp_path: Path, build: Build
) -> None:
    engine = build(server.config())
    cards = {number: card(tmp_path, number) for number in range(0, 4096, 128)}
    with ThreadPoolExecutor(8) as pool:
        readings = list(pool.map(lambda image: pipeline.read(image, TASK, engine), cards.values()))
    assert [reading.fields["author"].value for reading in readings] == [f"author {number}" for number in cards]


def test_a_host_in_the_house_is_called_only_when_allowed(
    server: vlm_server.Server, tmp_path: Path, build: Build
) -> None:
    engine = build(server.config(private_hosts=()))
    with pytest.raises(errors.EngineMissing, match="CARDOCR_ALLOW_PRIVATE_ENGINES"):
        engine.read(card(tmp_path, 1), TASK)
    assert server.calls == []


def test_no_proxy_of_the_environment_is_taken(
    server: vlm_server.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build: Build
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert build(server.config()).read(card(tmp_path, 1), TASK).fields


def test_the_checked_address_is_called_whatever_the_name_says_later(
    server: vlm_server.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build: Build
) -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    monkeypatch.setattr(addresses.allowed, "__kwdefaults__", {"resolve": lambda _host, _port: answers.pop(0)})
    engine = build(server.config(address=f"http://ollama:{server.port}/v1", private_hosts=("ollama",)))
    for _ in range(2):  # the second time from what is known
        assert engine.read(card(tmp_path, 3), TASK).fields["author"].value == "author 3"
    assert server.calls_of(3) == 2
    monkeypatch.setattr(transport, "_RESOLVED_FOR", 0.0)
    fresh = build(server.config(address=f"http://ollama:{server.port}/v1", private_hosts=("ollama",)))
    with pytest.raises(errors.EngineMissing, match="never called"):
        fresh.read(card(tmp_path, 3), TASK)
    assert server.calls_of(3) == 2


def test_the_next_address_of_a_host_is_tried(
    server: vlm_server.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build: Build
) -> None:
    monkeypatch.setattr(
        addresses.allowed, "__kwdefaults__", {"resolve": lambda _host, _port: ["127.0.0.9", "127.0.0.1"]}
    )
    engine = build(server.config(address=f"http://ollama:{server.port}/v1", private_hosts=("ollama",)))
    assert engine.read(card(tmp_path, 4), TASK).fields["author"].value == "author 4"


def test_the_name_is_kept_for_the_endpoint_and_its_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str, str]] = []

    def send(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers["host"], request.extensions["sni_hostname"]))
        return httpx.Response(200)

    pinned = transport.PinnedTransport(())
    monkeypatch.setattr(pinned, "_inner", httpx.MockTransport(send))
    for found in ("93.184.216.34", "2606:2800:220:1::1"):
        monkeypatch.setattr(addresses.allowed, "__kwdefaults__", {"resolve": lambda _h, _p, found=found: [found]})
        pinned._known.clear()
        with httpx.Client(transport=pinned) as client:
            assert client.get("https://example.org/v1").url.host == "example.org"
    assert seen == [(found, "example.org", "example.org") for found in ("93.184.216.34", "2606:2800:220:1::1")]


def test_an_unknown_host_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build: Build) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    monkeypatch.setattr(addresses.allowed, "__kwdefaults__", {"resolve": unknown})
    config = vlm_server.Server().config(address="https://nowhere.example/v1")
    with pytest.raises(errors.EngineUnreachable, match=r"nowhere\.example cannot be found"):
        build(config).read(card(tmp_path, 1), TASK)


def test_a_closed_port_cannot_be_reached(tmp_path: Path, build: Build) -> None:
    with vlm_server.running() as gone:
        config = gone.config()
    with pytest.raises(errors.EngineUnreachable):
        build(config).read(card(tmp_path, 1), TASK)


def test_a_call_that_nobody_wants_any_more_does_not_leave(
    server: vlm_server.Server, tmp_path: Path, build: Build
) -> None:
    @contextmanager
    def closed() -> Iterator[None]:
        raise errors.CallWithheld
        yield

    engine = build(server.config())
    with gated(closed), pytest.raises(errors.CallWithheld):
        engine.read(card(tmp_path, 1), TASK)
    assert server.calls == []
    assert engine.read(card(tmp_path, 1), TASK).fields["author"].value == "author 1"


def test_the_gate_is_left_while_the_answer_is_awaited(server: vlm_server.Server, tmp_path: Path, build: Build) -> None:
    inside, passed = threading.Event(), []

    @contextmanager
    def gate() -> Iterator[None]:
        inside.set()
        passed.append("in")
        yield
        passed.append("out")
        inside.clear()

    server.fail(5, "timeout")
    engine = build(server.config(timeout=30.0))

    def read() -> None:
        with gated(gate), pytest.raises(errors.ExtractionError):
            engine.read(card(tmp_path, 5), TASK)

    thread = threading.Thread(target=read)
    thread.start()
    until(lambda: server.in_flight == 1)
    until(lambda: passed == ["in", "out"])
    assert not inside.is_set()
    server.stopping.set()  # lets the held call go
    thread.join()


def test_every_request_passes_the_gate_mended_ones_too(server: vlm_server.Server, tmp_path: Path, build: Build) -> None:
    passed: list[int] = []

    @contextmanager
    def gate() -> Iterator[None]:
        passed.append(1)
        yield

    server.refused_formats = {"json_schema"}
    with gated(gate):
        build(server.config()).read(card(tmp_path, 5), TASK)
    assert len(passed) == len(server.calls) == 2
