import json
from typing import Any

import httpx
import pytest

from ocr import discovery, errors
from ocr.discovery import Offered
from ocr.engines.base import EngineConfig
from tests import vlm_server

KEY = "sk-canary-0123456789"
CONFIG = EngineConfig("openai_compatible", "e", address="https://api.example.org/v1", model="m", key=KEY)


def found(reply: Any, config: EngineConfig = CONFIG) -> list[Offered]:
    """What is made of this answer to /models, or of these answers by path."""

    def handle(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        answers: dict[str, Any] = reply if isinstance(reply, dict) else {"/v1/models": reply}
        answer = answers.get(request.url.path, httpx.Response(404, json={"error": "none"}))
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    return discovery.models(config, way_out=httpx.MockTransport(handle))


def names(entries: list[Any]) -> list[str]:
    return [model.name for model in found([entries][0])]


def one(entry: dict[str, Any]) -> Offered:
    return found([{"id": "m", **entry}])[0]


def test_models_that_see_come_first_each_group_by_name() -> None:
    entries = [{"id": name} for name in ("zephyr", "qwen3-vl-8b", "Mixtral", "Pixtral-12b", "gpt-4o-mini", "alpaca")]
    assert names(entries) == ["gpt-4o-mini", "Pixtral-12b", "qwen3-vl-8b", "alpaca", "Mixtral", "zephyr"]


@pytest.mark.parametrize(
    "name",
    [
        "qwen/qwen3-vl-235b-a22b-instruct",
        "qwen2.5vl:7b",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "gemma3:4b",
        "google/gemma-3-27b-it",
        "pixtral-12b-2409",
        "gpt-4o",
        "anthropic/claude-sonnet-4",
        "gemini-2.5-flash",
        "llava:13b",
        "openbmb/minicpm-v4.5",
        "OpenGVLab/InternVL3-8B",
        "llama3.2-vision",
        "deepseek-vl2",
        "zai-org/GLM-4.5V",
    ],
)
def test_well_known_names_are_known_to_see(name: str) -> None:
    assert Offered(name).sees


@pytest.mark.parametrize(
    "name", ["llama3.1:8b", "qwen3:8b", "mistral-7b", "gpt-3.5-turbo", "gemini-embedding-001", "revlon", "nvlabs/x"]
)
def test_other_names_are_not(name: str) -> None:
    assert not Offered(name).sees


@pytest.mark.parametrize(
    ("entry", "sees"),
    [
        ({"architecture": {"input_modalities": ["text", "image"]}}, True),
        ({"architecture": {"input_modalities": ["text"]}}, False),
        ({"architecture": {"modality": "text+image->text"}}, True),
        ({"architecture": {"modality": "text->image"}}, False),
        ({"capabilities": ["completion", "vision"]}, True),
        ({"capabilities": ["completion", "multimodal"]}, True),
        ({"capabilities": {"vision": True, "completion_chat": True}}, True),
        ({"capabilities": {"vision": False}}, False),
        ({"supports_vision": True}, True),
        ({"type": "vlm"}, True),
        ({}, None),
        ({"capabilities": 7, "architecture": "x", "modality": None, "input_modalities": {}}, None),
    ],
)
def test_what_the_endpoint_says_counts(entry: dict[str, Any], sees: bool | None) -> None:
    assert one(entry).said_to_see is sees


def test_what_the_endpoint_says_counts_more_than_the_name() -> None:
    blind, sighted = Offered("gpt-4o", said_to_see=False), Offered("plain", said_to_see=True)
    assert (blind.sees, sighted.sees) == (False, True)


@pytest.mark.parametrize(
    ("entry", "context"),
    [
        ({"max_model_len": 32768}, 32768),
        ({"context_length": 131072}, 131072),
        ({"meta": {"n_ctx": 8192, "n_ctx_train": 131072}}, 8192),
        ({"context_length": "131072"}, None),
        ({"context_length": -1}, None),
        ({"context_length": True}, None),
        ({"context_length": 10**30}, None),
    ],
)
def test_the_context_is_taken_where_it_is_a_number(entry: dict[str, Any], context: int | None) -> None:
    assert one(entry).context == context


def test_ollama_is_asked_for_its_own_list_too() -> None:
    answers = {
        "/v1/models": {"data": [{"id": name, "owned_by": "library"} for name in ("own-finetune", "other")]},
        "/api/tags": {"models": [{"name": "own-finetune", "capabilities": ["completion", "vision"]}]},
    }
    assert found(answers) == [Offered("own-finetune", True), Offered("other")]


@pytest.mark.parametrize("tags", [httpx.Response(500), httpx.Response(200, text="<html>"), httpx.ReadTimeout("late")])
def test_without_ollamas_own_list_the_names_do(tags: Any) -> None:
    answers = {"/v1/models": {"data": [{"id": "llava", "owned_by": "library"}]}, "/api/tags": tags}
    assert found(answers) == [Offered("llava")]


def test_llama_cpp_tells_of_one_model_in_two_lists() -> None:
    reply = {
        "/v1/models": {
            "data": [{"id": "m.gguf", "meta": {"n_ctx": 4096}}],
            "models": [{"name": "m.gguf", "capabilities": ["completion", "multimodal"]}],
        }
    }
    assert found(reply) == [Offered("m.gguf", True, 4096)]


def test_the_whole_address_leads_to_the_list_too() -> None:
    config = EngineConfig("openai_compatible", "e", address="https://api.example.org/v1/chat/completions/", key=KEY)
    assert [model.name for model in found([{"id": "m"}], config)] == ["m"]


@pytest.mark.parametrize(
    "reply",
    [
        {"/v1/models": {}},
        {"/v1/models": {"data": {}}},
        {"/v1/models": {"data": [None, 7, "x", [], {}, {"id": 3}, {"id": "a\nb"}, {"id": "x" * 201}, {"id": " "}]}},
        httpx.Response(200, text="<html>Welcome</html>"),
        httpx.Response(200, text="[" * 100_000),
        httpx.Response(200, content=b"\xff\xfe"),
        httpx.Response(200, text=""),
    ],
)
def test_an_odd_answer_is_no_list(reply: Any) -> None:
    with pytest.raises(errors.ReplyInvalid):
        found(reply)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(401, json={"error": {"message": f"bad key {KEY}"}}), errors.CredentialsRefused),
        (httpx.Response(404, json={}), errors.RequestRefused),
        (httpx.Response(302, headers={"Location": "/login"}), errors.EngineMissing),
        (httpx.Response(503), errors.EngineFailed),
        (httpx.ConnectError("refused"), errors.EngineUnreachable),
        (httpx.ReadTimeout("late"), errors.EngineTimeout),
    ],
)
def test_a_refusal_is_told_as_what_it_is(reply: Any, error: type[errors.ExtractionError]) -> None:
    with pytest.raises(error) as raised:
        found({"/v1/models": reply})
    assert KEY not in raised.value.message + raised.value.raw


def test_an_endless_list_is_cut_off() -> None:
    many = {"data": [{"id": f"model-{n:05d}"} for n in range(5000)]}
    assert len(found({"/v1/models": many})) == discovery.MOST
    with pytest.raises(errors.ReplyInvalid, match="longer than 8 MB"):
        found(httpx.Response(200, text=json.dumps({"data": ["x" * 9_000_000]})))


def test_an_address_in_the_house_is_not_asked_unless_it_is_allowed() -> None:
    with vlm_server.running() as server:
        assert [model.name for model in discovery.models(server.config())] == ["test-model"]
        with pytest.raises(errors.EngineMissing, match="CARDOCR_ALLOW_PRIVATE_ENGINES"):
            discovery.models(server.config(private_hosts=()))


def test_the_list_has_its_own_deadline() -> None:
    seen: list[dict[str, float]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"])
        return httpx.Response(200, json={"data": [{"id": "m"}]})

    discovery.models(CONFIG, within=3, way_out=httpx.MockTransport(handle))
    assert seen[0]["read"] == 3
