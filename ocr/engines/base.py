"""The contract between the drain and whatever reads cards."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ocr.fields import FieldSpec
from ocr.reading import Reading

CALLS_LONG = 3  # so many calls' time is a card's, whatever is asked again


@dataclass(frozen=True, slots=True)
class Prepared:
    """One image, ready for an engine: EXIF orientation applied, `rotation` (degrees clockwise) not yet.

    `rotation` is None where nobody knows it yet. `max_px` says how large the engine asked for it.
    """

    path: Path
    media_type: str
    width: int
    height: int
    rotation: int | None = None
    back: "Prepared | None" = None  # the other side of the same card


class Layout(Enum):
    """How the sides of a card are shown to a model."""

    ONE = "one"  # a single side
    TWO = "two"  # two pictures, the front first
    BELOW = "below"  # one picture, the back below the front
    BESIDE = "beside"  # one picture, the back on the right


@dataclass(frozen=True, slots=True)
class ReadOptions:
    max_image_px: int = 1600
    transcribe: bool = False
    describe_pictures: bool = False
    summarize: bool = False
    multiple_entries: bool = False


@dataclass(frozen=True, slots=True)
class ReadTask:
    """What is wanted of one card: fields and options; the same for a whole batch."""

    fields: tuple[FieldSpec, ...]  # active ones only
    instruction: str = ""
    options: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """A configured engine, without the database: what an adapter is built from."""

    kind: str
    name: str
    address: str = ""
    model: str = ""
    key: str = field(default="", repr=False)
    timeout: float = 120.0
    max_in_flight: int | None = None
    private_hosts: tuple[str, ...] = ()  # names, addresses, networks in the house that may be called
    proxy: str = field(default="", repr=False)  # for hosts outside; may hold a password
    ca_bundle: str = ""  # certificates that are trusted besides the usual ones
    profile: Mapping[str, Any] = field(default_factory=dict)  # what the model was found to take, as it was stored


Gate = Callable[[], AbstractContextManager[None]]
_gate: ContextVar[Gate] = ContextVar("gate", default=nullcontext)


@contextmanager
def gated(gate: Gate) -> Iterator[None]:
    """What is read inside passes this gate each time a request leaves."""
    token = _gate.set(gate)
    try:
        yield
    finally:
        _gate.reset(token)


def sending() -> AbstractContextManager[None]:
    """Entered by an adapter just before a request's first byte leaves, left once its headers are out.

    Raises ocr.errors.CallWithheld where the batch has been paused or stopped: no call starts after that.
    """
    return _gate.get()()


class EngineAdapter(Protocol):
    """Reads one prepared image. Thread-safe. Raises ocr.errors.ExtractionError only.

    One that talks to a network enters `sending()` for each request that leaves.
    """

    full_resolution: bool  # True: wants the scan at its own size; False: at options.max_image_px, or what fits
    in_process: bool  # True: a crash of the engine is a crash of the consumer

    def read(self, image: Prepared, task: ReadTask) -> Reading: ...

    def close(self) -> None: ...


@runtime_checkable
class Learner(Protocol):
    """An adapter that finds out what its endpoint takes; it may raise ocr.errors.ImageTooLarge."""

    on_learnt: Callable[[dict[str, Any]], None]  # called by any thread with what has changed in the profile

    @property
    def largest_px(self) -> int | None:
        """The longest side of an image that is known to fit where a larger one did not."""

    def fitted(self, px: int) -> None:
        """An image of this longest side was taken, a larger one was not."""
