"""Where in a line of text a value of a field's type stands."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ocr import coordinates, dates
from ocr.fields import FieldType


@dataclass(frozen=True, slots=True)
class Found:
    """Characters start to end, how they read once OCR's usual confusions are mended, and the entry of a list meant."""

    start: int
    end: int
    text: str
    sure: bool = True
    entry: str | None = None


_MONTH = r"(?:[A-ZÄÖÜ]?[a-zäöüéèûô]{2,8})\.?"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<![\d.])\d{4}-\d{1,2}-\d{1,2}(?!\d)",
        r"(?<!\d)\d{1,2}\s?[-./]\s?\d{1,2}\s?[-./]\s?'?(?:\d{4}|\d{2})(?!\d)",
        rf"(?<!\d)\d{{1,2}}(?:\.|er|st|nd|rd|th)?\s?{_MONTH}[\s,-]?\s?(?:\d{{4}}|'?\d{{2}})(?!\d)",
        rf"\b{_MONTH}\s?\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}}(?!\d)",
        rf"\b{_MONTH}\s?(?:\d{{4}}|'\d{{2}})(?!\d)",
    )
)
_YEAR = re.compile(r"(?<![\d.,])(?:1[4-9]|20)\d\d(?![\d])")
_MINUTES = r"(?:\s?(?P<m{n}>\d{{1,2}}(?:[.,]\d+)?)\s?[`'’′´°º=\"1lI|]?)?"
_SECONDS = r"(?:\s?(?P<s{n}>\d{{1,2}}(?:[.,]\d+)?)\s?(?:[\"”″]|['’′]{{2}}))?"
_HALF = r"(?P<d{n}>\d{{1,3}}(?:[.,]\d+)?)\s?[°º˚•*]" + _MINUTES + _SECONDS + r"\s?(?P<h{n}>[NSEWØ])(?![^\W_])"
_PAIR = re.compile(_HALF.format(n=1) + r"[\s,;/=.\-–—~]{0,4}" + _HALF.format(n=2))
_SIGNED = re.compile(r"(?<![\d.])[-+−]?\d{1,2}\.\d{3,8}°?\s*[,;\s]\s*[-+−]?\d{1,3}\.\d{3,8}°?")
_TOKEN = re.compile(r"[^\W_][\w./()-]*")
_NUMBER = re.compile(r"(?<![\w.,])[-+−]?\d+(?:[ '’.]\d{3})*(?![\w])")
_DECIMAL = re.compile(r"(?<![\w.,])[-+−]?\d+(?:[.,]\d+)?(?![\w])")
LONGEST_TOKEN = 20


def find(kind: FieldType, text: str) -> list[Found]:
    """All values of this type, from left to right; none for types that any text fits."""
    finder = _FINDERS.get(kind)
    return list(finder(text)) if finder else []


def has_finder(kind: FieldType) -> bool:
    """Whether a value of this type has a look; any text fits the others."""
    return kind in _FINDERS


def tells(kind: FieldType) -> bool:
    """Whether values of this type can be told from their look alone, without a label."""
    return kind in _TELLING


def _dates(text: str) -> Iterator[Found]:
    taken: list[tuple[int, int]] = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            start, end = match.span()
            if dates.to_iso(match[0]) and not any(start < b and a < end for a, b in taken):
                taken.append((start, end))
    return (Found(start, end, text[start:end]) for start, end in sorted(taken))


def _years(text: str) -> Iterator[Found]:
    return (Found(match.start(), match.end(), match[0]) for match in _YEAR.finditer(text))


def _coordinates(text: str) -> Iterator[Found]:
    for match in _PAIR.finditer(text):
        mended = " - ".join(_half(match, number) for number in "12")
        yield Found(match.start(), match.end(), mended, coordinates.to_canonical(mended) is not None)
    for match in _SIGNED.finditer(text):
        yield Found(match.start(), match.end(), match[0])


def _half(match: re.Match[str], number: str) -> str:
    degrees, minutes, seconds, heading = (match[f"{part}{number}"] for part in "dmsh")
    half = f"{degrees}°"
    if minutes:
        half += f"{minutes}'"
    if seconds:
        half += f'{seconds}"'
    return half + heading


def _identifiers(text: str) -> Iterator[Found]:
    """Short tokens with a digit that are no date and no part of coordinates."""
    others = [(found.start, found.end) for kind in (_dates, _coordinates) for found in kind(text)]
    for match in _TOKEN.finditer(text):
        start, end = match.start(), match.start() + len(match[0].rstrip("./-("))
        if end - start > LONGEST_TOKEN or not re.search(r"\d", text[start:end]):
            continue
        if not any(start < b and a < end for a, b in others):
            yield Found(start, end, text[start:end])


def _numbers(text: str) -> Iterator[Found]:
    return (Found(match.start(), match.end(), match[0]) for match in _NUMBER.finditer(text))


def _decimals(text: str) -> Iterator[Found]:
    return (Found(match.start(), match.end(), match[0]) for match in _DECIMAL.finditer(text))


_FINDERS: dict[FieldType, Callable[[str], Iterator[Found]]] = {
    FieldType.DATE: _dates,
    FieldType.YEAR: _years,
    FieldType.COORDINATES: _coordinates,
    FieldType.IDENTIFIER: _identifiers,
    FieldType.INTEGER: _numbers,
    FieldType.DECIMAL: _decimals,
}
_TELLING = frozenset({FieldType.DATE, FieldType.YEAR, FieldType.COORDINATES, FieldType.IDENTIFIER})
