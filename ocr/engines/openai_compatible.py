"""Any chat-completions endpoint that takes images: OpenRouter, Ollama, vLLM, llama.cpp, DashScope, OpenAI, Mistral."""

import base64
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from ocr import parsing, prompts, schema
from ocr.addresses import Forbidden
from ocr.engines import answers
from ocr.engines.base import EngineConfig, Prepared, ReadTask
from ocr.engines.transport import Departure, client
from ocr.errors import (
    EngineMissing,
    EngineTimeout,
    EngineUnreachable,
    ExtractionError,
    ReplyInvalid,
    ReplyTruncated,
    UnreadableImage,
)
from ocr.reading import Reading

LONGEST_BODY = 8_000_000  # bytes of a response
MOST_TOKENS = 32_768
_CORRECTIONS = 8  # requests that may be mended and sent again, for one card
_MENDABLE = {400, 404, 422, 501}
_FORMAT_NAMED = re.compile(
    r"response.?format|json.?schema|json.?object|json.?mode|structured|grammar|guided|requested parameters|schema", re.I
)
_TOO_MANY = re.compile(r"too (?:large|high|big|long)|exceed|maximum|at most|less than", re.I)


@dataclass(frozen=True, slots=True)
class Profile:
    """What this endpoint and model were found to take; begins with the best."""

    formats: tuple[str, ...] = ("json_schema", "json_object", "")
    temperature: bool = True
    tokens_name: str = "max_tokens"
    tokens_factor: float = 1.0

    def mended(self, said: str) -> "Profile | None":
        """The next thing to try where an endpoint names what it does not take; None where it names nothing of ours."""
        named = said.casefold()
        if "temperature" in named and self.temperature:
            return replace(self, temperature=False)
        if re.search(r"max.?(?:completion.?)?tokens|context length", named):
            if _TOO_MANY.search(named):
                return replace(self, tokens_factor=self.tokens_factor / 2) if self.tokens_factor > 0.1 else None
            if self.tokens_name == "max_tokens":
                return replace(self, tokens_name="max_completion_tokens")
        if _FORMAT_NAMED.search(named) and len(self.formats) > 1:
            return replace(self, formats=self.formats[1:])
        return None


class OpenAICompatibleAdapter:
    """Thread-safe. Raises EngineMissing where the configuration cannot be used."""

    full_resolution = False
    in_process = False

    def __init__(self, config: EngineConfig, transport: httpx.BaseTransport | None = None) -> None:
        self.config = config
        self.url = endpoint(config.address)
        if not (config.key.isascii() and config.key.isprintable()):
            raise EngineMissing("The stored key has characters that no key has: enter it again.")
        self._headers = {"Authorization": f"Bearer {config.key}"} if config.key else {}
        self._client = client(config.timeout, config.private_hosts, transport)
        self._lock = threading.Lock()
        self._profile = Profile()

    def read(self, image: Prepared, task: ReadTask) -> Reading:
        try:
            data = image.path.read_bytes()
        except OSError as error:
            raise UnreadableImage("The prepared image cannot be opened.") from error
        picture = f"data:{image.media_type};base64,{base64.b64encode(data).decode()}"
        answer = self._ask(task, picture)
        try:
            fields, transcription = parsing.parse(answer.content, task, finish_reason=answer.finish_reason)
        except ExtractionError as error:
            error.raw = answers.storable(answer.content[: parsing.LONGEST])
            error.usage, error.finish_reason = answer.usage, answer.finish_reason
            if isinstance(error, ReplyTruncated):
                self._allow_more()
            raise
        return Reading(
            fields=fields,
            transcription=transcription,
            rotation=image.rotation,
            usage=answer.usage,
            model=answer.model,
            raw=answers.storable(answer.content),
            finish_reason=answer.finish_reason,
        )

    def close(self) -> None:
        self._client.close()

    def _ask(self, task: ReadTask, picture: str) -> answers.Answer:
        """Ask, and ask again without what the endpoint says it does not take. What was learnt holds for all cards."""
        response = None
        for _ in range(_CORRECTIONS):
            profile = self._profile
            response = self._post(self.payload(task, picture, profile))
            if response.status == 200:
                return answers.answer(response, self.config.model)
            mended = profile.mended(response.said) if response.status in _MENDABLE else None
            if mended is None:
                break
            self._learn(profile, mended)
        assert response is not None  # noqa: S101
        raise answers.refused(response)

    def payload(self, task: ReadTask, picture: str, profile: Profile) -> dict[str, Any]:
        """The body of a request. One user message: not every model takes a system message beside an image."""
        content = [
            {"type": "text", "text": prompts.build(task)},
            {"type": "image_url", "image_url": {"url": picture}},
        ]
        body: dict[str, Any] = {
            "messages": [{"role": "user", "content": content}],
            profile.tokens_name: int(min(MOST_TOKENS, _tokens(task) * profile.tokens_factor)),
            "stream": False,
        }
        if self.config.model:
            body["model"] = self.config.model
        if profile.temperature:
            body["temperature"] = 0
        if profile.formats[0]:
            body["response_format"] = _response_format(profile.formats[0], task)
        if self.url.host.endswith("openrouter.ai"):
            # Otherwise it may choose a provider that ignores the schema.
            body |= {"provider": {"require_parameters": True}, "usage": {"include": True}}
        return body

    def _post(self, body: dict[str, Any]) -> answers.Response:
        deadline = time.monotonic() + self.config.timeout
        try:
            with self._client.stream(
                "POST",
                self.url,
                content=json.dumps(body).encode(),
                headers={**self._headers, "Content-Type": "application/json", "Accept": "application/json"},
                extensions={"trace": Departure()},
            ) as response:
                text = self._without_key(_body(response, deadline).decode("utf-8", "replace"))
                return answers.Response(response.status_code, _plain(response.headers), text)
        except Forbidden as error:
            raise EngineMissing(str(error)) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise EngineMissing("The address of this engine cannot be used.") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise EngineUnreachable(f"The endpoint cannot be reached: {self._why(error)}") from error
        except httpx.TimeoutException as error:
            raise EngineTimeout(f"No answer within {self.config.timeout:.0f} s.") from error
        except httpx.DecodingError as error:
            raise ReplyInvalid("The endpoint's answer is packed in a way that cannot be read.") from error
        except httpx.RequestError as error:
            raise EngineUnreachable(f"The connection broke: {self._why(error)}") from error

    def _why(self, error: httpx.RequestError) -> str:
        return self._without_key(str(error))[:300] or type(error).__name__

    def _without_key(self, text: str) -> str:
        """Endpoints like to repeat the key that they refuse."""
        return text.replace(self.config.key, "…") if len(self.config.key) >= 8 else text

    def _learn(self, before: Profile, after: Profile) -> None:
        with self._lock:
            if self._profile == before:  # otherwise another thread has learnt it meanwhile
                self._profile = after

    def _allow_more(self) -> None:
        """Answers get cut off: twice the length from the next one on, once."""
        with self._lock:
            if self._profile.tokens_factor == 1.0:
                self._profile = replace(self._profile, tokens_factor=2.0)


def endpoint(address: str) -> httpx.URL:
    """The full address, from that or from the base address (`…/v1`). Raises EngineMissing."""
    if not address.strip():
        raise EngineMissing("This engine has no address yet.")
    try:
        url = httpx.URL(address.strip())
    except httpx.InvalidURL:
        raise EngineMissing("The address of this engine cannot be used.") from None
    path = url.path.rstrip("/")
    if path.endswith("/chat/completions"):
        return url.copy_with(path=path)
    return url.copy_with(path=f"{path or '/v1'}/chat/completions")


def _tokens(task: ReadTask) -> int:
    """Room for the answer, and for some thinking before it; without a limit some servers never stop."""
    return min(MOST_TOKENS // 2, 4096 + 64 * len(task.fields) + (4096 if task.options.transcribe else 0))


def _response_format(kind: str, task: ReadTask) -> dict[str, Any]:
    if kind == "json_object":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "card", "strict": True, "schema": schema.build(task)}}


def _body(response: httpx.Response, deadline: float) -> bytes:
    """The body, to its end, or no further than may be."""
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > LONGEST_BODY:
            raise ReplyInvalid(f"The endpoint's answer is longer than {LONGEST_BODY // 1_000_000} MB.")
        if time.monotonic() > deadline:
            raise EngineTimeout("The answer came too slowly.")
    return bytes(data)


def _plain(headers: httpx.Headers) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}
