"""What of a text is a field's value: an entry of its list, what its pattern or its type finds, or all of it."""

from collections.abc import Iterator

from rapidfuzz import fuzz

from ocr import patterns
from ocr.engines.local import types, words
from ocr.engines.local.types import Found
from ocr.fields import FieldSpec, FieldType

CHOICE = 72  # of 100: a whole piece of text is this entry of the list
POINTED_CHOICE = 60  # the same, where a label, a keyword or the place speaks for it too
SHORT_SPELLING = 4  # letters: of abbreviations every letter counts
SAME = 100  # where other values are expected, too, one that is like an entry may be one of those
LONGEST_IDENTIFIER = 24  # letters, beside its label


def choice(spec: FieldSpec, text: str, enough: int = CHOICE) -> str | None:
    """The entry of the list that this text is, in the list's spelling."""
    if spec.type == FieldType.LIST:
        return None
    letters = words.squashed(text)
    ratios = [(_ratio(letters, form, term, enough), term) for form, term in spec.spelt()]
    best = max(ratios, key=lambda each: each[0], default=(0.0, ""))
    return best[1] if best[0] >= (SAME if spec.open_list else enough) else None


def _ratio(letters: str, form: str, term: str, enough: int) -> float:
    there = words.squashed(form)
    ratio = fuzz.ratio(letters, there)
    abbreviated = form != term and len(there) <= SHORT_SPELLING
    return ratio if ratio == SAME or not abbreviated else min(ratio, enough - 1)


def formed(spec: FieldSpec, text: str) -> Iterator[Found]:
    """All that the field's own pattern finds; without one, all of the field's type."""
    if spec.pattern is None:
        yield from types.find(spec.type, text)
        return
    try:
        pattern = patterns.compiled(spec.pattern)
    except ValueError:
        return
    for match in pattern.finditer(text):
        if match[0].strip():
            yield Found(match.start(), match.end(), match[0])


def bound(spec: FieldSpec) -> bool:
    """Whether not any text will do."""
    listed = spec.choices and spec.type != FieldType.LIST and not spec.open_list
    return bool(spec.pattern or types.has_finder(spec.type) or listed)


def within(spec: FieldSpec, text: str) -> Found | None:
    """The value in a piece of text that a label, a keyword or its place points to."""
    if entry := choice(spec, text, POINTED_CHOICE):
        start, end = words.trimmed(text)
        return Found(start, end, text[start:end], entry=entry)
    start, end = words.trimmed(text[: until(spec, text)])
    whole = Found(start, end, text[start:end]) if start < end else None
    if not bound(spec) or (whole and _is_identifier(spec, whole.text)):
        return whole
    return next(formed(spec, text), None)


def _is_identifier(spec: FieldSpec, text: str) -> bool:
    """Shelfmarks have spaces: where a label points to one, all of it is meant."""
    plain = spec.type == FieldType.IDENTIFIER and not spec.pattern
    return plain and len(text) <= LONGEST_IDENTIFIER and any(letter.isdigit() for letter in text)


def until(spec: FieldSpec, text: str) -> int:
    """Where the field's `until` ends the value; the text's length where it does not stand in it."""
    if not spec.hints.until:
        return len(text)
    place = words.folded(text).find(words.folded(spec.hints.until))
    return len(text) if place < 0 else place
