"""The library proposes; nothing is taken that the reply does not say."""

import time
from typing import Any

import json_repair
import pytest

from ocr import repair

REPLY = "{'author': 'x', year: 1981, 'title': None, 'tags': ['a', 'b']}"


def test_names_texts_and_numbers_are_the_replys_own() -> None:
    found = repair.repaired(REPLY)
    assert found == repair.Repaired({"author": "x", "year": "1981", "title": None, "tags": ["a", "b"]}, closed=True)
    assert isinstance(found.value["year"], repair.Number)
    assert not isinstance(found.value["author"], repair.Number)


@pytest.mark.parametrize(
    "guess",
    [
        {"author": "X", "year": 1981, "title": None, "tags": ["a", "b"]},
        {"Author": "x", "year": 1981, "title": None, "tags": ["a", "b"]},
        {"author": "x", "title": None, "year": 1981, "tags": ["a", "b"]},
        {"author": "x", "year": 1981, "title": None},
        {"author": "x", "year": 1981, "title": None, "tags": ["a", "b"], "more": "y"},
        {"author": "x", "year": 1981, "title": None, "tags": ["a", "b", "c"]},
        {"author": "x", "year": {"1981": None}, "tags": ["a", "b"]},
        "",
        [],
    ],
    ids=range(9),
)
def test_a_guess_is_refused(guess: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_repair, "loads", lambda *_arguments, **_options: guess)
    with pytest.raises(repair.Doubtful):
        repair.repaired(REPLY)


@pytest.mark.parametrize(
    "reply",
    ["", "no object", "[", "{", "{'a': 1" + " " * repair.LONGEST + "}", "{'a': " * 9 + "1" + "}" * 9, "{'a': {" * 2000],
    ids=range(7),
)
def test_what_is_nothing_too_long_or_too_deep_is_refused_at_once(reply: str) -> None:
    started = time.thread_time()
    with pytest.raises(repair.Doubtful):
        repair.repaired(reply)
    assert time.thread_time() - started < 0.2


WORST = [
    ("{'a': '", "\\'"),
    ("{", "a:'b',"),
    ("{a:", "/*"),
    ("{'a': ", "["),
    ("{", "'\""),
    ("{", "'a', "),
    ("{", "'a' 'b': "),
    ("{", "'a': 'b' "),
    ("{", "'a': "),
    ("{'a': [", "'b' 'c', "),
    ("{", ",:"),
    ("{", "a:b,"),
]


@pytest.mark.parametrize(("start", "piece"), WORST, ids=range(len(WORST)))
def test_the_worst_is_refused_quickly(start: str, piece: str) -> None:
    reply = (start + piece * repair.LONGEST)[: repair.LONGEST]
    started = time.thread_time()
    with pytest.raises(repair.Doubtful):
        repair.repaired(reply)
    assert time.thread_time() - started < 2  # of CPU: the machine may be busy
