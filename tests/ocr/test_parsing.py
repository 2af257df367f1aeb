import json
import time
from pathlib import Path
from typing import Any

import pytest

from ocr import parsing, schema
from ocr.engines.base import ReadOptions, ReadTask
from ocr.errors import ReplyInvalid
from ocr.fields import FieldSpec, FieldType

FIELDS = (
    FieldSpec("author", "Author"),
    FieldSpec("title", "Title"),
    FieldSpec("year", "Year of printing", type=FieldType.YEAR),
)
REPLIES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "replies" / "replies.jsonl").read_text("utf-8").splitlines()
]
ASKED = ("transcribe", "describe_pictures", "summarize", "multiple_entries")
GOOD = json.dumps({"author": "x", "title": "y", "year": "1981"})


@pytest.mark.parametrize("case", REPLIES, ids=lambda case: case["name"])
def test_each_reply_gives_its_fields_or_its_error(case: dict[str, Any]) -> None:
    asked = {name: case[name] for name in ASKED if name in case}
    task = ReadTask(FIELDS, options=ReadOptions(**asked))
    finish = case.get("finish_reason", "")
    started = time.thread_time()
    if "error" in case:
        with pytest.raises(ReplyInvalid, match=r"\.$") as raised:
            parsing.parse(case["reply"], task, finish_reason=finish)
        assert raised.value.reason == case["error"]
    else:
        parsed = parsing.parse(case["reply"], task, finish_reason=finish)
        fields = parsed.fields
        assert {key: field.value for key, field in fields.items()} == case["fields"]
        assert {key: field.verbatim for key, field in fields.items()} == case.get("verbatim", case["fields"])
        assert parsed.unknown_keys == case.get("unknown", parsed.unknown_keys)
        for name in ("transcription", "pictures", "summary"):
            assert getattr(parsed, name) == case.get(name, "")
        if "confidence" in case:
            assert {key: field.confidence for key, field in fields.items()} == case["confidence"]
        assert _values(parsed.entries) == case.get("entries")
    assert time.thread_time() - started < 1


def _values(entries: Any) -> list[dict[str, str | None]] | None:
    return None if entries is None else [{key: field.value for key, field in entry.items()} for entry in entries]


def test_there_are_replies_enough() -> None:
    assert len(REPLIES) == len({case["name"] for case in REPLIES}) >= 240


@pytest.mark.parametrize(
    "reply",
    [
        "x" * 5_000_000,
        GOOD + " " * 5_000_000,
        '{"author": "' + "x" * 5_000_000 + '"}',
        "{" * 1_900_000,
        "[" * 1_900_000,
        '{"a":' * 380_000,
        "{ " * 950_000,
        "[],{}" * 380_000,
        '{"author": "' + '\\"' * 900_000,
        'He said "' + '\\"{' * 600_000,
        ", " * 950_000 + "}",
        "," + " " * 1_900_000 + "{",
        "```" * 600_000,
        "<think>" + "</thin" * 300_000,
        '{"author": [' + "1," * 900_000 + "}",
        "{" + '"a":1,' * 300_000 + '"a":2',
        "{" + "".join(f'"a{n}":{n},' for n in range(100_000)) + '"b":}',
    ],
    ids=range(17),
)
def test_a_huge_reply_is_refused_quickly(reply: str) -> None:
    started = time.thread_time()
    with pytest.raises(ReplyInvalid):
        parsing.parse(reply, ReadTask(FIELDS))
    assert time.thread_time() - started < 2  # of CPU: the machine may be busy


def test_a_large_honest_reply_is_read() -> None:
    text = "".join(f"Zeile {n}\n" for n in range(100_000))
    fields, *_ = parsing.parse(json.dumps({"author": text, "title": None, "year": None}), ReadTask(FIELDS))
    assert fields["author"].value == text


def test_a_label_that_is_anothers_key_is_not_taken_for_its_own() -> None:
    fields = (FieldSpec("a", "b"), FieldSpec("b", "Second"))
    found, *_ = parsing.parse('{"a": "1", "b": "2"}', ReadTask(fields))
    assert (found["a"].value, found["b"].value) == ("1", "2")


def test_fields_may_be_called_like_our_own_keys() -> None:
    fields = tuple(FieldSpec(key, key.title()) for key in ("confidence", "transcription", "fields", "value"))
    task = ReadTask(fields, options=ReadOptions(transcribe=True))
    reply = dict.fromkeys(schema.build(task)["properties"], 0.5) | {spec.key: spec.label for spec in fields}
    parsed = parsing.parse(json.dumps(reply | {"card_transcription": "all"}), task)
    found, transcription = parsed.fields, parsed.transcription
    assert {key: (field.value, field.confidence) for key, field in found.items()} == {
        spec.key: (spec.label, 0.5) for spec in fields
    }
    assert transcription == "all"


def test_several_lines_stay_lines() -> None:
    found, *_ = parsing.parse('{"note": ["a", 1, "b"]}', ReadTask((FieldSpec("note", "N", type=FieldType.MULTILINE),)))
    assert found["note"].value == "a\n1\nb"


def test_a_field_called_entries_is_a_field_among_several_entries() -> None:
    fields = (FieldSpec("entries", "Entries"), FieldSpec("summary", "Pictures"))
    options = ReadOptions(multiple_entries=True, summarize=True, describe_pictures=True)
    reply = {
        "card_entries": [{"entries": "12", "summary": "a"}, {"entries": "13", "summary": None}],
        "card_pictures": "A stamp.",
        "card_summary": "Two.",
    }
    parsed = parsing.parse(json.dumps(reply), ReadTask(fields, options=options))
    assert _values(parsed.entries) == [{"entries": "12", "summary": "a"}, {"entries": "13", "summary": None}]
    assert (parsed.pictures, parsed.summary, parsed.unknown_keys) == ("A stamp.", "Two.", 0)
