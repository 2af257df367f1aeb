"""What is known of an endpoint and a model: kept, read back, never trusted to be whole."""

import json
from typing import Any

import httpx
import pytest

from ocr import errors
from ocr.engines.base import Prepared
from ocr.engines.profile import Profile
from tests.ocr.endpoint import TASK, adapter, asked, completion

FOUND = Profile(
    formats=("json_object", ""), temperature=False, tokens_name="max_completion_tokens", image_px=1200, images=1
)


def test_a_profile_comes_back_as_it_was_stored() -> None:
    stored = json.loads(json.dumps(FOUND.to_dict()))
    assert Profile().known_from(stored) == FOUND


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"from_the_future": 1},
        {"formats": "json_schema", "temperature": "no", "tokens_name": "tokens", "tokens_factor": True},
        {"formats": [], "quiet": [1], "image_px": -5, "thinking": None, "tokens_factor": 1e9},
        {"formats": None, "image_px": True},
        {"images": 0},
        {"images": True},
        {"formats": [["json_schema"]], "quiet": {"a": 1}, "image_px": "1200"},
    ],
)
def test_what_is_odd_in_a_stored_profile_is_passed_over(odd: dict[str, Any]) -> None:
    assert Profile().known_from(odd) == Profile()


def test_an_adapter_begins_with_what_was_learnt(image: Prepared) -> None:
    requests: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(asked(request))
        return httpx.Response(200, json=completion())

    reader = adapter(handle, profile=FOUND.to_dict())
    reader.read(image, TASK)
    (body,) = requests
    assert body["response_format"] == {"type": "json_object"}
    assert "temperature" not in body
    assert "max_completion_tokens" in body
    assert reader.largest_px == 1200


def test_what_is_learnt_is_told_once(image: Prepared) -> None:
    told: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if "temperature" in asked(request):
            return httpx.Response(400, json={"error": {"message": "temperature is not supported"}})
        return httpx.Response(200, json=completion())

    reader = adapter(handle)
    reader.on_learnt = told.append
    for _ in range(3):
        reader.read(image, TASK)
    assert [profile["temperature"] for profile in told] == [False]


def test_what_fits_only_gets_smaller() -> None:
    reader = adapter(completion())
    reader.fitted(1200)
    reader.fitted(900)
    reader.fitted(1200)
    assert reader.largest_px == 900


def test_a_way_to_be_quiet_that_nobody_knows_is_passed_over() -> None:
    assert Profile().known_from({"quiet": ["from_the_future"]}) == Profile()


@pytest.mark.parametrize("formats", [[""], ["json_object", ""], ["json_schema", ""]])
def test_any_formats_that_work_come_back(formats: list[str]) -> None:
    assert Profile().known_from({"formats": formats}).formats == tuple(formats)


def test_what_helped_nobody_is_neither_told_nor_remembered(image: Prepared) -> None:
    """A context that is too small for any image says so of each length of the answer, too."""
    said = "This model's maximum context length is 100 tokens."
    reader = adapter(httpx.Response(400, json={"error": {"message": said}}))
    told: list[dict[str, Any]] = []
    reader.on_learnt = told.append
    with pytest.raises(errors.ImageTooLarge):
        reader.read(image, TASK)
    assert (told, reader.profile) == ([], Profile())


def test_only_what_has_changed_is_told(image: Prepared) -> None:
    told: list[dict[str, Any]] = []
    reader = adapter(completion(), profile=FOUND.to_dict())
    reader.on_learnt = told.append
    reader.read(image, TASK)
    reader.fitted(900)
    assert told == [{"image_px": 900}]
