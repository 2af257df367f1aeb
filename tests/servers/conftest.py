"""Batches that are read through servers which this project did not write."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batches.actions import runs
from batches.drain import worker
from batches.drain.engines import Engines
from batches.drain.service import Service
from batches.intake import adding
from batches.models import Batch
from ocr.engines.base import EngineConfig
from ocr.models import Engine
from tests import vlm_server
from tests.conftest import FIELDS
from tests.servers import programs
from tests.servers import site as sites
from tests.site.processes import free_port


@dataclass(frozen=True)
class Peer:
    """A running server of somebody else's."""

    url: str
    model: str
    key: str

    def config(self, **changes: Any) -> EngineConfig:
        """As an adapter or a probe wants it, without the database."""
        ours = {"key": self.key, "model": self.model, "private_hosts": ("127.0.0.1",), **changes}
        return EngineConfig(kind="openai_compatible", name="theirs", address=self.url, timeout=30, **ours)


@pytest.fixture(scope="session")
def upstream() -> Iterator[vlm_server.Server]:
    """The stub, behind a proxy."""
    with vlm_server.running() as server:
        yield server


@pytest.fixture
def stub(upstream: vlm_server.Server) -> vlm_server.Server:
    """The stub as new."""
    upstream.heal()
    upstream.calls.clear()
    upstream.key, upstream.delay, upstream.retry_after, upstream.refused_formats = "", 0.0, "1", set()
    return upstream


@pytest.fixture(scope="session")
def litellm(upstream: vlm_server.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """LiteLLM's proxy in front of the stub: it takes requests apart and writes its own, answers and errors likewise."""
    folder, port, key = tmp_path_factory.mktemp("litellm"), free_port(), "sk-of-the-proxy"
    behind = {"model": "openai/test-model", "api_base": upstream.url, "api_key": "key-of-the-stub"}
    config = {
        "model_list": [{"model_name": "card-reader", "litellm_params": behind}],
        "router_settings": {"num_retries": 0, "cooldown_time": 1},
        "general_settings": {"master_key": key},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    command = [programs.program("litellm", "litellm"), "--config", "config.yaml", "--telemetry", "False"]
    address = f"http://127.0.0.1:{port}"
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    listening = ["--host", "127.0.0.1", "--port", str(port)]
    with programs.running([*command, *listening], folder, f"{address}/health/liveliness", offline):
        yield Peer(f"{address}/v1", "card-reader", key)


@pytest.fixture(scope="session")
def llmock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """LLMock: answers and fails as OpenAI's servers do, and judges how its client took it."""
    port = free_port()
    command = [programs.program("llmock", "llmock"), "serve", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with programs.running(command, tmp_path_factory.mktemp("llmock"), f"{address}/health", {}):
        yield Peer(f"{address}/v1", "gpt-4o", "any-key-will-do")


@pytest.fixture(scope="session")
def llama_cpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """llama.cpp's server with the model of colour_reader.py."""
    folder, port, key = tmp_path_factory.mktemp("llama-cpp"), free_port(), "sk-of-the-server"
    command = [programs.program("llama-cpp", "python"), str(Path(__file__).with_name("colour_reader.py"))]
    address = f"http://127.0.0.1:{port}"
    with programs.running([*command, str(folder), str(port), key], folder, f"{address}/health", {}):
        yield Peer(f"{address}/v1", "colour-reader", key)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sites.Site]:
    """Ours, for programs that others wrote."""
    with sites.running(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "FIRST_BACK_OFF", 0.05)


@pytest.fixture
def service(transactional_db: None) -> Iterator[Service]:
    service = Service(threads=8, engines=Engines())
    yield service
    service.stop(20)


def small_card(card: int) -> bytes:
    return vlm_server.card_image(card, (160, 120))


@pytest.fixture
def engine_of(transactional_db: None) -> Callable[..., Engine]:
    """An engine that reads by that server; `changes` to how it is configured."""

    def engine_of(peer: Peer, key: str | None = None, **changes: Any) -> Engine:
        given = {"address": peer.url, "model": peer.model, "timeout": 30, **changes}
        place = Engine.Place.INSIDE
        engine = Engine(name="theirs", kind=Engine.Kind.OPENAI_COMPATIBLE, place=place, **given)
        engine.set_key(peer.key if key is None else key)
        engine.save()
        return engine

    return engine_of


@pytest.fixture
def begin(user, service: Service) -> Callable[..., Batch]:
    """Start a batch of so many drawn cards."""

    def begin(engine: Engine, number: int, draw: Callable[[int], bytes] = small_card, instruction: str = "") -> Batch:
        batch = Batch.objects.create(
            name="Drawer 12",
            owner=user,
            engine=engine,
            fields=FIELDS,
            instruction=instruction,
            options={"rotation": 0},
        )
        for card in range(number):
            adding.add_file(batch, f"{card}.jpg", [draw(card)])
        runs.start(batch, user)
        service.wake(batch.pk)
        return batch

    return begin


@pytest.fixture
def start(engine_of: Callable[..., Engine], begin: Callable[..., Batch]) -> Callable[..., Batch]:
    """Both: a batch that is read by that server."""

    def start(peer: Peer, number: int, draw: Callable[[int], bytes] = small_card, **changes: Any) -> Batch:
        return begin(engine_of(peer, **changes), number, draw)

    return start
