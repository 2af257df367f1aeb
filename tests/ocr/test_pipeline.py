from pathlib import Path

import pytest

from ocr import pipeline
from ocr.engines.base import Prepared, ReadTask
from ocr.fields import FieldSpec, FieldType
from ocr.reading import FieldReading, Issue, Reading, ValueState


class Said:
    """An engine that says what it is told to."""

    full_resolution = False
    in_process = False

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def read(self, image: Prepared, task: ReadTask) -> Reading:
        return self.reading

    def close(self) -> None: ...


IMAGE = Prepared(Path("card.jpg"), "image/jpeg", 600, 400)


def test_each_active_field_has_exactly_one_reading() -> None:
    fields = (
        FieldSpec("year", "Year", type=FieldType.YEAR),
        FieldSpec("author", "Author", required=True),
        FieldSpec("unused", "Unused", active=False),
    )
    said = Reading(
        {"year": FieldReading("81", "81"), "unused": FieldReading("x", "x"), "other": FieldReading("y", "y")}
    )
    reading = pipeline.read(IMAGE, ReadTask(fields), Said(said))
    assert reading.fields == {
        "year": FieldReading("81", "1981"),
        "author": FieldReading(None, None, ValueState.ABSENT, issues=(Issue.REQUIRED,)),
    }


def test_the_transcription_is_tidied_and_the_rest_kept() -> None:
    said = Reading({}, transcription=" a\x00 \r\n\n\n\nb ", rotation=90, model="m", raw="r", finish_reason="stop")
    reading = pipeline.read(IMAGE, ReadTask(()), Said(said))
    assert reading == Reading({}, transcription="a\n\nb", rotation=90, model="m", raw="r", finish_reason="stop")


def test_keys_that_nobody_asked_for_are_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ocr.pipeline")
    pipeline.read(IMAGE, ReadTask(()), Said(Reading({}, model="m-1", unknown_keys=3)))
    pipeline.read(IMAGE, ReadTask(()), Said(Reading({}, model="m-2")))
    assert caplog.messages == ["m-1 gave 3 keys that nobody asked for."]


def test_every_entry_is_brought_to_the_types_and_the_first_one_is_the_cards() -> None:
    fields = (FieldSpec("year", "Year", type=FieldType.YEAR), FieldSpec("author", "Author", required=True))
    said = Reading(
        {"year": FieldReading("1876", "1876")},
        entries=({"year": FieldReading("81", "81"), "other": FieldReading("y", "y")}, {"year": FieldReading("x", "x")}),
        pictures=" A \r\n\n\n stamp. ",
        summary=" Two\nworks. ",
    )
    reading = pipeline.read(IMAGE, ReadTask(fields), Said(said))
    assert reading.entries is not None
    assert [entry["year"].value for entry in reading.entries] == ["1981", "x"]
    assert reading.entries[1]["year"].issues == (Issue.TYPE,)
    assert [entry["author"].issues for entry in reading.entries] == [(Issue.REQUIRED,)] * 2
    assert set(reading.entries[0]) == {"year", "author"}
    assert reading.fields == reading.entries[0]
    assert (reading.pictures, reading.summary) == ("A\n\nstamp.", "Two works.")


def test_without_any_entry_nothing_was_found() -> None:
    reading = pipeline.read(IMAGE, ReadTask((FieldSpec("author", "Author"),)), Said(Reading({}, entries=())))
    assert reading.entries == ()
    assert reading.fields["author"].state is ValueState.ABSENT
