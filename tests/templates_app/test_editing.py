import pytest

from ocr.fields import FieldSpec, FieldType
from templates_app import editing

SPECS = [FieldSpec("a", "A"), FieldSpec("b", "B"), FieldSpec("c", "C")]


def keys(specs: list[FieldSpec]) -> str:
    return "".join(spec.key for spec in specs)


def test_an_added_field_stands_last_with_a_guessed_type() -> None:
    added = editing.added(SPECS, "Erscheinungsjahr")[-1]

    assert (added.key, added.type) == ("erscheinungsjahr", FieldType.YEAR)
    assert editing.added(SPECS, "Year", FieldType.TEXT)[-1].type == FieldType.TEXT


def test_a_moved_field_passes_one_other() -> None:
    assert keys(editing.moved(SPECS, "b", -1)) == "bac"
    assert keys(editing.moved(SPECS, "b", 1)) == "acb"
    assert keys(editing.moved(SPECS, "c", 1)) == "abc"
    assert keys(editing.moved(SPECS, "a", -1)) == "abc"


def test_a_removed_field_can_be_put_back() -> None:
    rest = editing.removed(SPECS, "b")

    assert keys(rest) == "ac"
    assert editing.restored(rest, SPECS[1], 1) == SPECS
    assert keys(editing.restored(SPECS, SPECS[1], 9)) == "abcb_2"


def test_a_replaced_field_keeps_its_place() -> None:
    changed = FieldSpec("b", "Other")

    assert editing.replaced(SPECS, changed)[1] is changed


@pytest.mark.parametrize("edit", [editing.removed, lambda specs, key: editing.moved(specs, key, 1)])
def test_a_field_that_is_gone_is_told(edit: editing.Edit) -> None:
    with pytest.raises(editing.NoSuchField, match="gone"):
        edit(SPECS, "x")  # type: ignore[call-arg]


def test_a_card_has_at_most_a_hundred_fields() -> None:
    full = [FieldSpec(f"f{n}", f"F{n}") for n in range(editing.MAX_FIELDS)]

    with pytest.raises(editing.TooManyFields):
        editing.added(full, "One more")
    with pytest.raises(editing.TooManyFields):
        editing.restored(full, SPECS[0], 0)
