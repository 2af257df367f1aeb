"""Fills fields from rows of text in five ways, the surest first. What one field takes is gone for the next."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ocr.engines.local import labelled, types, values, words
from ocr.engines.local.rows import Row
from ocr.engines.local.running import run_on
from ocr.engines.local.strips import Match, Strip
from ocr.engines.local.types import Found
from ocr.fields import FieldSpec, FieldType

ONLY_ONE, ONE_OF_SEVERAL = 0.95, 0.8
BY_KEYWORD, BY_POSITION = 0.9, 0.6
ODD = 0.5  # of the type's look, but impossible

_CLAUSE = re.compile(r"(?:(?<=[^\W\d_]{3})\.|;)\s+")  # not after initials
_FIRST_MARK = re.compile(r"[,:]|(?<=[^\W\d_]{3})\.(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Spot:
    """Free characters of one row of the card, and the value found in them."""

    row: int
    strip: Strip
    start: int
    end: int
    found: Found

    @property
    def corner(self) -> float:
        first = self.strip.parts(self.start, self.end)[0]
        return first.left + first.top

    def near(self, names: Iterable[str]) -> bool:
        """Whether one of these words stands in the segment, or in the one left of it."""
        number = self.strip.segment_at(self.start)
        around = " ".join(segment.text for segment in self.strip.segments[max(0, number - 1) : number + 1])
        return any(words.contains(around, name) for name in names)

    def take(self, factor: float) -> Match:
        return self.strip.match(self.start, self.end, factor, self.found)


def fill(fields: Sequence[FieldSpec], rows: Iterable[Row]) -> dict[str, Match]:
    """What is found, by field key; a field that is not found has no entry."""
    card = [Strip(row) for row in rows]
    found = labelled.fill(fields, card)
    for step in (_by_choice, _by_form, _by_keyword, _by_position):
        for spec in fields:
            if spec.key not in found and (match := step(spec, card)):
                found[spec.key] = match
    return found


def _pieces(spec: FieldSpec, card: Sequence[Strip]) -> list[Spot]:
    """All that is still free and not to be avoided, in reading order."""
    spots = [
        Spot(row, strip, start, end, Found(0, end - start, strip.text[start:end]))
        for row, strip in enumerate(card)
        for start, end in strip.pieces()
    ]
    return [spot for spot in spots if not spot.near(spec.hints.avoid)]


def _placed(spec: FieldSpec, spots: Sequence[Spot]) -> Spot:
    if spec.hints.position == "last":
        return spots[-1]
    if spec.hints.position == "top_left":
        return min(spots, key=lambda spot: spot.corner)
    return spots[0]


def _by_choice(spec: FieldSpec, card: Sequence[Strip]) -> Match | None:
    """A whole piece of text that is on the field's list."""
    if not spec.choices:
        return None
    spots = [
        replace(spot, found=replace(spot.found, entry=entry))
        for spot in _pieces(spec, card)
        if (entry := values.choice(spec, spot.found.text))
    ]
    return _placed(spec, spots).take(ONLY_ONE) if spots else None


def _by_form(spec: FieldSpec, card: Sequence[Strip]) -> Match | None:
    """What the field's pattern finds, or what looks like its type."""
    if not (spec.pattern or types.tells(spec.type)):
        return None
    spots = [spot for spot in _formed(spec, card) if not spot.near(spec.hints.avoid)]
    spots = [spot for spot in spots if spot.near(spec.hints.keywords)] or spots
    if not spots:
        return None
    best = _placed(spec, [spot for spot in spots if spot.found.sure] or spots)
    factor = ONLY_ONE if len(spots) == 1 else ONE_OF_SEVERAL
    return best.take(factor if best.found.sure else factor * ODD)


def _formed(spec: FieldSpec, card: Sequence[Strip]) -> Iterator[Spot]:
    """In each row: within its pieces, else also across them, as coordinates in two columns are."""
    for row, strip in enumerate(card):
        places = strip.pieces()
        spots = [spot for start, end in places for spot in _found(spec, row, strip, start, end)]
        yield from spots or (spot for start, end in strip.runs() for spot in _found(spec, row, strip, start, end))


def _found(spec: FieldSpec, row: int, strip: Strip, start: int, end: int) -> Iterator[Spot]:
    for found in values.formed(spec, strip.text[start:end]):
        yield Spot(row, strip, start + found.start, start + found.end, found)


def _by_keyword(spec: FieldSpec, card: Sequence[Strip]) -> Match | None:
    """The clause in which one of the field's keywords stands."""
    for spot in _pieces(spec, card):
        text = spot.found.text
        place = min((at for word in spec.hints.keywords if (at := words.place(text, word)) >= 0), default=-1)
        if place < 0:
            continue
        start = max(
            (clause.end() for clause in _CLAUSE.finditer(text, 0, place + 1) if clause.end() <= place), default=0
        )
        if found := values.within(spec, text[start:]):
            begin = spot.start + start
            return Spot(spot.row, spot.strip, begin + found.start, begin + found.end, found).take(BY_KEYWORD)
    return None


def _by_position(spec: FieldSpec, card: Sequence[Strip]) -> Match | None:
    """What stands first, last or top left of all that is left; of a line, the part before its first mark."""
    if not spec.hints.position or not (spots := _pieces(spec, card)):
        return None
    spot = _placed(spec, spots)
    if spec.type == FieldType.MULTILINE:
        return run_on(spec, card, (spot.row, spot.start, spot.end), BY_POSITION, edge=float("-inf"))
    text = spot.found.text
    if not (spec.hints.until or values.bound(spec)) and (mark := _FIRST_MARK.search(text, 1)):
        text = text[: mark.start()]
    found = values.within(spec, text)
    if found is None:
        return None
    return Spot(spot.row, spot.strip, spot.start + found.start, spot.start + found.end, found).take(BY_POSITION)
