"""The probe of an endpoint. Each step asks one thing; where it fails, what depends on it is not asked."""

import base64
import itertools
import json
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx

from ocr import discovery
from ocr.discovery import Offered
from ocr.engines import answers
from ocr.engines.base import EngineConfig, ReadOptions
from ocr.engines.exchange import Exchange
from ocr.engines.ladder import Step
from ocr.engines.openai_compatible import OpenAICompatibleAdapter
from ocr.engines.profile import Profile, smaller
from ocr.errors import (
    CredentialsRefused,
    EngineBusy,
    EngineMissing,
    EngineTimeout,
    EngineUnreachable,
    ExtractionError,
    ImageTooLarge,
    RateLimited,
    ReplyEmpty,
    ReplyInvalid,
)
from ocr.probe import drawn, together
from ocr.probe.asked import Asked, has_shape, refusal, short
from ocr.probe.drawn import Drawn
from ocr.probe.findings import Check, Finding, OnCall, Report, State, Stopped
from ocr.reading import Usage

SMALL, FULL = 512, ReadOptions().max_image_px  # px
LONGEST = 900.0  # seconds for everything
MOST_CALLS = 40
_MENDABLE = {400, 404, 422, 501}
_MENDED = 8
_LIMITED = 3  # times that a first call is turned away before it is told
_LONGEST_WAIT = 30.0  # seconds, of those that a rate limit asks for

_NO_SUCH_MODEL = re.compile(
    r"no endpoints found|no such model|model.{0,80}(?:not available|no access|try pulling)", re.I
)
_NO_IMAGES = re.compile(r"image|vision|multi.?modal|content.{0,20}must be a string|mmproj", re.I)
# What the error of a first call is told as, where the model and its eyes are not to blame.
_MEANT = ((RateLimited, "turned_away"), (ReplyInvalid, "no_completion"), (EngineTimeout, "no_answer"))


class _Over(Exception):
    """Nothing more can be asked."""


def run(
    config: EngineConfig,
    *,
    patience: float,
    calls: bool = True,
    is_stopped: Callable[[], bool] = lambda: False,
    on_call: OnCall = lambda usage, error: None,
    way_out: httpx.BaseTransport | None = None,
) -> Report:
    try:
        adapter = OpenAICompatibleAdapter(config, way_out)
        exchange = Exchange(config, way_out)
    except EngineMissing as error:
        return _Probe.unusable(error)
    with closing(adapter), closing(exchange):
        return _Probe(config, adapter, exchange, patience, is_stopped, on_call).run(calls=calls)


class _Probe:
    def __init__(
        self,
        config: EngineConfig,
        adapter: OpenAICompatibleAdapter,
        exchange: Exchange,
        patience: float,
        is_stopped: Callable[[], bool],
        on_call: OnCall,
    ) -> None:
        self._config = config
        self._adapter = adapter
        self._exchange = exchange
        self._patience = max(patience, config.timeout)
        self._is_stopped = is_stopped
        self._on_call = on_call
        self._until = time.monotonic() + LONGEST
        self._findings: dict[Check, Finding] = {}
        self._first_profile = adapter.profile
        self._profile = adapter.profile
        self._offered: Offered | None = None
        self._px = FULL  # of the largest card that was tried
        self._calls = 0
        self._counter = itertools.count(1)  # several threads call
        self._learnt = False
        self._card: Asked | None = None  # the one of full size
        self._together: together.Together | None = None

    @classmethod
    def unusable(cls, error: EngineMissing) -> Report:
        failed = Finding(Check.REACHED, State.FAILED, "unusable", {"said": error.message})
        return Report((failed, *(Finding(check, State.NOT_ASKED, "depends") for check in list(Check)[1:])))

    def run(self, *, calls: bool) -> Report:
        try:
            self._list()
            if not calls:
                raise _Over
            first = self._first()
            self._images(first)
            self._learnt = True
            self._formats(first)
            self._parameters()
            self._thinking(first)
            self._full_size()
            self._side_by_side()
        except _Over:
            pass
        for check in Check:
            if check not in self._findings:
                self._found(
                    check, State.NOT_ASKED, "no_time" if self._is_over() else "depends" if calls else "no_calls"
                )
        return self._report()

    def _report(self) -> Report:
        usage = self._card.answer.usage if self._card is not None and self._card.answer is not None else None
        return Report(
            findings=tuple(self._findings[check] for check in Check),
            profile=self._profile if self._learnt else None,
            seconds=self._card.seconds if usage is not None and self._card is not None else None,
            tokens_in=usage.tokens_in if usage else None,
            tokens_out=usage.tokens_out if usage else None,
            together=self._together.calls if self._together else None,
            no_more=self._together.no_more if self._together else False,
            calls=self._calls,
        )

    # -- the steps

    def _list(self) -> None:
        """Is somebody there, and is the model on the list? The list may need no key."""
        try:
            models = discovery.listed(self._exchange)
        except (EngineUnreachable, EngineMissing) as error:
            kind = "unusable" if isinstance(error, EngineMissing) else "unreachable"
            self._found(Check.REACHED, State.FAILED, kind, said=error.message)
            raise _Over from None
        except ExtractionError as error:
            # No list, or not for us: the first call will tell more.
            self._found(Check.MODEL, State.NOT_ASKED, "no_list", said=error.message)
            return
        self._found(Check.REACHED, State.OK, "answers")
        wanted = self._config.model
        self._offered = next((model for model in models if model.name in (wanted, f"{wanted}:latest")), None)
        if self._offered is not None:
            self._found(Check.MODEL, State.OK, "listed")
        else:
            near = [model.name for model in models if model.sees][:5]
            self._found(Check.MODEL, State.WARNING, "not_listed" if wanted else "none_named", offered=", ".join(near))

    def _first(self) -> Asked:
        """The first answer of the model, which may have to be loaded for it."""
        profile = replace(self._profile, formats=("",))
        loaded = time.monotonic() + self._patience
        for number in itertools.count(1):
            asked, mended = self._ask_mending(profile, SMALL, self._patience)
            is_loading = isinstance(asked.error, EngineBusy) and time.monotonic() < loaded
            if not isinstance(asked.error, RateLimited) or (number >= _LIMITED and not is_loading):
                break
            self._wait(asked.error.retry_after)
        if asked.response is None:
            kind = "no_answer" if Check.REACHED in self._findings else "unreachable"
            self._found(Check.ANSWERS if kind == "no_answer" else Check.REACHED, State.FAILED, kind, said=asked.said)
            raise _Over
        self._found(Check.REACHED, State.OK, "answers")
        if isinstance(asked.error, CredentialsRefused):
            kind = refusal(asked)
            kind = "wanted" if kind == "refused" and not self._config.key else kind
            self._found(Check.KEY, State.FAILED, kind, said=asked.said)
            raise _Over
        if asked.error is not None and not isinstance(asked.error, ReplyEmpty):
            self._no_answer(asked)
            raise _Over
        self._found(Check.KEY, State.OK, "accepted" if self._config.key else "not_needed")
        self._found(Check.ANSWERS, State.OK, "answers", seconds=round(asked.seconds, 1))
        self._profile = replace(mended, formats=self._first_profile.formats)
        return asked

    def _no_answer(self, asked: Asked) -> None:
        """The first call was refused: whose fault is it?"""
        error = asked.error
        if isinstance(error, EngineMissing) or _NO_SUCH_MODEL.search(asked.said):
            self._found(Check.MODEL, State.FAILED, "unknown", said=asked.said)
        elif isinstance(error, ImageTooLarge):
            self._found(Check.CONTEXT, State.FAILED, "too_small", said=asked.said)
        elif _NO_IMAGES.search(asked.said):
            self._found(Check.IMAGES, State.FAILED, "refused", said=asked.said)
        else:
            kind = next((kind for meant, kind in _MEANT if isinstance(error, meant)), "refused")
            self._found(Check.ANSWERS, State.FAILED, kind, said=asked.said)

    def _images(self, first: Asked) -> None:
        if first.seen:
            self._found(Check.IMAGES, State.OK, "seen")
            return
        if first.thought:  # all of its room went into thinking
            again = self._ask(self._profile, drawn.card(SMALL), self._config.timeout, quiet=True)
            if again.seen:
                self._found(Check.IMAGES, State.OK, "seen")
                return
        read = first.code if first.code is not None else first.answer.content if first.answer else first.said
        self._found(Check.IMAGES, State.FAILED, "blind", drawn=first.card.code, read=short(read))
        raise _Over

    def _formats(self, first: Asked) -> None:
        """Which ways to ask for JSON are taken, and kept to."""
        kept, told = [], {}
        for kind in ("json_schema", "json_object"):
            asked = self._ask(replace(self._profile, formats=(kind, "")), drawn.card(SMALL), self._config.timeout)
            if asked.answer is None:
                told[kind] = "refused"
            else:
                told[kind] = "kept" if has_shape(asked.answer.content, strict=kind == "json_schema") else "ignored"
            kept += [kind] if told[kind] == "kept" else []
        told["prompt"] = "kept" if first.code is not None else "ignored"
        self._profile = replace(self._profile, formats=(*kept, ""))
        state = State.OK if "json_schema" in kept else State.WARNING
        if not kept and told["prompt"] == "ignored":
            state = State.FAILED
        self._found(Check.FORMAT, state, kept[0] if kept else "prompt" if state != State.FAILED else "none", **told)

    def _parameters(self) -> None:
        """What the endpoint named in the calls so far as not taken."""
        if self._profile.temperature:
            self._found(Check.TEMPERATURE, State.OK, "taken")
        else:
            self._found(Check.TEMPERATURE, State.WARNING, "left_out")
        self._found(Check.LIMIT, State.OK, "taken", name=self._profile.tokens_name)

    def _thinking(self, first: Asked) -> None:
        """Thinking is what costs; it helps nobody to copy a card."""
        if not first.thought:
            self._found(Check.THINKING, State.OK, "none")
            return
        quiet = replace(self._profile, thinking=False)
        asked, mended = self._ask_mending(quiet, SMALL, self._config.timeout)
        if asked.answer is not None and not asked.thought:
            self._profile = mended
            self._found(Check.THINKING, State.OK, "turned_off")
            return
        tokens = first.answer.usage.tokens_thinking if first.answer is not None else None
        self._found(Check.THINKING, State.WARNING, "stays_on", tokens=tokens)

    def _full_size(self) -> None:
        """A card as large as a batch sends it, or as large as the endpoint takes one."""
        while True:
            asked, mended = self._ask_mending(self._profile, self._px, self._config.timeout)
            px = smaller(self._px) if isinstance(asked.error, ImageTooLarge) else 0
            if not px:
                break
            self._px = px
        if asked.answer is None:
            kind = "too_small" if isinstance(asked.error, ImageTooLarge) else "no_answer"
            self._found(Check.CONTEXT, State.FAILED, kind, said=asked.said)
            raise _Over
        if self._px < FULL:
            mended = replace(mended, image_px=self._px)
        self._profile, self._card = mended, asked
        usage = asked.answer.usage
        self._context(asked)
        facts = {"seconds": round(asked.seconds, 1), "tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out}
        self._found(Check.PACE, State.OK, "tokens" if usage.tokens_in is not None else "seconds", **facts)

    def _context(self, asked: Asked) -> None:
        assert asked.answer is not None  # noqa: S101
        room = int(self._adapter.payload(drawn.TASK, "", self._profile, Step())[self._profile.tokens_name])
        context = self._offered.context if self._offered is not None else None
        needed = (asked.answer.usage.tokens_in or 0) + room
        if asked.answer.finish_reason == "length":
            self._found(Check.CONTEXT, State.WARNING, "cut_off")
        elif not drawn.is_right(asked.card.code, asked.code):
            facts = {"drawn": asked.card.code, "read": short(asked.code or asked.answer.content)}
            self._found(Check.CONTEXT, State.WARNING, "misread", **facts)
        elif self._px < FULL:
            self._found(Check.CONTEXT, State.WARNING, "reduced", px=self._px)
        elif context is not None and context < needed:
            self._found(Check.CONTEXT, State.WARNING, "tight", context=context, needed=needed)
        else:
            self._found(Check.CONTEXT, State.OK, "enough", context=context)

    def _side_by_side(self) -> None:
        assert self._card is not None  # noqa: S101

        def prepared() -> Callable[[], ExtractionError | None]:
            card = drawn.card(self._px)
            return lambda: self._ask(self._profile, card, self._config.timeout).error

        most = min(self._config.max_in_flight or together.MOST, together.MOST)
        self._together = together.climb(prepared, self._card.seconds, most, self._is_over)
        self._findings[Check.TOGETHER] = self._together.finding

    # -- the calls

    def _ask_mending(self, profile: Profile, width: int, within: float) -> tuple[Asked, Profile]:
        """Ask, and again without what the endpoint names as not taken; what works is told too."""
        for _ in range(_MENDED):
            asked = self._ask(profile, drawn.card(width), within)
            if asked.response is None or asked.response.status not in _MENDABLE:
                break
            mended = profile.mended(asked.response.said, quiet=not profile.thinking)
            if mended is None:
                break
            profile = mended
        return asked, profile

    def _ask(self, profile: Profile, card: Drawn, within: float, *, quiet: bool = False) -> Asked:
        """One call. Raises _Over where there is no more time, Stopped where nobody waits."""
        if self._is_stopped():
            raise Stopped
        if self._is_over():
            raise _Over
        self._calls = next(self._counter)
        picture = f"data:image/jpeg;base64,{base64.b64encode(card.jpeg).decode()}"
        body = self._adapter.payload(drawn.TASK, picture, profile, Step(quiet=quiet))
        begun = time.monotonic()
        response = answer = error = None
        try:
            response = self._exchange.post(json.dumps(body).encode(), within)
            if response.status == 200:
                answer = answers.answer(response, self._config.model)
            else:
                error = answers.refused(response)
        except ExtractionError as problem:
            error = problem
        source = answer or error
        self._on_call(source.usage if source is not None else Usage(), error)
        return Asked(card, time.monotonic() - begun, response, answer, error)

    def _is_over(self) -> bool:
        return time.monotonic() > self._until or self._calls >= MOST_CALLS

    def _wait(self, seconds: float | None) -> None:
        until = time.monotonic() + min(2.0 if seconds is None else seconds, _LONGEST_WAIT)
        while time.monotonic() < until:
            if self._is_stopped():
                raise Stopped
            time.sleep(0.1)

    def _found(self, check: Check, state: State, kind: str, **facts: Any) -> None:
        self._findings[check] = Finding(check, state, kind, facts)
