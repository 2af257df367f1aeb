"""An OpenAI-compatible endpoint for tests: a real threaded HTTP server whose behaviour is chosen by image.

A card is known by the colour of its top-left corner, which survives scaling and JPEG: `card_image(7)` draws card 7,
`colour(7)` is its colour (4,096 of them), `number(image)` reads it back. Every value answered carries the number
(`"author 7"`, or what `answer({"author": "Author {number}"})` says), so another card's answer is recognised.

    with vlm_server.running() as server:
        server.url                                  # the address to configure, …/v1
        server.fail(7, "500", times=2)              # by number, colour name, image bytes (their sha256) or predicate
        server.calls                                # a Call for each request, in the order of their arrival

In a process of its own: `python -m tests.vlm_server --port 9000 --delay 0.2`, with GET /calls, POST /fail {"image":
7, "mode": "500", "times": 2} (null: any image), POST /key {"key": "…"}, POST /answer {"author": "Author {number}"},
POST /delay {"seconds": 1}, POST /retry-after {"value": "1"}, POST /reset (failures and calls are forgotten).
"""

import argparse
import base64
import hashlib
import io
import json
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image, ImageColor, ImageDraw

from ocr.engines.base import EngineConfig
from tests.vlm_model import Model, keys_in_prompt

NUMBERS = 4096
Which = int | str | bytes | Callable[[Image.Image], bool]
Reply = tuple[int, Mapping[str, str], Any]  # status, headers, body

STATUS_MODES = {"400": 400, "401": 401, "402": 402, "403": 403, "404": 404, "429": 429, "500": 500, "503": 503}
TEXT_MODES = ("not_json", "empty", "refusal", "truncated", "null_values", "number_values", "fenced", "prose")
MODES = (*STATUS_MODES, *TEXT_MODES, "thinking", "wrong_fields", "not_http_json", "timeout", "disconnect")


def colour(card: int) -> tuple[int, int, int]:
    """The corner colour of card 0 to 4095: sixteen levels a channel, eight apart from a neighbour's."""
    return (card // 256 % 16 * 16 + 8, card // 16 % 16 * 16 + 8, card % 16 * 16 + 8)


def _number_of(red: int, green: int, blue: int) -> int:
    return red // 16 * 256 + green // 16 * 16 + blue // 16


def number(image: Image.Image) -> int:
    """The card whose colour is nearest to the top-left corner's."""
    corner = image.convert("RGB").crop((0, 0, 4, 4)).resize((1, 1), Image.Resampling.BOX)
    pixel = corner.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return _number_of(*(int(channel) for channel in pixel))


def card_image(card: int, size: tuple[int, int] = (600, 400), kind: str = "JPEG", **options: Any) -> bytes:
    """A scan of card `card`: its colour, with lines of writing that keep clear of the corner."""
    image = Image.new("RGB", size, colour(card))
    draw = ImageDraw.Draw(image)
    ink = "black" if sum(colour(card)) > 380 else "white"
    for line in range(6):
        top = size[1] * (line + 2) // 9
        draw.text((size[0] // 8, top), f"Card {card}, line {line}, 9-5-81", fill=ink, font_size=size[1] // 16)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@dataclass
class Call:
    """One request as it arrived; `finished` is None while it is being answered."""

    card: int
    sha256: str
    payload: Mapping[str, Any]
    authorization: str
    image: Image.Image
    started: float
    mode: str = "answer"
    beside: int = 1  # calls in flight when it came, this one too
    finished: float | None = None


@dataclass
class _Failure:
    matches: Callable[[Image.Image, str, int], bool]
    mode: str
    left: int | None


def _matcher(which: Which) -> Callable[[Image.Image, str, int], bool]:
    if isinstance(which, bytes):
        wanted = hashlib.sha256(which).hexdigest()
        return lambda _image, sha256, _card: sha256 == wanted
    if isinstance(which, str):
        if len(which) == 64:
            return lambda _image, sha256, _card: sha256 == which
        red, green, blue = ImageColor.getrgb(which)[:3]
        return _matcher(_number_of(red, green, blue))
    if isinstance(which, int):
        return lambda _image, _sha256, card: card == which
    return lambda image, _sha256, _card: which(image)


def _which(image: int | str | None) -> Which:
    return (lambda _image: True) if image is None else image


@dataclass
class Server:
    """What a test holds: the address, the failures, the calls."""

    port: int = 0
    host: str = "127.0.0.1"
    delay: float = 0.0  # seconds before each answer
    held: bool = False  # no answer at all until it is taken back: what runs is certain to run still
    confidence: float | None = 0.95
    entries: int = 2  # on a card, where a list of them is asked for
    retry_after: str = "1"  # sent with a 429
    key: str = ""  # when set, another key is answered with 401
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "test-model", "object": "model"}])
    model: Model = field(default_factory=Model)  # what it can do; a colour's card is seen by any
    besides: dict[str, Any] = field(default_factory=dict)  # keys that nobody asked for, in each answer
    refused_formats: set[str] = field(default_factory=set)  # response_format types answered with 400
    calls: list[Call] = field(default_factory=list)
    most_in_flight: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    _values: dict[str, Any] = field(default_factory=dict)
    _failures: list[_Failure] = field(default_factory=list)
    _asked: Mapping[str, Any] = field(default_factory=dict)  # the properties of the last schema
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    def config(self, **changes: Any) -> EngineConfig:
        """An engine's configuration that points here."""
        given: dict[str, Any] = {
            "kind": "openai_compatible",
            "name": "test endpoint",
            "address": self.url,
            "model": "test-model",
            "private_hosts": (self.host,),
        }
        return EngineConfig(**(given | changes))

    def answer(self, values: Mapping[str, Any]) -> None:
        """What the card says, by field key; `{number}` in a text becomes the card's number."""
        with self._lock:
            self._values = dict(values)

    def fail(self, which: Which, mode: str, times: int | None = None) -> None:
        """Answer this image in that mode, `times` times or always. The newest matching rule holds."""
        if mode not in MODES:
            raise ValueError(f"{mode!r} is not one of {', '.join(MODES)}")
        with self._lock:
            self._failures.insert(0, _Failure(_matcher(which), mode, times))

    def heal(self) -> None:
        """Forget all failures."""
        with self._lock:
            self._failures.clear()

    @property
    def in_flight(self) -> int:
        with self._lock:
            return sum(call.finished is None for call in self.calls)

    def calls_of(self, card: int) -> int:
        with self._lock:
            return sum(call.card == card for call in self.calls)

    def counts(self) -> dict[str, Any]:
        """As GET /calls gives it."""
        with self._lock:
            images = Counter(str(call.card) for call in self.calls)
            flying = sum(call.finished is None for call in self.calls)
        return {
            "total": sum(images.values()),
            "images": images,
            "in_flight": flying,
            "most_in_flight": self.most_in_flight,
        }

    def begin(self, payload: Mapping[str, Any], authorization: str) -> Call:
        data = _image_bytes(payload)
        image = Image.open(io.BytesIO(data))
        sha256, card = hashlib.sha256(data).hexdigest(), number(image)
        call = Call(card, sha256, payload, authorization, image, time.monotonic())
        with self._lock:
            self.calls.append(call)
            call.beside = sum(other.finished is None for other in self.calls)
            self.most_in_flight = max(self.most_in_flight, call.beside)
            for rule in self._failures:
                if rule.left != 0 and rule.matches(image, sha256, card):
                    rule.left = None if rule.left is None else rule.left - 1
                    call.mode = rule.mode
                    break
        return call

    def listed(self, authorization: str) -> Reply:
        """What GET /v1/models gives."""
        if self.key and authorization != f"Bearer {self.key}":
            return 401, {}, _error("Incorrect API key provided.", 401)
        return 200, {}, {"object": "list", "data": self.models}

    def reply(self, call: Call) -> Reply:
        """Status, headers and body for every mode but those that cut the connection."""
        if self.key and call.authorization != f"Bearer {self.key}":
            sent = call.authorization.removeprefix("Bearer ")  # repeated, as OpenAI's does
            return 401, {}, _error(f"Incorrect API key provided: {sent}.", 401)
        if refusal := self.model.refusal(call.payload, call.image, call.beside):
            headers = {"Retry-After": self.retry_after} if refusal[0] in (429, 503) else {}
            return refusal[0], headers, _error(refusal[1], refusal[0])
        refused = _format(call.payload).get("type")
        values = self._values_for(call)
        if refused in self.refused_formats:
            return 400, {}, _error(f"response_format of type {refused} is not supported by this model.", 400)
        if call.mode in STATUS_MODES:
            headers = {"Retry-After": self.retry_after} if call.mode == "429" else {}
            return STATUS_MODES[call.mode], headers, _error(f"Failing on purpose with {call.mode}.", int(call.mode))
        if call.mode == "not_http_json":
            return 200, {}, "<html><body>Welcome to the network.</body></html>"
        message, finish = _message("prose" if self.model.ignores_formats else call.mode, values, call.card)
        completion = _completion(message, finish, str(call.payload.get("model")))
        if self.model.is_thinking(call.payload):
            message["reasoning"] = "The card shows several lines…"
            completion["usage"]["completion_tokens_details"] = {"reasoning_tokens": 900}
        return 200, {}, completion

    def _values_for(self, call: Call) -> dict[str, Any]:
        schema = _format(call.payload).get("json_schema", {}).get("schema", {}).get("properties", {})
        with self._lock:
            if schema:
                self._asked = schema
            asked = schema or {key: self._asked.get(key, {}) for key in keys_in_prompt(call.payload)}
            asked = asked or self._asked or {key: {} for key in self._values}
            given = dict(self._values)
        if "code" in asked and (code := self.model.code(call.image)):
            given["code"] = code
        return self._filled(asked, given, str(call.card)) | self.besides

    def _filled(self, asked: Mapping[str, Any], given: Mapping[str, Any], number: str) -> dict[str, Any]:
        """A value for each key; of a list of entries, `entries` objects, whose later ones say which they are."""
        answer: dict[str, Any] = {}
        for key, kind in asked.items():
            value = given.get(key, f"{key} {{number}}")
            if key.endswith("__confidence"):
                answer[key] = self.confidence
            elif kind.get("type") == "array" and key not in given:
                numbers = [number, *(f"{number}, entry {n}" for n in range(2, self.entries + 1))]
                answer[key] = [self._filled(kind["items"]["properties"], given, one) for one in numbers]
            else:
                answer[key] = value.replace("{number}", number) if isinstance(value, str) else value
        return answer


def _format(payload: Mapping[str, Any]) -> dict[str, Any]:
    return dict(payload.get("response_format") or {})


def _image_bytes(payload: Mapping[str, Any]) -> bytes:
    for message in payload["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part.get("type") == "image_url":
                return base64.b64decode(part["image_url"]["url"].partition(";base64,")[2], validate=True)
    raise ValueError("no image in the request")


def _error(message: str, code: int) -> dict[str, Any]:
    return {"error": {"message": message, "code": code}}


def _message(mode: str, values: dict[str, Any], card: int) -> tuple[dict[str, Any], str]:
    text = json.dumps(values, ensure_ascii=False)
    plain = {key: value for key, value in values.items() if not key.endswith("__confidence")}
    contents = {
        "not_json": "I can see an index card with some writing on it.",
        "empty": "",
        "null_values": json.dumps({key: [] if isinstance(value, list) else None for key, value in values.items()}),
        "number_values": json.dumps(dict.fromkeys(plain, card)),
        "fenced": f"```json\n{text}\n```",
        "prose": f"Here is what the card says:\n\n{text}\n\nLet me know if you need anything else.",
        "thinking": f"<think>The card {{maybe}} shows…</think>\n{text}",
        "wrong_fields": json.dumps({"colour": "red", "shape": "round"}),
    }
    if mode == "refusal":
        return {"role": "assistant", "content": None, "refusal": "I cannot help with this image."}, "stop"
    if mode == "truncated":
        return {"role": "assistant", "content": text[: len(text) // 2]}, "length"
    return {"role": "assistant", "content": contents.get(mode, text)}, "stop"


def _completion(message: dict[str, Any], finish: str, model: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 1200, "completion_tokens": 150, "total_tokens": 1350, "cost": 0.00039},
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    test: Server

    def log_message(self, *_arguments: Any) -> None:
        """Quiet: a test reads `calls`."""

    def do_GET(self) -> None:
        if self.path == "/calls":
            self._send(200, {}, self.test.counts())
        elif self.path == "/v1/models":
            self._send(*self.test.listed(self.headers.get("Authorization", "")))
        else:
            self._send(404, {}, _error("Not found.", 404))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/v1/chat/completions":
            self._complete(json.loads(body))
            return
        controls: dict[str, Callable[[dict[str, Any]], None]] = {
            "/fail": lambda data: self.test.fail(_which(data["image"]), data["mode"], data.get("times")),
            "/key": lambda data: setattr(self.test, "key", data["key"]),
            "/answer": self.test.answer,
            "/delay": lambda data: setattr(self.test, "delay", float(data["seconds"])),
            "/retry-after": lambda data: setattr(self.test, "retry_after", data["value"]),
            "/reset": lambda _data: (self.test.heal(), self.test.calls.clear()),  # type: ignore[func-returns-value]
        }
        if control := controls.get(self.path):
            control(json.loads(body or b"{}"))
            self._send(200, {}, {"ok": True})
        else:
            self._send(404, {}, _error("Not found.", 404))

    def _complete(self, payload: dict[str, Any]) -> None:
        call = self.test.begin(payload, self.headers.get("Authorization", ""))
        try:
            with self.test.model.turn():
                self.test.stopping.wait(self.test.delay)
                while self.test.held and not self.test.stopping.wait(0.02):
                    pass
            if call.mode in ("timeout", "disconnect"):
                if call.mode == "timeout":
                    self._hold()
                self.close_connection = True
                return
            self._send(*self.test.reply(call))
        finally:
            call.finished = time.monotonic()

    def _hold(self) -> None:
        """Say nothing until the client gives up or the server stops."""
        while not self.test.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def _send(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self._headers_buffer.append(b"\r\n" + data)  # type: ignore[attr-defined]
        self.flush_headers()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is nobody's error here."""


@contextmanager
def running(port: int = 0, delay: float = 0.0, host: str = "127.0.0.1") -> Iterator[Server]:
    """The server, listening until the block ends."""
    test = Server(delay=delay, host=host)
    handler = type("Handler", (_Handler,), {"test": test})
    with _Http((host, port), handler) as http:
        test.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield test
        finally:
            test.stopping.set()
            http.shutdown()
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0)
    arguments = parser.parse_args()
    with running(arguments.port, arguments.delay) as server:
        print(server.url, flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
