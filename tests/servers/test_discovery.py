"""The list of models, as servers of others give it."""

import pytest

from ocr import discovery
from ocr.errors import CredentialsRefused

pytestmark = pytest.mark.servers


def test_litellm_lists_the_models_that_it_was_given(litellm):
    assert [model.name for model in discovery.models(litellm.config())] == ["card-reader"]


def test_litellm_lists_nothing_for_a_wrong_key(litellm):
    with pytest.raises(CredentialsRefused):
        discovery.models(litellm.config(key="sk-of-somebody-else"))


def test_of_llmock_s_models_those_that_see_come_first(llmock):
    models = discovery.models(llmock.config())
    assert "gpt-4o" in [model.name for model in models if model.sees]
    sighted = [model.sees for model in models]
    assert sighted == sorted(sighted, reverse=True)


def test_llama_cpp_tells_what_its_model_sees_and_how_much_it_holds(llama_cpp):
    (model,) = discovery.models(llama_cpp.config())
    assert (model.name, model.sees, model.context) == ("colour-reader", True, 8192)
