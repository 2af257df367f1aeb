"""A list of choices, as people write it and as it is kept."""

import pytest

from ocr.fields import FieldSpec
from templates_app import choices


def spec_of(text: str) -> FieldSpec:
    terms, spellings = choices.read(text)
    return FieldSpec("sea", "Sea", choices=terms, spellings=spellings)


def test_what_stands_behind_the_equals_sign_are_spellings():
    spec = spec_of(" Norskehavet = Norw. Sea; Norwegian Sea;\n\nSkagerrak\nNorskehavet=N. Sea\nSkagerrak")
    assert spec.choices == ("Norskehavet", "Skagerrak")
    assert spec.spellings == (("Norskehavet", ("Norw. Sea", "Norwegian Sea", "N. Sea")),)
    assert choices.written(spec) == "Norskehavet = Norw. Sea; Norwegian Sea; N. Sea\nSkagerrak"
    assert choices.told(spec) == ["Norskehavet (Norw. Sea; Norwegian Sea; N. Sea)", "Skagerrak"]


@pytest.mark.parametrize("text", ["pH = acid = sour", r"a \= b", r"a \= b = c", "x = y; z", r"n\=1"])
def test_what_is_written_reads_as_it_was(text: str):
    spec = spec_of(text)
    assert spec_of(choices.written(spec)) == spec


def test_an_equals_sign_of_a_choice_survives():
    assert choices.written(FieldSpec("a", "A", choices=("n=1",))) == r"n\=1"
    assert spec_of(r"n\=1").choices == ("n=1",)


def test_a_spelling_like_its_choice_says_nothing():
    assert spec_of("Oslo = OSLO; oslo; Kristiania").spellings == (("Oslo", ("Kristiania",)),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A = x\nB = X", "“X” would be both “A” and “B”"),
        ("A = b\nB", "“b” would be both “B” and “A”"),
        (" = x", "the choice is missing"),
    ],
)
def test_a_spelling_of_two_choices_is_none(text: str, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        choices.read(text)
