"""Why a stored value deserves a person's look, and whether its card does."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ocr.fields import FieldSpec
from ocr.reading import Issue, ValueState

DEFAULT_THRESHOLD = 0.8

Stored = Mapping[str, Any]  # a field as CardResult.fields holds it

_KNOWN = {str(issue): issue for issue in Issue}


def doubts(spec: FieldSpec, stored: Mapping[str, Any]) -> list[Issue]:
    """The issues of a field as CardResult.fields holds it. A value without any confidence is in doubt, too."""
    found = [_KNOWN[issue] for issue in stored.get("issues") or () if issue in _KNOWN]
    certainty = stored.get("confidence")
    threshold = DEFAULT_THRESHOLD if spec.threshold is None else spec.threshold
    below = stored.get("value") is not None if certainty is None else certainty < threshold
    if below and Issue.CONFIDENCE not in found:
        found.append(Issue.CONFIDENCE)
    return found


def to_check(
    specs: Iterable[FieldSpec],
    fields: Mapping[str, Stored],
    *,
    every_value: bool,
    entries: Sequence[Mapping[str, Stored]] | None = None,
) -> bool:
    """Whether a card is to be looked at: a field of any entry is in doubt, nothing was found, or nothing is proven.

    `fields` are the card's own, which with entries are the first one's.
    """
    active = [spec for spec in specs if spec.active]
    return (
        every_value
        or nothing_found(active, fields)
        or any(in_doubt(active, entry) for entry in (fields, *(entries or ())[1:]))
    )


# How much a doubt weighs in the order of what is to be checked.
_WEIGHT = {Issue.UNREADABLE: 5, Issue.REQUIRED: 5, Issue.TYPE: 4, Issue.CHOICE: 4, Issue.PATTERN: 4, Issue.BARCODE: 3}
GRAVEST = 9  # somebody asks for a look


def severity(
    specs: Iterable[FieldSpec], fields: Mapping[str, Stored], entries: Sequence[Mapping[str, Stored]] | None = None
) -> int:
    """0 (nothing speaks against it) to 6 (nothing was found); the gravest doubt of any field of any entry."""
    active = [spec for spec in specs if spec.active]
    if nothing_found(active, fields):
        return 6
    doubted = (
        issue
        for entry in (fields, *(entries or ())[1:])
        for spec in active
        for issue in doubts(spec, entry.get(spec.key, {}))
    )
    return max((_WEIGHT.get(issue, 2) for issue in doubted), default=0)


def nothing_found(specs: Iterable[FieldSpec], fields: Mapping[str, Stored]) -> bool:
    """Whether a valid reading has no value at all, not even one that cannot be read."""
    read = [fields.get(spec.key, {}) for spec in specs if spec.active]
    return all(field.get("value") is None and field.get("state") != ValueState.UNREADABLE for field in read)


def in_doubt(specs: Iterable[FieldSpec], fields: Mapping[str, Stored]) -> bool:
    """Whether any of these fields deserves a look."""
    return any(doubts(spec, fields.get(spec.key, {})) for spec in specs)
