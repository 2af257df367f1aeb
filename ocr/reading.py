"""What an engine gives back for one card: plain data, no Django."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class ValueState(StrEnum):
    VALUE = "value"
    ABSENT = "absent"
    UNREADABLE = "unreadable"
    NOT_ASKED = "not_asked"


class Issue(StrEnum):
    """Why a value deserves a look; the sentence for people stands in batches.progress and the pages."""

    TYPE = "type"  # not of the field's type
    CHOICE = "choice"  # not on the list
    PATTERN = "pattern"  # does not match the pattern
    REQUIRED = "required"  # required but empty
    UNREADABLE = "unreadable"
    BARCODE = "barcode"  # taken from a barcode: the engine has read nothing there
    CONFIDENCE = "confidence"  # below the threshold


@dataclass(frozen=True, slots=True)
class Region:
    """A box on the upright image of the side, as fractions (0 to 1) of its width and height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class FieldReading:
    """One value: `verbatim` as it stands on the card, `value` as it is recorded (normalised)."""

    verbatim: str | None
    value: str | None
    state: ValueState = ValueState.VALUE
    confidence: float | None = None
    regions: tuple[Region, ...] = ()
    issues: tuple[Issue, ...] = ()
    on_back: bool = False  # it was read there, and the regions lie there


@dataclass(frozen=True, slots=True)
class Usage:
    """None: the endpoint does not say. Cached tokens are among those in, thinking ones among those out."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: Decimal | None = None
    tokens_cached: int | None = None
    tokens_thinking: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One card, read. `rotation`: degrees clockwise that turn the scan upright, None where the engine cannot tell."""

    fields: Mapping[str, FieldReading]
    transcription: str = ""
    pictures: str = ""
    summary: str = ""
    entries: tuple[Mapping[str, FieldReading], ...] | None = None  # where several were asked for
    rotation: int | None = None
    back_rotation: int | None = None  # the same for the back, where the card has one
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    revision: str = ""
    raw: str = ""
    finish_reason: str = ""
    unknown_keys: int = 0  # that the engine gave besides, dropped
