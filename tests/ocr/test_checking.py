from typing import Any

from ocr import checking
from ocr.fields import FieldSpec
from ocr.reading import Issue

NAME, YEAR = FieldSpec("name", "Name"), FieldSpec("year", "Year", threshold=0.5)


def stored(value: str | None = "x", confidence: float | None = 0.9, issues: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"value": value, "verbatim": value, "confidence": confidence, "issues": list(issues)}


def check(every_value: bool = False, **fields: dict[str, Any]) -> bool:
    return checking.to_check((NAME, YEAR), fields, every_value=every_value)


def test_a_sure_value_is_in_no_doubt() -> None:
    assert checking.doubts(NAME, stored()) == []
    assert not check(name=stored(), year=stored())


def test_the_field_has_its_own_threshold() -> None:
    assert checking.doubts(NAME, stored(confidence=0.7)) == [Issue.CONFIDENCE]
    assert checking.doubts(YEAR, stored(confidence=0.7)) == []
    assert check(name=stored(), year=stored(confidence=0.4))


def test_a_value_without_any_confidence_is_in_doubt_and_an_absent_one_is_not() -> None:
    assert checking.doubts(NAME, stored(confidence=None)) == [Issue.CONFIDENCE]
    assert checking.doubts(NAME, stored(None, None)) == []


def test_stored_issues_are_doubts_and_unknown_ones_are_not() -> None:
    assert checking.doubts(NAME, stored(issues=("type", "fashion", "confidence"))) == [Issue.TYPE, Issue.CONFIDENCE]
    assert check(name=stored(None, None, ("required",)), year=stored())


def test_an_empty_reading_is_to_check() -> None:
    assert check(name=stored(None, None), year=stored(None, None))
    assert check()
    assert not check(name=stored(None, None), year=stored())


def test_an_inactive_field_is_not_looked_at() -> None:
    unused = FieldSpec("unused", "Unused", active=False)
    fields = {"unused": stored(confidence=0.1), "name": stored()}
    assert not checking.to_check((unused, NAME), fields, every_value=False)


def test_an_engine_that_proves_nothing_leaves_every_card_to_check() -> None:
    assert check(every_value=True, name=stored(confidence=1.0), year=stored(confidence=1.0))


def test_every_entry_is_looked_at() -> None:
    sure = {"name": stored(), "year": stored()}
    unsure = sure | {"name": stored(confidence=0.2)}
    assert not checking.to_check((NAME, YEAR), sure, every_value=False, entries=[sure, sure])
    assert checking.to_check((NAME, YEAR), sure, every_value=False, entries=[sure, sure, unsure])
    assert checking.to_check((NAME, YEAR), {}, every_value=False, entries=[])
