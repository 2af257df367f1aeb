"""Why a stored value deserves a person's look, and whether its card does."""

from collections.abc import Iterable, Mapping
from typing import Any

from ocr.fields import FieldSpec
from ocr.reading import Issue

DEFAULT_THRESHOLD = 0.8

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


def to_check(specs: Iterable[FieldSpec], fields: Mapping[str, Mapping[str, Any]], *, every_value: bool) -> bool:
    """Whether a card is to be looked at: a field is in doubt, nothing was found, or the engine proves nothing."""
    active = [spec for spec in specs if spec.active]
    if every_value or all(fields.get(spec.key, {}).get("value") is None for spec in active):
        return True
    return any(doubts(spec, fields.get(spec.key, {})) for spec in active)
