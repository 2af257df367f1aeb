from ocr import codes
from ocr.fields import FieldSpec, FieldType
from ocr.reading import FieldReading, Issue, Reading, ValueState

NUMBER = FieldSpec("number", "Accession no.", type=FieldType.IDENTIFIER)
MARK = FieldSpec("mark", "Shelfmark", type=FieldType.IDENTIFIER, pattern=r"[A-Z] \d+")
TITLE = FieldSpec("title", "Title")
EMPTY = FieldReading(None, None, ValueState.ABSENT)


def code(text: str) -> dict[str, str]:
    return {"kind": "Code 128", "text": text}


def reading(**values: str | None) -> Reading:
    return Reading({key: FieldReading(value, value) if value else EMPTY for key, value in values.items()})


def test_an_identifier_that_was_left_empty_is_taken_from_the_only_code():
    made = codes.filled(reading(number=None, title="Songs"), [code("1954/318")], [NUMBER, TITLE])
    assert made.fields["number"].value == "1954/318"
    assert made.fields["number"].issues == (Issue.BARCODE,)
    assert made.fields["title"].value == "Songs"


def test_what_the_engine_has_read_stays():
    given = reading(number="1954/319")
    assert codes.filled(given, [code("1954/318")], [NUMBER]) == given


def test_only_identifiers_are_taken():
    given = reading(title=None)
    assert codes.filled(given, [code("1954/318")], [TITLE]) == given


def test_two_codes_or_two_fields_are_left_to_a_person():
    given = reading(number=None)
    assert codes.filled(given, [code("1"), code("2")], [NUMBER]) == given
    other = FieldSpec("other", "No.", type=FieldType.IDENTIFIER)
    given = reading(number=None, other=None)
    assert codes.filled(given, [code("1954")], [NUMBER, other]) == given


def test_a_pattern_tells_which_field_is_meant():
    made = codes.filled(reading(mark=None), [code("1954/318"), code("M 12")], [MARK])
    assert made.fields["mark"].value == "M 12"
    assert codes.fitting(MARK, [code("1954/318")]) == []


def test_a_code_that_was_read_elsewhere_and_an_address_are_not_taken():
    given = reading(number=None, title="1954/318")
    assert codes.filled(given, [code("1954/318")], [NUMBER, TITLE]) == given
    given = reading(number=None)
    assert codes.filled(given, [code("https://example.org/1")], [NUMBER]) == given
    assert codes.fitting(NUMBER, [code("https://example.org/1")]) == ["https://example.org/1"]
