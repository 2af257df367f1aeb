"""What a probe found: plain data. The sentences for people are made from it where they are shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ocr.engines.profile import Profile
from ocr.errors import ExtractionError
from ocr.reading import Usage

OnCall = Callable[[Usage, ExtractionError | None], None]  # what a call used, and what ended it; by any thread


class Stopped(Exception):
    """The process ends: the probe is begun anew another time."""


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_ASKED = "not_asked"


class Check(StrEnum):
    """In the order in which they are asked."""

    REACHED = "reached"
    KEY = "key"
    MODEL = "model"
    ANSWERS = "answers"
    IMAGES = "images"
    FORMAT = "format"
    TEMPERATURE = "temperature"
    LIMIT = "limit"
    THINKING = "thinking"
    CONTEXT = "context"
    PACE = "pace"
    TOGETHER = "together"


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer. `kind` says which, `facts` hold its numbers and the endpoint's own words (hostile text)."""

    check: Check
    state: State
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"check": self.check, "state": self.state, "kind": self.kind, "facts": dict(self.facts)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Finding":
        """Raises ValueError or KeyError where another version has written it."""
        return cls(Check(data["check"]), State(data["state"]), str(data["kind"]), dict(data["facts"]))


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `profile` is what works, None where nothing was learnt. Seconds and tokens are for one card."""

    findings: tuple[Finding, ...]
    profile: Profile | None = None
    seconds: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    together: int | None = None  # calls side by side that are sensible
    no_more: bool = False  # more than that were refused, or were no faster
    calls: int = 0

    @property
    def works(self) -> bool:
        """Cards can be read with it."""
        return all(finding.state != State.FAILED for finding in self.findings)
