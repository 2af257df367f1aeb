"""Whatever a model says becomes one reading for each field, or an error of its class."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr import coercion, parsing, repair
from ocr.engines.base import ReadOptions, ReadTask
from ocr.errors import ExtractionError
from ocr.fields import FieldSpec, FieldType
from ocr.reading import FieldReading, ValueState

FIELDS = tuple(
    FieldSpec(str(kind), str(kind).title(), type=kind, choices=("Ja", "Nein") if kind is FieldType.CHOICE else ())
    for kind in FieldType
)
TASK = ReadTask(FIELDS)
TRANSCRIBED = ReadTask(FIELDS, options=ReadOptions(transcribe=True))
SEVERAL = ReadTask(FIELDS, options=ReadOptions(multiple_entries=True))
ALL = ReadTask(
    FIELDS, options=ReadOptions(transcribe=True, describe_pictures=True, summarize=True, multiple_entries=True)
)
BESIDES = ["entries", "transcription", "pictures", "summary"]
NAMES = [spec.key for spec in FIELDS]
NULLS = {"null", "NULL", "<null>"}
# No deadline: another process may have the machine. How long the worst may take is told in test_parsing.
quick = settings(
    derandomize=True, max_examples=250, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)

texts = st.text(st.characters(), max_size=40)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
names = (
    st.sampled_from([*NAMES, *(name + "__confidence" for name in NAMES), "confidence", "fields", "value", *BESIDES])
    | texts
)
values = st.recursive(
    scalars, lambda inside: st.lists(inside, max_size=4) | st.dictionaries(names, inside, max_size=4), max_leaves=12
)
objects = st.dictionaries(names, values, max_size=8)
entries = st.lists(st.dictionaries(st.sampled_from(NAMES) | names, scalars | values, max_size=6), max_size=4)
PIECES = [
    *"{}[],:\"'\\ \n",
    *("```json", "```", '{"entries": [', "//", "/*", "*/", "<think>", "</think>", "I'm sorry", "\\u00"),
    *("null", "None", "1981", "text", '"text"', "'text'", "text:", "{'text': 'x'", '"x"'),
]
rubble = st.lists(st.sampled_from(PIECES) | texts, max_size=25).map("".join)


def check(reply: str, finish: str = "stop") -> None:
    for task in (TASK, TRANSCRIBED, SEVERAL, ALL):
        try:
            parsed = parsing.parse(reply, task, finish_reason=finish)
        except ExtractionError:
            continue
        assert list(parsed.fields) == NAMES
        assert parsed.unknown_keys >= 0
        assert (parsed.entries is not None) == task.options.multiple_entries
        for text in (parsed.transcription, parsed.pictures, parsed.summary):
            coercion.tidy(text).encode()
        for read in (parsed.fields, *(parsed.entries or ())):
            for spec in FIELDS:
                whole(spec, coercion.coerce(spec, read[spec.key]))
        if parsed.entries:
            assert parsed.fields == parsed.entries[0]
            assert len(parsed.entries) <= parsing.MOST_ENTRIES


def whole(spec: FieldSpec, reading: FieldReading) -> None:
    assert reading.confidence is None or 0 <= reading.confidence <= 1
    assert (reading.value is not None) == (reading.state is ValueState.VALUE)
    if reading.value is not None:
        assert reading.value
        assert reading.verbatim is not None
        again, _issues = coercion.normalise(spec, reading.value)
        assert again is not None, "what is recorded can be recorded again"
        reading.value.encode()


@quick
@given(st.text(st.characters(), max_size=200), st.sampled_from(["stop", "length", "content_filter", ""]))
def test_any_text_is_fields_or_an_error(reply: str, finish: str) -> None:
    check(reply, finish)


@quick
@given(rubble)
def test_rubble_of_json_is_fields_or_an_error(reply: str) -> None:
    check(reply)
    check("{'text': 'x', " + reply)


@quick
@given(objects | st.lists(objects, max_size=2))
def test_any_json_is_fields_or_an_error(reply: Any) -> None:
    check(json.dumps(reply))


@quick
@given(entries | values, objects)
def test_any_list_of_entries_is_entries_or_an_error(listed: Any, beside: dict[str, Any]) -> None:
    check(json.dumps({"entries": listed}))
    check(json.dumps(beside | {"entries": listed}))


@quick
@given(st.lists(st.dictionaries(st.sampled_from(NAMES), st.none() | texts, min_size=1), max_size=5))
def test_no_entry_is_lost_and_none_is_made(said: list[dict[str, str | None]]) -> None:
    parsed = parsing.parse(json.dumps({"entries": said}), SEVERAL)
    written = [[text for text in one.values() if text and text.strip() not in {"", *NULLS}] for one in said]
    assert parsed.entries is not None
    found = [[one[name].verbatim for name in NAMES if one[name].verbatim] for one in parsed.entries]
    assert [sorted(texts) for texts in found] == [sorted(texts) for texts in written if texts]


@quick
@given(objects, st.data())
def test_json_with_a_piece_broken_is_fields_or_an_error(reply: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(reply | {"text": "x"}, ensure_ascii=data.draw(st.booleans()))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 5)))
    check(text[:start] + data.draw(st.sampled_from(["", *PIECES])) + text[end:])


@quick
@given(st.fixed_dictionaries({spec.key: st.none() | texts for spec in FIELDS}), st.floats(0, 1))
def test_a_valid_reply_comes_through_as_it_is(said: dict[str, str | None], certainty: float) -> None:
    reply: dict[str, Any] = dict(said) | {key + "__confidence": certainty for key in said}
    fields = parsing.parse(json.dumps(reply), TASK).fields
    for key, text in said.items():
        assert fields[key].confidence == certainty
        if text is None or text.strip() in NULLS:
            assert fields[key].verbatim is None
        else:
            assert fields[key].verbatim == (text if text.strip() else "")


@quick
@given(
    st.fixed_dictionaries({spec.key: st.none() | st.booleans() | texts for spec in FIELDS}),
    st.sampled_from(["python", "comma", "bare", "open", "comment"]),
)
def test_what_is_repaired_says_the_same_as_what_was_meant(said: dict[str, Any], how: str) -> None:
    good = json.dumps(said, indent=1)
    broken = {
        "python": repr(said),
        "comma": good[:-1] + ",}",
        "bare": "{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in said.items()) + "}",
        "open": good[:-1] + ",",
        "comment": good[:-1] + "// that is all\n}",
    }[how]
    try:
        parsed = parsing.parse(broken, TASK)
    except ExtractionError:
        return  # asked again: dearer, and never wrong
    assert parsed.fields == parsing.parse(good, TASK).fields


@quick
@given(rubble)
def test_a_repair_takes_nothing_that_does_not_stand_there(reply: str) -> None:
    try:
        found = repair.repaired(reply).value
    except repair.Doubtful:
        return
    for text in leaves(found):
        assert text in reply or "\\" in reply


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for inside in value.values() for text in leaves(inside))]
    if isinstance(value, list):
        return [text for inside in value for text in leaves(inside)]
    return [value] if isinstance(value, str) else []
