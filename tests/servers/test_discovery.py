"""The list of models, as servers of others give it."""

import pytest

from ocr import discovery
from ocr.engines.base import EngineConfig
from ocr.errors import CredentialsRefused
from tests.servers.conftest import Peer

pytestmark = pytest.mark.servers


def config(peer: Peer, key: str | None = None) -> EngineConfig:
    return EngineConfig(
        kind="openai_compatible",
        name="theirs",
        address=peer.url,
        model=peer.model,
        key=peer.key if key is None else key,
        timeout=30,
        private_hosts=("127.0.0.1",),
    )


def test_litellm_lists_the_models_that_it_was_given(litellm):
    assert [model.name for model in discovery.models(config(litellm))] == ["card-reader"]


def test_litellm_lists_nothing_for_a_wrong_key(litellm):
    with pytest.raises(CredentialsRefused):
        discovery.models(config(litellm, key="sk-of-somebody-else"))


def test_of_llmock_s_models_those_that_see_come_first(llmock):
    models = discovery.models(config(llmock))
    assert "gpt-4o" in [model.name for model in models if model.sees]
    sighted = [model.sees for model in models]
    assert sighted == sorted(sighted, reverse=True)


def test_llama_cpp_tells_what_its_model_sees_and_how_much_it_holds(llama_cpp):
    (model,) = discovery.models(config(llama_cpp))
    assert (model.name, model.sees, model.context) == ("colour-reader", True, 8192)
