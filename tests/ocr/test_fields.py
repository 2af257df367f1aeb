from dataclasses import replace

import pytest

from ocr.fields import FieldSpec, FieldType, Hints, guess_type, make_key


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("Date", FieldType.DATE),
        ("Funddatum", FieldType.DATE),
        ("Year", FieldType.YEAR),
        ("Erscheinungsjahr", FieldType.YEAR),
        ("Card no.", FieldType.IDENTIFIER),
        ("Inventarnummer", FieldType.IDENTIFIER),
        ("Signatur", FieldType.IDENTIFIER),
        ("Coordinates", FieldType.COORDINATES),
        ("Author", FieldType.TEXT),
        ("Notes", FieldType.TEXT),
        ("Candidate", FieldType.TEXT),
    ],
)
def test_the_label_suggests_a_type(label: str, kind: FieldType) -> None:
    assert guess_type(label) is kind
    assert FieldSpec.from_dict({"label": label}).type is kind


def test_a_key_is_plain_and_unlike_those_taken() -> None:
    assert make_key("Größe (cm)") == "groe_cm"
    assert make_key("日本") == "field"
    assert make_key("Name", {"name", "name_2"}) == "name_3"
    assert len(make_key("x" * 100)) == 40


def test_a_field_survives_the_way_through_json() -> None:
    spec = FieldSpec(
        "sea",
        "Sea",
        instruction="As printed",
        type=FieldType.CHOICE,
        choices=("Nordsjøen",),
        pattern=r"\w+",
        required=True,
        active=False,
        example="Nordsjøen",
        threshold=0.5,
        hints=Hints(aliases=("Hav",), keywords=("k",), position="first", avoid=("a",), until="Gear"),
    )
    assert FieldSpec.from_dict(spec.to_dict()) == spec
    opened = replace(spec, open_list=True)
    assert FieldSpec.from_dict(opened.to_dict()) == opened
    assert set(opened.to_dict()) - set(spec.to_dict()) == {"open_list"}  # the key of what was read before stays
    spelt = replace(spec, choices=("B", "A"), spellings=(("B", ("b.", "be")), ("A", ("a.",))))
    assert spelt.to_dict()["spellings"] == {"B": ["b.", "be"], "A": ["a."]}
    sorted_by_a_database = spelt.to_dict() | {"spellings": {"A": ["a."], "B": ["b.", "be"], "gone": ["g"]}}
    assert FieldSpec.from_dict(sorted_by_a_database) == spelt
    with pytest.raises(ValueError, match="magic"):
        FieldSpec.from_dict({"label": "x", "type": "magic"})
