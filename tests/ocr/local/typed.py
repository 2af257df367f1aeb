"""Cards of a test's own making: lines where they stand, without OCR."""

from collections.abc import Sequence

from ocr.engines.local import matching
from ocr.engines.local.rows import Box, Line, group
from ocr.engines.local.strips import Match
from ocr.fields import FieldSpec

LETTER, HEIGHT = 10.0, 20.0


def box(x: float, y: float, width: float, height: float = HEIGHT) -> Box:
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def line(text: str, x: float = 0, y: float = 0, score: float = 1.0) -> Line:
    return Line(text, score, box(x, y, LETTER * len(text)))


def lines(*rows: str) -> list[Line]:
    """One row below the other; `|` parts segments that stand side by side."""
    found = []
    for number, row in enumerate(rows):
        x = 0.0
        for text in row.split("|"):
            indent = len(text) - len(text.lstrip())
            found.append(line(text.strip(), x + indent * LETTER, number * 1.5 * HEIGHT))
            x += (len(text) + 2) * LETTER
    return found


def fill(specs: Sequence[FieldSpec], *rows: str) -> dict[str, Match]:
    return matching.fill(specs, group(lines(*rows)))


def verbatim(specs: Sequence[FieldSpec], *rows: str) -> dict[str, str]:
    return {key: match.verbatim for key, match in fill(specs, *rows).items()}
