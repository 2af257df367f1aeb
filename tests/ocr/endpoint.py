"""A chat-completions endpoint without a network, and what is asked of it."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ocr import errors
from ocr.engines.base import EngineConfig, Prepared, ReadTask
from ocr.engines.openai_compatible import OpenAICompatibleAdapter
from ocr.fields import FieldSpec

KEY = "sk-canary-0123456789"
TASK = ReadTask((FieldSpec("author", "Author"), FieldSpec("title", "Title")))
GOOD = json.dumps({"author": "x", "author__confidence": 0.9, "title": None, "title__confidence": None})
Handler = Callable[[httpx.Request], httpx.Response]


def completion(content: Any = GOOD, finish: Any = "stop", **changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content} | changes.pop("message", {})
    return {"model": "m-1", "choices": [{"message": message, "finish_reason": finish}]} | changes


def adapter(reply: Handler | httpx.Response | dict[str, Any], **changes: Any) -> OpenAICompatibleAdapter:
    def handle(request: httpx.Request) -> httpx.Response:
        if callable(reply):
            return reply(request)
        return reply if isinstance(reply, httpx.Response) else httpx.Response(200, json=reply)

    given = {
        "kind": "openai_compatible",
        "name": "e",
        "address": "https://api.example.org/v1",
        "model": "m",
        "key": KEY,
    }
    return OpenAICompatibleAdapter(EngineConfig(**(given | changes)), httpx.MockTransport(handle))


def error_of(reply: Any, image: Prepared, **changes: Any) -> errors.ExtractionError:
    with pytest.raises(errors.ExtractionError) as raised:
        adapter(reply, **changes).read(image, TASK)
    assert raised.value.message
    assert KEY not in raised.value.message + raised.value.raw + repr(raised.value)
    return raised.value


def asked(request: httpx.Request) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request.content)
    return body
