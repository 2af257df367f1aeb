"""One line of the doctor's."""

from dataclasses import dataclass

from ocr.probe.findings import State


@dataclass(frozen=True, slots=True)
class Told:
    """What was looked at, how it is, what that means, and what to do where something is to be done."""

    about: str
    state: State
    meaning: str
    advice: str = ""

    @property
    def is_good(self) -> bool:
        return self.state != State.FAILED


def fine(about: str, meaning: str) -> Told:
    return Told(about, State.OK, meaning)


def warning(about: str, meaning: str, advice: str) -> Told:
    return Told(about, State.WARNING, meaning, advice)


def failed(about: str, meaning: str, advice: str) -> Told:
    return Told(about, State.FAILED, meaning, advice)


def some(names: list[str], most: int = 10) -> str:
    """The first of them, and how many more there are."""
    more = f" … (+{len(names) - most})" if len(names) > most else ""
    return ", ".join(names[:most]) + more
