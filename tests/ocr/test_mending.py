"""What an endpoint does not take is left out, and remembered."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ocr import errors
from ocr.engines import openai_compatible
from ocr.engines.base import Prepared
from tests.ocr.endpoint import GOOD, TASK, adapter, asked, completion, error_of


class Particular:
    """An endpoint that refuses what it does not take, by name, and counts the requests."""

    def __init__(self, refuses: Callable[[dict[str, Any]], str | None], status: int = 400) -> None:
        self.refuses = refuses
        self.status = status
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(asked(request))
        if said := self.refuses(self.bodies[-1]):
            return httpx.Response(self.status, json={"error": {"message": said}})
        return httpx.Response(200, json=completion())


def format_of(body: dict[str, Any]) -> str:
    return str(body.get("response_format", {}).get("type", ""))


@pytest.mark.parametrize(
    ("taken", "tried"),
    [
        ({"json_object", ""}, ["json_schema", "json_object"]),
        ({""}, ["json_schema", "json_object", ""]),
    ],
)
def test_the_format_steps_down_and_is_remembered(taken: set[str], tried: list[str], image: Prepared) -> None:
    endpoint = Particular(lambda body: None if format_of(body) in taken else "response_format is not supported")
    reader = adapter(endpoint)
    reader.read(image, TASK)
    assert [format_of(body) for body in endpoint.bodies] == tried
    reader.read(image, TASK)
    assert [format_of(body) for body in endpoint.bodies] == [*tried, tried[-1]]


def test_a_router_without_a_provider_for_the_schema_is_asked_without(image: Prepared) -> None:
    said = "No endpoints found that can handle the requested parameters."
    endpoint = Particular(lambda body: said if format_of(body) else None, status=404)
    assert adapter(endpoint).read(image, TASK).fields
    assert len(endpoint.bodies) == 3


def test_parameters_that_are_not_taken_are_left_out(image: Prepared) -> None:
    def refuses(body: dict[str, Any]) -> str | None:
        if "temperature" in body:
            return "Unsupported value: 'temperature' does not support 0 with this model."
        if "max_tokens" in body:
            return "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return None

    endpoint = Particular(refuses)
    assert adapter(endpoint).read(image, TASK).fields
    assert "max_completion_tokens" in endpoint.bodies[-1]
    assert format_of(endpoint.bodies[-1]) == "json_schema"


def test_room_for_the_answer_shrinks_to_what_fits(image: Prepared) -> None:
    said = "'max_tokens' is too large: this model's maximum context length is 4096 tokens."
    endpoint = Particular(lambda body: said if body["max_tokens"] > 2500 else None)
    assert adapter(endpoint).read(image, TASK).fields
    assert endpoint.bodies[-1]["max_tokens"] == 2112


def test_an_endpoint_that_takes_nothing_is_refused_in_the_end(image: Prepared) -> None:
    for said in ("response_format", "temperature", "max_tokens", "max_tokens too large", "no idea"):
        endpoint = Particular(lambda _body, said=said: said)  # type: ignore[misc]
        assert type(error_of(endpoint, image)) is errors.RequestRefused
        assert len(endpoint.bodies) <= 8


def test_a_status_that_nothing_mends_is_not_asked_again(image: Prepared) -> None:
    endpoint = Particular(lambda _body: "response_format", status=500)
    assert type(error_of(endpoint, image)) is errors.EngineFailed
    assert len(endpoint.bodies) == 1


def test_what_another_thread_has_learnt_meanwhile_is_kept(image: Prepared) -> None:
    def refuses(body: dict[str, Any]) -> str | None:
        if format_of(body) == "json_schema":
            reader._profile = openai_compatible.Profile(formats=("",))  # as another thread would
            return "json_schema is not supported"
        return None

    endpoint = Particular(refuses)
    reader = adapter(endpoint)
    reader.read(image, TASK)
    assert [format_of(body) for body in endpoint.bodies] == ["json_schema", ""]


def test_a_cut_answer_gets_twice_the_room_once(image: Prepared) -> None:
    room: list[int] = []

    def reply(request: httpx.Request) -> httpx.Response:
        room.append(asked(request)["max_tokens"])
        return httpx.Response(200, json=completion(GOOD[:9], "length"))

    reader = adapter(reply)
    for _ in range(2):
        with pytest.raises(errors.ReplyTruncated):
            reader.read(image, TASK)
    assert len(room) == 5, "the second card is asked with that room at once"
    assert room[1:] == [2 * room[0]] * 4
