"""Any chat-completions endpoint that takes images: OpenRouter, Ollama, vLLM, llama.cpp, DashScope, OpenAI, Mistral."""

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, zip_longest
from typing import Any

import httpx

from ocr import parsing, prompts, schema
from ocr.engines import answers
from ocr.engines.base import CALLS_LONG, EngineConfig, Layout, Prepared, ReadTask
from ocr.engines.exchange import Exchange
from ocr.engines.ladder import Ladder, Means, Step
from ocr.engines.pictures import Pictures
from ocr.engines.profile import QUIET, Profile
from ocr.errors import (
    CallWithheld,
    ExtractionError,
    ReplyInvalid,
    ReplyTruncated,
    RequestRefused,
)
from ocr.reading import Reading

MOST_TOKENS = 32_768
_PICTURE = f"picture-{secrets.token_hex(16)}"  # holds the picture's place in a request
_KEPT_REQUESTS = 64
_ENTRIES = 12  # that there is room for from the beginning, where a card may hold several
_CORRECTIONS = 8  # requests that may be mended and sent again, for one card
_MENDABLE = {400, 404, 422, 501}
_FIRST = Step()


class OpenAICompatibleAdapter:
    """Thread-safe. Raises EngineMissing where the configuration cannot be used."""

    full_resolution = False
    in_process = False

    def __init__(self, config: EngineConfig, transport: httpx.BaseTransport | None = None) -> None:
        self.config = config
        self._exchange = Exchange(config, transport)
        self._host = self._exchange.completions.host
        self._lock = threading.Lock()
        self._profile = self._kept = Profile(quiet=_quiet(self._host)).known_from(config.profile)
        self.on_learnt: Callable[[dict[str, Any]], None] = lambda profile: None
        self._requests: dict[tuple[int, Profile, Layout], tuple[ReadTask, list[bytes]]] = {}

    def read(self, image: Prepared, task: ReadTask) -> Reading:
        back = image.back
        parsed, answer = self._parsed(task, Pictures(image))
        return Reading(
            fields=parsed.fields,
            transcription=parsed.transcription,
            pictures=parsed.pictures,
            summary=parsed.summary,
            entries=parsed.entries,
            rotation=image.rotation,
            back_rotation=back.rotation if back else None,
            usage=answer.usage,
            model=answer.model,
            revision=answer.revision,
            raw=answers.storable(answer.content),
            finish_reason=answer.finish_reason,
            unknown_keys=parsed.unknown_keys,
        )

    def _parsed(self, task: ReadTask, pictures: Pictures) -> tuple[parsing.Parsed, answers.Answer]:
        """A reply that can be used, after a few ways to ask for it; with what all of them said and cost."""
        ladder = Ladder()
        begun = time.monotonic()
        latest = begun + self.config.timeout  # no rung is taken after that
        end = begun + CALLS_LONG * self.config.timeout
        while True:
            answer = None
            try:
                answer = self._ask(task, pictures, ladder.step, end)
                parsed = parsing.parse(answer.content, task, finish_reason=answer.finish_reason)
            except ReplyInvalid as error:
                if not self._climbed(ladder, error, answer, latest):
                    raise
            except (CallWithheld, RequestRefused):
                if ladder.error is None:
                    raise
                raise ladder.error from None  # what was paid for before is what there is to tell
            except ExtractionError as error:
                error.usage, error.raw = ladder.paid(error.usage), ladder.told(error.raw)
                raise
            else:
                if ladder.step.quiet:
                    profile = self._profile
                    self._learn(profile, replace(profile, thinking=False))
                    self._keep()
                return parsed, replace(answer, usage=ladder.paid(answer.usage), content=ladder.told(answer.content))

    def _climbed(self, ladder: Ladder, error: ReplyInvalid, answer: answers.Answer | None, latest: float) -> bool:
        """Whether it may be asked in another way."""
        reply = ""
        if answer is not None:
            reply = answers.storable(answer.content[: parsing.LONGEST])
            error.usage, error.finish_reason = answer.usage, answer.finish_reason
        ladder.missed(error, reply)
        profile = self._profile
        truncated = isinstance(error, ReplyTruncated)
        means = Means(
            temperature=profile.temperature,
            formats=bool(profile.formats[0]),
            thinking=profile.thinking and bool(profile.quiet),
            room=truncated and profile.tokens_factor == 1.0,
        )
        if truncated:
            self._allow_more()
        return time.monotonic() < latest and ladder.climbed(error, reply, means)

    @property
    def profile(self) -> Profile:
        """What has been learnt so far."""
        return self._profile

    def close(self) -> None:
        self._exchange.close()

    @property
    def largest_px(self) -> int | None:
        return self._profile.image_px

    def fitted(self, px: int) -> None:
        profile = self._profile
        self._learn(profile, replace(profile, image_px=min(px, profile.image_px or px)))
        self._keep()

    def _ask(self, task: ReadTask, pictures: Pictures, step: Step, end: float) -> answers.Answer:
        """Ask, and ask again without what the endpoint says it does not take. What was learnt holds for all cards."""
        begun = profile = self._profile
        response = None
        for _ in range(_CORRECTIONS):
            profile = self._profile
            within = min(self.config.timeout, max(0.1, end - time.monotonic()))
            layout, sent = pictures.of(profile.images, profile.image_px)
            around = self._around(task, profile, step, layout)
            response = self._exchange.post(b"".join(chain(*zip_longest(around, sent, fillvalue=b""))), within)
            if response.status == 200:
                self._keep()
                return answers.answer(response, self.config.model)
            # Some call it a failure of their own.
            if response.status not in _MENDABLE and not profile.takes_one(response.said, len(sent)):
                break
            mended = profile.mended(response.said, quiet=step.quiet or not profile.thinking, pictures=len(sent))
            if mended is None:
                break
            self._learn(profile, mended)
        assert response is not None  # noqa: S101
        if response.status in _MENDABLE:
            self._learn(profile, begun)  # nothing of it has helped
        raise answers.refused(response)

    def _around(self, task: ReadTask, profile: Profile, step: Step, layout: Layout) -> list[bytes]:
        """A request before, between and after its pictures: a batch's cards differ in nothing else at first."""
        kept = self._requests.get((id(task), profile, layout)) if step == _FIRST else None
        if kept is not None and kept[0] is task:
            return kept[1]
        body = self.payload(task, _PICTURE, profile, step, layout)
        around = json.dumps(body).encode().split(_PICTURE.encode())
        if step == _FIRST:
            if len(self._requests) >= _KEPT_REQUESTS:
                self._requests = {}
            self._requests[id(task), profile, layout] = task, around  # the task is kept, so that its id stays its own
        return around

    def payload(
        self, task: ReadTask, picture: str, profile: Profile, step: Step, layout: Layout = Layout.ONE
    ) -> dict[str, Any]:
        """The body of a request; of two pictures both have this address."""
        body: dict[str, Any] = {
            "messages": _messages(task, picture, step, layout),
            profile.tokens_name: int(min(MOST_TOKENS, _tokens(task) * profile.tokens_factor)),
            "stream": False,
        }
        if self.config.model:
            body["model"] = self.config.model
        if profile.temperature:
            body["temperature"] = step.temperature
        if step.quiet or not profile.thinking:
            body |= {name: QUIET[name] for name in profile.quiet}
        if profile.formats[0] and not step.free:
            body["response_format"] = _response_format(profile.formats[0], task)
        if self._host.endswith("openrouter.ai"):
            # Otherwise it may choose a provider that ignores the schema.
            body |= {"provider": {"require_parameters": True}, "usage": {"include": True}}
        return body

    def _learn(self, before: Profile, after: Profile) -> None:
        with self._lock:
            if before == after or self._profile != before:  # otherwise another thread has learnt it meanwhile
                return
            self._profile = after

    def _keep(self) -> None:
        """After an answer: what led to it is worth telling. A refusal alone proves nothing."""
        if self._kept is self._profile:
            return
        with self._lock:
            before, after = self._kept.to_dict(), self._profile.to_dict()
            self._kept = self._profile
        if found := {name: value for name, value in after.items() if value != before[name]}:
            self.on_learnt(found)

    def _allow_more(self) -> None:
        """Answers get cut off: twice the length from the next one on, once."""
        profile = self._profile
        if profile.tokens_factor == 1.0:
            self._learn(profile, replace(profile, tokens_factor=2.0))


def _messages(task: ReadTask, picture: str, step: Step, layout: Layout) -> list[dict[str, Any]]:
    """One user message: not every model takes a system message beside an image. A correction follows a reply."""
    prompt = prompts.build(task, reworded=step.reworded, layout=layout)
    content: list[dict[str, Any]] = [{"type": "text", "text": prompt}]
    content += [{"type": "image_url", "image_url": {"url": picture}}] * (2 if layout is Layout.TWO else 1)
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if step.corrected is not None:
        reply, why = step.corrected
        messages.append({"role": "assistant", "content": reply})
        messages.append({"role": "user", "content": prompts.correction(task, why)})
    return messages


def _quiet(host: str) -> tuple[str, ...]:
    """How a host's models are told not to think."""
    if host.endswith("openrouter.ai"):
        return ("reasoning",)
    return ("enable_thinking",) if host.endswith("aliyuncs.com") else Profile().quiet


def _tokens(task: ReadTask) -> int:
    """Room for the answer, and for some thinking before it; without a limit some servers never stop."""
    options = task.options
    room = 4096 + 64 * len(task.fields) * (_ENTRIES if options.multiple_entries else 1)
    room += 4096 * options.transcribe + 512 * options.describe_pictures + 256 * options.summarize
    return min(MOST_TOKENS // 2, room)


def _response_format(kind: str, task: ReadTask) -> dict[str, Any]:
    if kind == "json_object":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "card", "strict": True, "schema": schema.build(task)}}
