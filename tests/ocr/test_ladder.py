"""A reply that cannot be used is asked for in another way, a few times, each through the gate."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from ocr import errors
from ocr.engines import exchange, openai_compatible
from ocr.engines.base import EngineConfig, Prepared, gated, sending
from ocr.engines.openai_compatible import OpenAICompatibleAdapter
from ocr.reading import Reading, Usage
from tests.ocr.endpoint import GOOD, TASK, adapter, asked, completion

LOOP = '{"author": "' + "Das Meer, " * 400
CUT = GOOD[:30]
USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.5}


class Endpoint:
    """Gives these answers one after the other, the last one for ever; keeps what it was asked."""

    def __init__(self, *replies: Any) -> None:
        self.replies = replies
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(asked(request))
        reply = self.replies[min(len(self.bodies), len(self.replies)) - 1]
        if callable(reply):
            reply = reply(self.bodies[-1])
        if isinstance(reply, httpx.Response):
            return reply
        return httpx.Response(200, json=reply if isinstance(reply, dict) else completion(reply, usage=USAGE))

    def read(self, image: Prepared, **changes: Any) -> Reading:
        return adapter(self, **changes).read(image, TASK)

    def error(self, image: Prepared, **changes: Any) -> errors.ExtractionError:
        with pytest.raises(errors.ExtractionError) as raised:
            self.read(image, **changes)
        return raised.value


def cut(body: dict[str, Any] | None = None) -> dict[str, Any]:
    return completion(CUT, "length", usage=USAGE)


def loop(body: dict[str, Any] | None = None) -> dict[str, Any]:
    return completion(LOOP, "length", usage=USAGE)


def warmth(bodies: list[dict[str, Any]]) -> list[tuple[Any, bool]]:
    return [(body.get("temperature"), "response_format" in body) for body in bodies]


def test_an_invalid_reply_is_asked_for_once_more_with_the_reason(image: Prepared) -> None:
    endpoint = Endpoint("I see a card.", GOOD)
    reading = endpoint.read(image)
    assert reading.fields["author"].value == "x"
    first, second = (body["messages"] for body in endpoint.bodies)
    assert second[0] == first[0], "the same picture, the same words"
    assert second[1] == {"role": "assistant", "content": "I see a card."}
    assert "The answer is not JSON." in second[2]["content"]
    assert '"author", "author__confidence"' in second[2]["content"]


def test_every_reply_is_kept_and_every_call_paid(image: Prepared) -> None:
    reading = Endpoint("I see a card.", GOOD).read(image)
    assert reading.usage == Usage(200, 20, Decimal("1.000000"))
    assert reading.raw.index("I see a card.") < reading.raw.index("not JSON") < reading.raw.index(GOOD)
    error = Endpoint("I see a card.", "One more card.").error(image)
    assert type(error) is errors.ReplyInvalid
    assert error.usage == Usage(200, 20, Decimal("1.000000"))
    assert error.raw.index("I see a card.") < error.raw.index("One more card.")


def test_an_invalid_reply_is_asked_for_twice_in_all(image: Prepared) -> None:
    endpoint = Endpoint("I see a card.")
    assert endpoint.error(image).retryable, "later, as often as the batch allows"
    assert len(endpoint.bodies) == 2


def test_a_long_reply_is_shown_again_in_part(image: Prepared) -> None:
    endpoint = Endpoint("".join(map(str, range(100_000))), GOOD)
    endpoint.read(image)
    assert len(endpoint.bodies[1]["messages"][1]["content"]) == 8000


@pytest.mark.parametrize(
    "nothing",
    [
        "",
        completion(None, message={"refusal": "No."}),
        completion(GOOD, "content_filter"),
        "I'm sorry, I can't help with that.",
        httpx.Response(403, json={"error": {"message": "flagged by moderation"}}),
    ],
    ids=["empty", "refusal", "filter", "refused in words", "moderation"],
)
def test_where_nothing_is_answered_other_words_are_tried_once(nothing: Any, image: Prepared) -> None:
    endpoint = Endpoint(nothing, GOOD)
    assert endpoint.read(image).fields["author"].value == "x"
    words = [body["messages"][0]["content"][0]["text"] for body in endpoint.bodies]
    assert words[1].endswith(words[0])
    assert len(words[1]) > len(words[0]) + 100
    assert all(len(body["messages"]) == 1 for body in endpoint.bodies)
    silent = Endpoint(nothing)
    assert type(silent.error(image)) is errors.ReplyEmpty
    assert len(silent.bodies) == 2


def test_what_a_refusal_said_is_kept(image: Prepared) -> None:
    error = Endpoint(completion(None, message={"refusal": "No."})).error(image)
    assert error.raw.count("No.") >= 2


def test_a_cut_reply_gets_more_room_then_no_thinking(image: Prepared) -> None:
    endpoint = Endpoint(cut)
    error = endpoint.error(image)
    assert (type(error), error.retryable) == (errors.ReplyTruncated, False)
    first, second, third = endpoint.bodies
    assert second["max_tokens"] == third["max_tokens"] == 2 * first["max_tokens"]
    assert ["reasoning_effort" in body for body in endpoint.bodies] == [False, False, True]
    assert third["chat_template_kwargs"] == {"enable_thinking": False}


def test_where_no_thinking_helps_it_stays_so(image: Prepared) -> None:
    endpoint = Endpoint(lambda body: completion() if "reasoning_effort" in body else cut())
    reader = adapter(endpoint)
    reader.read(image, TASK)
    assert len(endpoint.bodies) == 3
    reader.read(image, TASK)
    assert len(endpoint.bodies) == 4


def test_who_only_thought_is_asked_not_to(image: Prepared) -> None:
    thought = completion(None, message={"reasoning": "hm"})
    endpoint = Endpoint(lambda body: completion() if "reasoning_effort" in body else thought)
    assert endpoint.read(image).fields
    assert len(endpoint.bodies) == 2


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://openrouter.ai/api/v1", {"reasoning": {"enabled": False}}),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", {"enable_thinking": False}),
    ],
)
def test_each_host_is_told_in_its_own_words(address: str, said: dict[str, Any], image: Prepared) -> None:
    endpoint = Endpoint(cut)
    endpoint.error(image, address=address)
    assert endpoint.bodies[-1].items() >= said.items()
    assert "reasoning_effort" not in endpoint.bodies[-1]


def test_an_endpoint_that_cannot_stop_thinking_is_not_asked_to(image: Prepared) -> None:
    def reply(body: dict[str, Any]) -> Any:
        for name in ("reasoning_effort", "chat_template_kwargs"):
            if name in body:
                return httpx.Response(400, json={"error": {"message": f"Unrecognized request argument: {name}"}})
        return cut()

    endpoint = Endpoint(reply)
    reader = adapter(endpoint)
    for _ in range(2):
        with pytest.raises(errors.ReplyTruncated):
            reader.read(image, TASK)
    assert ["reasoning_effort" in body for body in endpoint.bodies] == [False, False, True, False, False, False]


def test_a_loop_is_asked_warmer_and_at_last_without_a_format(image: Prepared) -> None:
    endpoint = Endpoint(loop)
    error = endpoint.error(image)
    assert (type(error), error.reason, error.retryable) == (errors.ReplyLooping, "reply_looping", False)
    assert warmth(endpoint.bodies) == [(0, True), (0.1, True), (0.5, True), (0.8, False)]
    assert error.usage == Usage(400, 40, Decimal("2.000000"))


@pytest.mark.parametrize("warm", [0.1, 0.5, 0.8])
def test_the_first_reply_that_does_not_loop_is_taken(warm: float, image: Prepared) -> None:
    endpoint = Endpoint(lambda body: completion() if body["temperature"] == warm else loop())
    reader = adapter(endpoint)
    assert reader.read(image, TASK).fields["author"].value == "x"
    before = len(endpoint.bodies)
    reader.read(image, TASK)
    assert endpoint.bodies[before]["temperature"] == 0, "a loop is one card's, not the endpoint's"


def test_a_loop_where_the_temperature_is_fixed_is_asked_without_a_format(image: Prepared) -> None:
    def reply(body: dict[str, Any]) -> Any:
        if "temperature" in body:
            return httpx.Response(400, json={"error": {"message": "temperature is not supported"}})
        return loop()

    endpoint = Endpoint(reply)
    assert type(endpoint.error(image)) is errors.ReplyLooping
    assert warmth(endpoint.bodies[1:]) == [(None, True), (None, False)]


@pytest.mark.parametrize("replies", [(loop, "no", cut), (cut, "", "no", loop), (loop, loop, "no", "no", cut)])
def test_whatever_comes_there_are_three_more_requests_at_most(replies: Any, image: Prepared) -> None:
    endpoint = Endpoint(*replies)
    endpoint.error(image)
    assert len(endpoint.bodies) <= 4


def test_what_fails_on_the_way_is_told_with_what_was_paid(image: Prepared) -> None:
    busy = Endpoint("no", httpx.Response(429, headers={"Retry-After": "3"}, json={})).error(image)
    assert (type(busy), busy.retry_after, busy.usage.tokens_in) == (errors.RateLimited, 3, 100)
    assert busy.raw.startswith("no\n")


def test_a_way_that_the_endpoint_refuses_does_not_hide_the_reply(image: Prepared) -> None:
    error = Endpoint("no", httpx.Response(400, json={"error": "Roles must alternate"})).error(image)
    assert (type(error), error.usage.tokens_in) == (errors.ReplyInvalid, 100)


def test_an_answer_that_is_no_completion_is_not_the_models_mistake(image: Prepared) -> None:
    endpoint = Endpoint(httpx.Response(200, text="<html>Welcome</html>"))
    assert endpoint.error(image).retryable
    assert len(endpoint.bodies) == 1


def test_no_way_is_tried_once_the_time_is_up(image: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            self.now += 10
            return self.now

    clock = Clock()
    for module in (openai_compatible, exchange):
        monkeypatch.setattr(module, "time", clock)
    endpoint = Endpoint(loop)
    error = endpoint.error(image, timeout=45)
    assert (type(error), error.retryable) == (errors.ReplyLooping, True)
    assert len(endpoint.bodies) == 2


class Server(httpx.BaseTransport):
    """Answers in a loop; passes the gate as the real transport does."""

    def __init__(self, replies: Callable[[], dict[str, Any]]) -> None:
        self.replies = replies
        self.requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with sending():
            self.requests += 1
        return httpx.Response(200, json=self.replies())


@pytest.mark.parametrize("allowed", [0, 1, 2, 3])
def test_a_pause_withholds_the_next_way_and_keeps_what_was_said(allowed: int, image: Prepared) -> None:
    server = Server(loop)
    reader = OpenAICompatibleAdapter(
        EngineConfig(kind="openai_compatible", name="e", address="http://h/v1"), transport=server
    )

    @contextmanager
    def gate() -> Iterator[None]:
        if server.requests == allowed:
            raise errors.CallWithheld
        yield

    with gated(gate), pytest.raises(errors.ExtractionError) as raised:
        reader.read(image, TASK)
    assert server.requests == allowed
    if allowed:
        assert (type(raised.value), raised.value.retryable) == (errors.ReplyLooping, True)
        assert raised.value.usage.tokens_in == 100 * allowed
    else:
        assert type(raised.value) is errors.CallWithheld


def test_keys_that_nobody_asked_for_are_counted(image: Prepared) -> None:
    assert Endpoint(json.dumps({"author": "x", "title": None, "colour": "red"})).read(image).unknown_keys == 1
