"""A card as strips of text, one per row, from which values are taken: what is taken is gone for the next field."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from ocr.engines.local import words
from ocr.engines.local.rows import Box, Row, Segment
from ocr.engines.local.types import Found

WIDE_GAP = 4  # line heights between two segments that are no longer one text
TAKEN, GAP = "\n", "\f"

_NO_MARKS = str.maketrans({TAKEN: " ", GAP: " "})


@dataclass(frozen=True, slots=True)
class Match:
    """A value: as it stands on the card, as its list spells it, how sure it is (0 to 1), the boxes it was read from."""

    verbatim: str
    text: str
    confidence: float
    boxes: tuple[Box, ...]


class Strip:
    """One row: the text of its segments, joined, with places that lead back to their boxes."""

    def __init__(self, row: Row) -> None:
        self.segments = row
        self.starts: list[int] = []
        text = ""
        for before, segment in zip((None, *row), row, strict=False):
            if before is not None:
                far = segment.left - before.right > WIDE_GAP * segment.height
                text += GAP if far else " "
            self.starts.append(len(text))
            text += words.repaired(segment.text.translate(_NO_MARKS))
        self.text = text

    def segment_at(self, place: int) -> int:
        return bisect_right(self.starts, place) - 1

    def ends(self, number: int) -> tuple[int, int]:
        """Where segment `number` begins and ends in the text."""
        start = self.starts[number]
        return start, start + len(self.segments[number].text)

    def pieces(self) -> list[tuple[int, int]]:
        """What is still free, by segments, without the marks around it."""
        found = []
        for number in range(len(self.segments)):
            start, end = self.ends(number)
            for piece in self.text[start:end].split(TAKEN):
                a, b = words.trimmed(piece)
                if a < b:
                    found.append((start + a, start + b))
                start += len(piece) + 1
        return found

    def runs(self) -> list[tuple[int, int]]:
        """What is still free and reads on from one segment to the next."""
        found, start = [], 0
        for run in self.text.replace(GAP, TAKEN).split(TAKEN):
            if run.strip():
                found.append((start, start + len(run)))
            start += len(run) + 1
        return found

    def parts(self, start: int, end: int) -> list[Segment]:
        """The segments, or parts of them, that these characters come from."""
        parts = []
        for number, segment in enumerate(self.segments):
            first, last = self.ends(number)
            a, b = max(start, first), min(end, last)
            if a < b:
                parts.append(segment.part(a - first, b - first))
        return parts

    def take(self, start: int, end: int) -> None:
        self.text = self.text[:start] + TAKEN * (end - start) + self.text[end:]

    def match(self, start: int, end: int, factor: float, found: Found | None = None) -> Match:
        """The value that stands here, taken off the strip."""
        parts = self.parts(start, end)
        verbatim = found.text if found else self.text[start:end]
        value = (found.entry if found else None) or verbatim
        self.take(start, end)
        return Match(verbatim.strip(), value.strip(), score(parts) * factor, tuple(part.box for part in parts))


def score(parts: Iterable[Segment]) -> float:
    """The mean of the lines' scores, where each counts by its length."""
    weighted = [(len(part.text), part.score) for part in parts]
    characters = sum(count for count, _ in weighted)
    return sum(count * each for count, each in weighted) / characters if characters else 0.0


def joined(matches: Iterable[Match], by: str) -> Match:
    """Several lines as one value."""
    lines = list(matches)
    return Match(
        by.join(line.verbatim for line in lines),
        by.join(line.text for line in lines),
        min(line.confidence for line in lines),
        tuple(box for line in lines for box in line.boxes),
    )
