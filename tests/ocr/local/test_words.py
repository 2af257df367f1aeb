import pytest

from ocr.engines.local import words


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("9=5=81", "9-5-81"),
        ("Håvtrekk, 0-lm, 25μ", "Håvtrekk, 0-1m, 25μ"),
        ("H.Mosby st.l,", "H.Mosby st.1,"),
        ("Nr. l", "Nr. 1"),
        ("l2 I0 2l", "12 10 21"),
        ("192o: Blanke", "1920: Blanke"),
        ("1o5", "105"),
        ("G.0.Sars", "G.O.Sars"),
        ("20. april 1968", "20. april 1968"),
        ("Elin 0slo Il", "Elin 0slo Il"),
    ],
)
def test_digits_that_were_taken_for_letters_are_mended_in_place(read: str, meant: str) -> None:
    assert words.repaired(read) == meant
    assert len(words.repaired(read)) == len(read)


def test_wide_marks_become_those_of_a_typewriter() -> None:
    assert words.tidy("8-3-81\u30020-50m\uff0c\uff08Erik\uff09\u30089,2°℃\u3009 5℃") == "8-3-81.0-50m,(Erik)<9,2°C> 5°C"


def test_folding_keeps_every_place() -> None:
    text = "Øst-Ærø, Straße İ"
    assert words.folded(text) == "ost-aro, strase i"
    assert len(words.folded(text)) == len(text)


def test_squashing_leaves_letters_and_digits() -> None:
    assert words.squashed("N O R D - SJØEN. 2") == "nordsjoen2"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" : 1979. ", "1979"),
        ("= Bergen –", "Bergen"),
        ("Chr. 5.", "Chr. 5."),
        ("Op. 14.", "Op. 14"),
        ("Winter.", "Winter"),
        ("Sylt. Debes.", "Sylt. Debes"),
        (" .,; ", ""),
    ],
)
def test_marks_around_a_value_are_left_out(text: str, value: str) -> None:
    start, end = words.trimmed(text)
    assert text[start:end] == value


@pytest.mark.parametrize(
    ("text", "word", "place"),
    [
        ("fra moloen. Håvtrekk 0-1m", "Håvtrekk", 12),
        ("Hâvtrekk", "håvtrekk", 0),
        ("fra Havtrekh 5", "Håvtrekk", 4),
        ("St.4", "St", 0),
        ("Last St", "St", 5),
        ("Sarsx", "Sars", 0),
        ("Sxrs", "Sars", -1),
        ("kort", "Håvtrekk", -1),
        ("Helgoland, Tyskland", "Håvtrekk", -1),
        ("anything", " ", -1),
    ],
)
def test_a_keyword_is_found_also_bent_unless_it_is_short(text: str, word: str, place: int) -> None:
    assert words.place(text, word) == place
    assert words.contains(text, word) == (place >= 0)


def test_words_run_together_still_contain_each_other() -> None:
    assert words.contains("vonStosch-rens 2/4-81", "Stoschrens")
