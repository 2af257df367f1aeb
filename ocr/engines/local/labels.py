"""Finds printed labels (`Shelfmark: …`) in a line of text, also where OCR has bent a letter or lost a space."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz

from ocr.engines.local import words
from ocr.fields import FieldSpec

CLOSE = 84  # of 100: how alike a label must be
_DIGITS = str.maketrans("015", "ols")
_WORD = re.compile(r"[^\W_]+")
_SEPARATOR = re.compile(r"\s*\.?\s*[:=]|\s*[.\-–—](?![^\W_])")
_INNER_SEPARATOR = re.compile(r"\s*\.?\s*[:=]")


@dataclass(frozen=True, slots=True)
class Name:
    """One way in which a field is named on the card."""

    key: str
    letters: str
    words: int


@dataclass(frozen=True, slots=True)
class Label:
    """A label found: it stands from start to end, its value may begin at end."""

    key: str
    start: int
    end: int
    ratio: float


def _letters(text: str) -> str:
    """For comparing: printed labels hold no digits where OCR sees them."""
    return words.squashed(text).translate(_DIGITS)


def _likeness(text: str, name: Name) -> float:
    return fuzz.ratio(_letters(text), name.letters)


def names(fields: Iterable[FieldSpec]) -> list[Name]:
    return [
        Name(spec.key, letters, len(_WORD.findall(name)))
        for spec in fields
        for name in (spec.label, *spec.hints.aliases)
        if (letters := _letters(name))
    ]


def find(text: str, wanted: Iterable[Name]) -> list[Label]:
    """The labels in a segment, from left to right. The first may do without a colon, later ones may not."""
    found: list[Label] = []
    tokens = list(_WORD.finditer(text))
    wanted = list(wanted)
    number = 0
    while number < len(tokens):
        best = max(
            (label for name in wanted if (label := _at(text, tokens, number, name))),
            key=lambda label: (label.ratio, label.end),
            default=None,
        )
        if best:
            found.append(best)
        number += 1
        while best and number < len(tokens) and tokens[number].start() < best.end:
            number += 1
    return found


def _at(text: str, tokens: list[re.Match[str]], number: int, name: Name) -> Label | None:
    """The label where it begins with this word; OCR may have joined its words or split one."""
    best: Label | None = None
    for last in range(number, min(number + name.words + 1, len(tokens))):
        start, end = tokens[number].start(), tokens[last].end()
        ratio = _likeness(text[start:end], name)
        if ratio < CLOSE or (best and ratio <= best.ratio):
            continue
        if last > number and _likeness(text[tokens[number + 1].start() : end], name) > ratio:
            continue  # it begins with the next word
        separator = (_SEPARATOR if number == 0 else _INNER_SEPARATOR).match(text, end)
        if separator or (number == 0 and ratio == 100 and not text[end : end + 1].isalnum()):
            best = Label(name.key, start, separator.end() if separator else end, ratio)
    return best
