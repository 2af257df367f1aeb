"""What servers really say, each with the action that it asks for."""

import pytest

from ocr import errors
from ocr.engines.refusals import Refusal

SAID: list[tuple[int, str, type[errors.ExtractionError]]] = [
    (400, "the request exceeds the available context size. try increasing the context size", errors.ImageTooLarge),
    (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096.", errors.ImageTooLarge),
    (400, "This model's maximum context length is 4096 tokens, you requested 6000.", errors.ImageTooLarge),
    (400, "Image size exceeds 5 MB maximum: 6291456 bytes > 5242880 bytes", errors.ImageTooLarge),
    (400, "At least one of the image dimensions exceed max allowed size: 8000 pixels", errors.ImageTooLarge),
    (413, "Request Entity Too Large", errors.ImageTooLarge),
    (503, "Loading model", errors.EngineBusy),
    (503, "server busy, please try again.  maximum pending requests exceeded", errors.EngineBusy),
    (503, "Service Unavailable", errors.EngineFailed),
    (500, "model runner has unexpectedly stopped", errors.EngineFailed),
    (400, "Unrecognized request argument supplied: reasoning_effort", errors.ParameterRefused),
    (400, "Extra inputs are not permitted: chat_template_kwargs", errors.ParameterRefused),
    (400, "This model does not support images.", errors.RequestRefused),
    (404, "No endpoints found that support image input", errors.RequestRefused),
    (400, "Provider returned error: input image is corrupted", errors.RequestRefused),
]


@pytest.mark.parametrize(("status", "said", "kind"), SAID, ids=range(len(SAID)))
def test_what_servers_say_is_taken_for_what_they_mean(
    status: int, said: str, kind: type[errors.ExtractionError]
) -> None:
    assert type(Refusal(status, said, frozenset(), "", None).error()) is kind


def test_a_server_that_says_when_to_come_back_is_busy_and_costs_no_try() -> None:
    error = Refusal(503, "", frozenset(), "", 7.0).error()
    assert type(error) is errors.EngineBusy
    assert (error.counts, error.retry_after) == (False, 7.0)
