"""`Label: value`: several on a line, values beside or below their label, values that run on."""

from collections.abc import Sequence
from dataclasses import dataclass

from ocr.engines.local import labels, values, words
from ocr.engines.local.running import run_on
from ocr.engines.local.strips import TAKEN, Match, Strip
from ocr.fields import FieldSpec, FieldType

ODD_FORM = 0.5  # what stands beside the label is not of the field's type
NEAR_BELOW = 2.2  # line heights from the middle of a label to that of its value


Place = tuple[int, int, int]  # row, start, end


@dataclass(frozen=True, slots=True)
class Hit:
    """A label on the card; what stands before `stop` on its segment may be its value."""

    key: str
    row: int
    start: int
    end: int
    stop: int
    ratio: float


def fill(fields: Sequence[FieldSpec], card: Sequence[Strip]) -> dict[str, Match]:
    hits = list(_hits(fields, card))
    for hit in hits:  # no value may run into a label
        card[hit.row].take(hit.start, hit.end)
    places: dict[str, tuple[Hit, Place]] = {}
    for look in (_beside, _below):  # all that stand beside first: nothing else may have them
        for hit in hits:
            place = None if hit.key in places else look(hit, card)
            if place and place not in (taken for _, taken in places.values()):
                places[hit.key] = hit, place
    reserved = frozenset((row, start) for _, (row, start, _) in places.values())
    specs = {spec.key: spec for spec in fields}
    return {key: _value(specs[key], card, hit, place, reserved) for key, (hit, place) in places.items()}


def _hits(fields: Sequence[FieldSpec], card: Sequence[Strip]) -> list[Hit]:
    wanted = labels.names(fields)
    hits = []
    for row, strip in enumerate(card):
        for number in range(len(strip.segments)):
            start, end = strip.ends(number)
            here = labels.find(strip.text[start:end], wanted)
            stops = [*(label.start for label in here[1:]), end - start]
            hits += [
                Hit(label.key, row, start + label.start, start + label.end, start + stop, label.ratio)
                for label, stop in zip(here, stops, strict=False)
            ]
    return hits


def _beside(hit: Hit, card: Sequence[Strip]) -> Place | None:
    """The rest of the label's segment; where that is empty, the next segment on the row."""
    strip = card[hit.row]
    a, b = words.trimmed(strip.text[hit.end : hit.stop])
    if a < b:
        free = strip.text[hit.end + a : hit.end + b].split(TAKEN)[0].rstrip()
        return (hit.row, hit.end + a, hit.end + a + len(free)) if free else None
    number = strip.segment_at(hit.start) + 1
    if hit.stop != strip.ends(number - 1)[1] or number == len(strip.segments):
        return None
    start, end = strip.ends(number)
    piece = next((each for each in strip.pieces() if start <= each[0] < end), None)
    return (hit.row, *piece) if piece and TAKEN not in strip.text[start : piece[0]] else None


def _below(hit: Hit, card: Sequence[Strip]) -> Place | None:
    """What begins under the label, in the next row."""
    if hit.row + 1 == len(card):
        return None
    label = card[hit.row].parts(hit.start, hit.end)[0]
    strip = card[hit.row + 1]
    for start, end in strip.pieces():
        part = strip.parts(start, end)[0]
        near = part.middle - label.middle <= NEAR_BELOW * max(part.height, label.height)
        if near and part.left < label.right and part.right > label.left:
            first, _ = strip.ends(strip.segment_at(start))
            return None if TAKEN in strip.text[first:start] else (hit.row + 1, start, end)
    return None


def _value(
    spec: FieldSpec, card: Sequence[Strip], hit: Hit, place: Place, reserved: frozenset[tuple[int, int]]
) -> Match:
    row, start, end = place
    strip, factor = card[row], hit.ratio / 100
    if values.bound(spec) or values.choice(spec, strip.text[start:end], values.POINTED_CHOICE):
        found = values.within(spec, strip.text[start:end])
        if found is None:
            return strip.match(start, end, factor * ODD_FORM)
        return strip.match(start + found.start, start + found.end, factor, found)
    label = card[hit.row].parts(hit.start, hit.end)[0]
    edge = label.left
    if spec.type != FieldType.MULTILINE and row == hit.row:
        edge += label.height  # further down, what is not indented is no part of a value beside its label
    return run_on(spec, card, place, factor, edge, reserved)
