import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageColor

from ocr import engines, errors, pipeline
from ocr.engines import exchange
from ocr.engines.base import EngineConfig, Layout, Prepared, ReadOptions, ReadTask
from ocr.engines.ladder import Step
from ocr.engines.pictures import Pictures
from ocr.reading import Usage
from tests.ocr.endpoint import GOOD, KEY, TASK, adapter, asked, completion, error_of


def test_a_card_is_read(image: Prepared) -> None:
    usage = {"prompt_tokens": 1231, "completion_tokens": 147, "cost": 0.00039}
    reading = adapter(completion(usage=usage)).read(image, TASK)
    assert reading.fields["author"].value == "x"
    assert reading.fields["title"].value is None
    assert reading.usage == Usage(1231, 147, Decimal("0.000390"))
    assert (reading.model, reading.raw, reading.finish_reason, reading.rotation) == ("m-1", GOOD, "stop", 90)


def test_the_request_is_what_endpoints_understand(image: Prepared) -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=completion())

    adapter(reply).read(image, TASK)
    body = asked(seen[0])
    assert str(seen[0].url) == "https://api.example.org/v1/chat/completions"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert (body["model"], body["temperature"], body["stream"]) == ("m", 0, False)
    assert body["max_tokens"] >= 4096
    assert body["response_format"]["json_schema"]["strict"] is True
    (message,) = body["messages"]
    assert message["role"] == "user"
    assert "JSON" in message["content"][0]["text"]
    picture = message["content"][1]["image_url"]["url"]
    assert base64.b64decode(picture.removeprefix("data:image/jpeg;base64,")) == image.path.read_bytes()
    assert KEY not in seen[0].content.decode()
    assert "provider" not in body


def test_cards_of_several_batches_are_each_asked_their_own_way(image: Prepared) -> None:
    """What is made once for a batch and what is made for this card give the same bytes."""
    seen: list[bytes] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return httpx.Response(200, json=completion())

    engine = adapter(reply)
    told = [replace(TASK, instruction=f"Batch {number}") for number in range(100)]
    for task in (*told, *told, TASK, TASK):
        engine.read(image, task)
    picture = f"data:image/jpeg;base64,{base64.b64encode(image.path.read_bytes()).decode()}"
    wanted = [engine.payload(task, picture, engine._profile, Step()) for task in (*told, *told, TASK, TASK)]
    assert seen == [json.dumps(body).encode() for body in wanted]


def test_without_key_or_model_none_is_sent(image: Prepared) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        assert "model" not in asked(request)
        return httpx.Response(200, json=completion())

    assert adapter(reply, key="", model="").read(image, TASK).fields


def test_openrouter_is_told_to_keep_to_the_schema(image: Prepared) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        assert asked(request)["provider"] == {"require_parameters": True}
        return httpx.Response(200, json=completion())

    assert adapter(reply, address="https://openrouter.ai/api/v1").read(image, TASK).fields


@pytest.mark.parametrize(
    ("address", "full"),
    [
        ("http://h:1/v1", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/chat/completions", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/chat/completions/", "http://h:1/v1/chat/completions"),
        ("http://h:1", "http://h:1/v1/chat/completions"),
        ("http://h:1/", "http://h:1/v1/chat/completions"),
        ("https://h/x?api-version=2", "https://h/x/chat/completions?api-version=2"),
    ],
)
def test_the_address_is_the_base_or_the_whole(address: str, full: str) -> None:
    assert str(exchange.endpoint(address)) == full


@pytest.mark.parametrize(
    "changes",
    [{"address": ""}, {"address": "http://[::1"}, {"address": "http://h:x/"}, {"key": "schlüssel"}, {"key": "a\nb"}],
)
def test_a_configuration_that_cannot_be_used_says_so(changes: dict[str, str]) -> None:
    with pytest.raises(errors.EngineMissing, match=r"\w"):
        adapter(completion(), **changes)


def test_an_unknown_kind_of_engine_is_missing() -> None:
    with pytest.raises(errors.EngineMissing, match="magic"):
        engines.build(EngineConfig(kind="magic", name="m"))


def test_an_image_that_is_gone_is_unreadable(image: Prepared) -> None:
    image.path.unlink()
    assert isinstance(error_of(completion(), image), errors.UnreadableImage)


STATUSES = [
    (301, errors.EngineMissing),
    (400, errors.RequestRefused),
    (401, errors.CredentialsRefused),
    (402, errors.CredentialsRefused),
    (403, errors.CredentialsRefused),
    (404, errors.RequestRefused),
    (408, errors.EngineTimeout),
    (413, errors.ImageTooLarge),
    (422, errors.RequestRefused),
    (429, errors.RateLimited),
    (500, errors.EngineFailed),
    (502, errors.EngineFailed),
    (529, errors.EngineBusy),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
@pytest.mark.parametrize(
    "body",
    [f'{{"error": {{"message": "Bad \\u0000 key {KEY}", "code": 1}}}}', f'{{"error": "no {KEY}"}}', "", "<html>", "[1]",
     f'{{"detail": "{KEY}"}}', '{"error": {"message": 5, "metadata": {"raw": "behind"}}}', '{"message": "m"}'],
    ids=range(8),
)  # fmt: skip
def test_each_status_is_an_error_of_its_kind(
    status: int, kind: type[errors.ExtractionError], body: str, image: Prepared
) -> None:
    error = error_of(httpx.Response(status, text=body), image)
    assert type(error) is kind
    assert str(status) in error.message
    assert "\x00" not in error.message + error.raw


def test_what_the_endpoint_says_is_passed_on(image: Prepared) -> None:
    body = {"error": {"message": "Provider returned error", "metadata": {"raw": "GPU on fire"}}}
    assert "Provider returned error GPU on fire" in error_of(httpx.Response(500, json=body), image).message
    long = error_of(httpx.Response(500, json={"error": {"message": "x" * 9000}}), image)
    assert len(long.message) < 400


def test_a_card_held_back_by_a_filter_does_not_stop_the_batch(image: Prepared) -> None:
    body = {"error": {"message": "Input was flagged by moderation"}}
    assert type(error_of(httpx.Response(403, json=body), image)) is errors.ReplyEmpty


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("1.5", 1.5, 1.5),
        ("-3", 0, 0),
        ("999999", 3600, 3600),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0, 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, low: float, high: float, image: Prepared) -> None:
    error = error_of(httpx.Response(429, headers={"Retry-After": header}), image)
    assert error.retry_after is not None
    assert low <= error.retry_after <= high
    assert not error.counts


def test_retry_after_may_be_a_date_to_come(image: Prepared) -> None:
    header = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    wait = error_of(httpx.Response(429, headers={"Retry-After": header}), image).retry_after
    assert wait is not None
    assert 30 <= wait <= 91


@pytest.mark.parametrize("header", ["", "soon", "nan"])
def test_an_odd_retry_after_is_none(header: str, image: Prepared) -> None:
    assert error_of(httpx.Response(429, headers={"Retry-After": header}), image).retry_after is None


def test_a_gateway_hands_the_wait_on_under_another_name(image: Prepared) -> None:
    assert error_of(httpx.Response(429, headers={"llm_provider-retry-after": "7"}), image).retry_after == 7
    both = {"retry-after": "3", "llm_provider-retry-after": "7"}
    assert error_of(httpx.Response(429, headers=both), image).retry_after == 3


@pytest.mark.parametrize(
    "error",
    [
        {"message": "No connected db.", "type": "no_db_connection", "code": "400"},
        {"message": "Incorrect API key provided", "code": "invalid_api_key"},
    ],
)
def test_a_400_can_mean_the_key_and_stops_the_batch(error: dict[str, str], image: Prepared) -> None:
    refused = error_of(httpx.Response(400, json={"error": error}), image)
    assert (type(refused), refused.pauses) == (errors.CredentialsRefused, "credentials")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "/chat/completions: Invalid model name passed in model=nope."}),
        (400, {"message": "nope is not a valid model ID"}),
        (404, {"message": "The model `nope` does not exist.", "type": "NotFoundError"}),
        (404, {"message": 'model "nope" not found, try pulling it first'}),
        (404, {"message": "You have no access.", "code": "model_not_found"}),
    ],
)
def test_a_model_that_is_not_there_stops_the_batch_and_fails_no_card(
    status: int, error: dict[str, str], image: Prepared
) -> None:
    refused = error_of(httpx.Response(status, json={"error": error}), image)
    assert (type(refused), refused.pauses) == (errors.EngineMissing, "credentials")
    assert "does not have this model" in refused.message


def test_a_model_that_is_named_in_another_complaint_is_there(image: Prepared) -> None:
    error = {"message": "This model does not support images."}
    assert type(error_of(httpx.Response(400, json={"error": error}), image)) is errors.RequestRefused


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx.ReadTimeout("t"), errors.EngineTimeout),
        (httpx.WriteTimeout("t"), errors.EngineTimeout),
        (httpx.PoolTimeout("t"), errors.EngineTimeout),
        (httpx.ConnectTimeout("t"), errors.EngineUnreachable),
        (httpx.ConnectError(f"no way to {KEY}"), errors.EngineUnreachable),
        (httpx.ReadError(""), errors.EngineUnreachable),
        (httpx.RemoteProtocolError("Server disconnected"), errors.EngineUnreachable),
        (httpx.UnsupportedProtocol("x"), errors.EngineMissing),
        (httpx.InvalidURL("x"), errors.EngineMissing),
        (httpx.DecodingError("x"), errors.ReplyInvalid),
    ],
)
def test_each_fault_of_the_connection_is_an_error_of_its_kind(
    raised: Exception, kind: type[errors.ExtractionError], image: Prepared
) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        raise raised

    assert type(error_of(reply, image)) is kind


def test_a_body_packed_badly_is_invalid(image: Prepared) -> None:
    reply = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"not gzip"))
    assert type(error_of(reply, image)) is errors.ReplyInvalid


ODD_ANSWERS: list[tuple[Any, type[errors.ExtractionError]]] = [
    ("<html>Welcome</html>", errors.ReplyInvalid),
    ("", errors.ReplyInvalid),
    ("[]", errors.ReplyInvalid),
    ("null", errors.ReplyInvalid),
    ("[" * 100_000, errors.ReplyInvalid),
    ("9" * 10_000, errors.ReplyInvalid),
    ({}, errors.ReplyInvalid),
    ({"choices": []}, errors.ReplyInvalid),
    ({"choices": None}, errors.ReplyInvalid),
    ({"choices": ["x"]}, errors.ReplyInvalid),
    ({"choices": [{"message": None}]}, errors.ReplyInvalid),
    (completion(""), errors.ReplyEmpty),
    (completion(None), errors.ReplyEmpty),
    (completion(5), errors.ReplyEmpty),
    (completion([]), errors.ReplyEmpty),
    (completion(None, message={"reasoning": "hm"}), errors.ReplyOnlyThought),
    (completion(None, message={"refusal": f"No, {KEY}"}), errors.ReplyEmpty),
    (completion(GOOD, "content_filter"), errors.ReplyEmpty),
    (completion(None, "length"), errors.ReplyTruncated),
    (completion(GOOD[:30], "length"), errors.ReplyTruncated),
    (completion("no JSON"), errors.ReplyInvalid),
    (completion(GOOD, "error"), errors.EngineFailed),
    (completion(GOOD, error={"code": 429, "message": "slow down"}), errors.RateLimited),
    ({"error": {"code": 402, "message": "pay"}}, errors.CredentialsRefused),
    ({"error": {"code": "odd", "message": "x"}}, errors.EngineFailed),
    ({"error": "x"}, errors.EngineFailed),
    ({"choices": [{"error": {"code": 502, "message": "gone"}}]}, errors.EngineFailed),
]


@pytest.mark.parametrize(("body", "kind"), ODD_ANSWERS, ids=range(len(ODD_ANSWERS)))
def test_each_odd_answer_is_an_error_of_its_kind(
    body: Any, kind: type[errors.ExtractionError], image: Prepared
) -> None:
    reply = httpx.Response(200, text=body) if isinstance(body, str) else body
    assert type(error_of(reply, image)) is kind


def test_an_invalid_reply_is_kept_with_what_it_cost(image: Prepared) -> None:
    reply = completion("I see \x00\ud800 a card", usage={"prompt_tokens": 5, "completion_tokens": 2})
    error = error_of(httpx.Response(200, text=json.dumps(reply)), image)
    assert error.raw.endswith("\n\nI see ? a card")
    assert (error.usage, error.finish_reason) == (Usage(10, 4), "stop"), "it was asked twice"


def test_content_may_come_in_parts(image: Prepared) -> None:
    parts = [{"type": "text", "text": GOOD[:20]}, {"type": "thinking"}, GOOD[20:], 5]
    assert adapter(completion(parts)).read(image, TASK).fields["author"].value == "x"


@pytest.mark.parametrize(
    ("usage", "kept"),
    [
        (None, Usage()),
        ("many", Usage()),
        ({"prompt_tokens": -1, "completion_tokens": 2.5}, Usage()),
        ({"prompt_tokens": True, "completion_tokens": 10**12}, Usage()),
        ({"cost": "0.5"}, Usage(cost=Decimal("0.500000"))),
        ({"cost": "dear"}, Usage()),
        ({"cost": True}, Usage()),
        ({"cost": -1}, Usage()),
        ({"cost": 1e300}, Usage()),
    ],
)
def test_odd_usage_harms_nothing(usage: Any, kept: Usage, image: Prepared) -> None:
    assert adapter(completion(usage=usage)).read(image, TASK).usage == kept


def test_an_endless_answer_is_cut(image: Prepared) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 1_000_000

    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless())

    assert "longer than 8 MB" in error_of(reply, image).message


def test_an_answer_that_trickles_is_given_up(image: Prepared) -> None:
    def trickle() -> Iterator[bytes]:
        while True:
            yield b" "

    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=trickle())

    assert type(error_of(reply, image, timeout=0.05)) is errors.EngineTimeout


def test_a_transcription_comes_through(image: Prepared) -> None:
    task = ReadTask(TASK.fields, options=ReadOptions(transcribe=True))
    reply = completion(json.dumps({"transcription": "all\nof it", "author": "x", "title": None}))
    assert pipeline.read(image, task, adapter(reply)).transcription == "all\nof it"


def test_the_key_does_not_show_in_the_adapter() -> None:
    reader = adapter(completion())
    assert KEY not in repr(reader.config) + repr(reader)
    reader.close()


def test_front_and_back_go_out_in_one_request(image: Prepared, tmp_path: Path) -> None:
    path = tmp_path / "back.png"
    path.write_bytes(b"the back")
    both = replace(image, back=Prepared(path, "image/png", 3, 4, 0))
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=completion())

    engine = adapter(reply)
    for card in (image, both, image, both):  # what is kept of a request does not mix them up
        reading = engine.read(card, TASK)
    assert (reading.rotation, reading.back_rotation) == (90, 0)
    alone, (text, front, back) = (asked(request)["messages"][0]["content"] for request in seen[-2:])
    assert [part["type"] for part in alone] == ["text", "image_url"]
    assert "its back" not in alone[0]["text"]
    assert "the first shows the front of the card, the second its back" in text["text"]
    assert front == alone[1]
    assert back["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(b"the back").decode()


def test_a_back_that_is_gone_is_told(image: Prepared, tmp_path: Path) -> None:
    both = replace(image, back=Prepared(tmp_path / "none.jpg", "image/jpeg", 3, 4))
    with pytest.raises(errors.UnreadableImage):
        adapter(completion()).read(both, TASK)


def drawn(path: Path, size: tuple[int, int], colour: str) -> Prepared:
    Image.new("RGB", size, colour).save(path, "PNG")
    return Prepared(path, "image/png", *size, 0)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "At most 1 image(s) may be provided in one request."),
        (400, "You set image=1 (or defaulted to 1) in `--limit-mm-per-prompt`, but found 2 items in the same prompt."),
        (500, "vision model only supports a single image per message"),
        (422, "This model does not support multiple images."),
        (400, "Too many images in the request"),
    ],
)
def test_where_one_image_is_all_that_a_model_takes_both_sides_go_out_as_one(
    tmp_path: Path, status: int, said: str
) -> None:
    front, back = drawn(tmp_path / "f.png", (80, 40), "red"), drawn(tmp_path / "b.png", (60, 40), "blue")
    seen: list[list[dict[str, Any]]] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(asked(request)["messages"][0]["content"])
        if len(seen[-1]) == 3:
            return httpx.Response(status, json={"error": {"message": said}})
        return httpx.Response(200, json=completion())

    told: list[dict[str, Any]] = []
    engine = adapter(reply)
    engine.on_learnt = told.append
    for _card in range(2):
        reading = engine.read(replace(front, back=back), TASK)
    assert (reading.rotation, reading.back_rotation) == (0, 0)
    assert [len(content) for content in seen] == [3, 2, 2]  # what was learnt holds for the next card
    assert told == [{"images": 1}]
    text, picture = seen[-1]
    assert "above its front, below its back" in text["text"]
    joined = Image.open(BytesIO(base64.b64decode(picture["image_url"]["url"].partition(",")[2])))
    assert joined.size == (80, 40 + 24 + 40)
    places = {"red": (40, 20), "blue": (30, 84), "grey": (40, 52)}
    for colour, place in places.items():
        wanted = (128, 128, 128) if colour == "grey" else ImageColor.getrgb(colour)
        assert joined.getpixel(place) == pytest.approx(wanted, abs=6)


def test_upright_sides_are_laid_beside_each_other_and_fit(tmp_path: Path) -> None:
    front, back = drawn(tmp_path / "f.png", (400, 800), "red"), drawn(tmp_path / "b.png", (400, 800), "blue")
    pictures = Pictures(replace(front, back=back))
    layout, (data,) = pictures.of(1, None)
    assert layout is Layout.BESIDE
    assert Image.open(BytesIO(base64.b64decode(data.partition(b",")[2]))).size == (824, 800)
    _layout, (data,) = pictures.of(1, 412)
    assert Image.open(BytesIO(base64.b64decode(data.partition(b",")[2]))).size == (412, 400)


def test_sides_that_cannot_be_joined_are_told(image: Prepared, tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"no image")
    both = replace(image, back=Prepared(tmp_path / "b.jpg", "image/jpeg", 3, 4))
    with pytest.raises(errors.UnreadableImage):
        adapter(completion(), profile={"images": 1}).read(both, TASK)


def test_a_single_picture_is_never_called_too_many(image: Prepared) -> None:
    told: list[dict[str, Any]] = []
    engine = adapter(httpx.Response(400, json={"error": {"message": "Too many images in the request"}}))
    engine.on_learnt = told.append
    with pytest.raises(errors.ImageTooLarge):
        engine.read(image, TASK)
    assert told == []
