"""What is asked differently when a reply cannot be used: a few rungs for each kind of failure, each taken once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ocr.errors import ReplyEmpty, ReplyInvalid, ReplyLooping, ReplyOnlyThought, ReplyTruncated
from ocr.reading import Usage

MOST = 3  # requests besides the first one for a card
_SHOWN = 8000  # characters of a reply that are shown to the model again


@dataclass(frozen=True, slots=True)
class Step:
    """How a request differs from a card's first one."""

    temperature: float = 0
    free: bool = False  # no format is enforced: that alone can make a model repeat itself
    quiet: bool = False  # no thinking
    reworded: bool = False
    corrected: tuple[str, str] | None = None  # a reply, and why it could not be used


@dataclass(frozen=True, slots=True)
class Means:
    """What an endpoint leaves to be changed."""

    temperature: bool
    formats: bool
    thinking: bool  # it is on, and can be turned off
    room: bool  # there is more for the answer


class Ladder:
    """One card's way through it. Keeps what was paid and said on the way."""

    def __init__(self) -> None:
        self.step = Step()
        self.error: ReplyInvalid | None = None  # the last one
        self._taken: set[str] = set()
        self._usage = Usage()
        self._replies: list[str] = []

    def missed(self, error: ReplyInvalid, reply: str) -> None:
        """Note a reply that could not be used; the error tells of all of them from now on."""
        error.usage = self._usage = self.paid(error.usage)
        said = reply or error.raw
        error.raw = self.told(said)
        self._replies.append(f"{said}\n\n[{error.message} Asked again:]")
        self.error = error

    def climbed(self, error: ReplyInvalid, reply: str, means: Means) -> bool:
        """Whether there is another way to ask; then `step` is that."""
        for name, changes in _rungs(error, reply, means):
            if name not in self._taken and len(self._taken) < MOST:
                self._taken.add(name)
                self.step = replace(self.step, **changes)
                return True
        # The same would come of the same questions, at the same price.
        if self._taken and isinstance(error, ReplyLooping | ReplyTruncated):
            error.retryable = False
        return False

    def paid(self, usage: Usage) -> Usage:
        """This and what came before."""
        return Usage(
            _sum(self._usage.tokens_in, usage.tokens_in),
            _sum(self._usage.tokens_out, usage.tokens_out),
            _sum(self._usage.cost, usage.cost),
            _sum(self._usage.tokens_cached, usage.tokens_cached),
            _sum(self._usage.tokens_thinking, usage.tokens_thinking),
        )

    def told(self, reply: str) -> str:
        """This and what came before."""
        return "\n\n".join((*self._replies, reply))


def _sum(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other


def _rungs(error: ReplyInvalid, reply: str, means: Means) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(error, ReplyLooping):
        yield from _out_of_a_loop(means)
    elif isinstance(error, ReplyTruncated):
        if means.room:
            yield "room", {}
        if means.thinking:
            yield "quiet", {"quiet": True}
    elif isinstance(error, ReplyEmpty):
        quiet = means.thinking and isinstance(error, ReplyOnlyThought)
        yield "reworded", {"reworded": True, "quiet": quiet}
    elif reply.strip():  # otherwise the endpoint failed, not its model
        yield "corrected", {"corrected": (reply[:_SHOWN], error.message)}


def _out_of_a_loop(means: Means) -> Iterator[tuple[str, dict[str, Any]]]:
    """Warmer twice; then warmer still and free, for constraints cause loops, too."""
    if means.temperature:
        yield "0.1", {"temperature": 0.1}
        yield "0.5", {"temperature": 0.5}
    last = {"temperature": 0.8} if means.temperature else {}
    if means.temperature or means.formats:
        yield "free", {**last, "free": True}
