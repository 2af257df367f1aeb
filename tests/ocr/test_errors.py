"""The catalogue: every class has a code, words for two kinds of people, and a policy that is carried out."""

from collections.abc import Iterator

import pytest

from batches.drain import worker
from ocr import errors
from ocr.engines import ladder
from ocr.errors import ExtractionError


def all_kinds(kind: type[ExtractionError] = ExtractionError) -> Iterator[type[ExtractionError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__.startswith(("ocr.", "batches.")):
            yield from all_kinds(below)


KINDS = list(all_kinds())


def test_the_classes_outside_the_catalogues_file_are_known_too() -> None:
    assert worker.Unexpected in KINDS
    assert len(KINDS) >= 15


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_class_has_a_code_words_and_a_policy(kind: type[ExtractionError]) -> None:
    assert 0 < len(kind.reason) <= 40
    assert kind.sentence.endswith(".")
    assert kind.advice.endswith((".", "?"))
    assert isinstance(kind.retryable, bool)
    assert isinstance(kind.counts, bool)
    assert kind.pauses in {None, "credentials", "endpoint", "budget", "disk"}
    if kind.pauses:
        assert not kind.counts, "a card is not charged for what stops its batch"


@pytest.mark.parametrize("kind", list(errors.catalogue()), ids=lambda kind: kind.__name__)
def test_a_code_of_its_own_comes_with_words_of_its_own(kind: type[ExtractionError]) -> None:
    assert {"sentence", "advice"} <= vars(kind).keys()
    assert [other for other in errors.catalogue() if other.reason == kind.reason] == [kind]
    assert [other for other in errors.catalogue() if other.sentence == kind.sentence] == [kind]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_asked_differently_is_what_the_catalogue_says(kind: type[ExtractionError]) -> None:
    means = ladder.Means(temperature=True, formats=True, thinking=True, room=True)
    error = kind()
    rungs = list(ladder._rungs(error, "a reply", means)) if isinstance(error, errors.ReplyInvalid) else []
    asked = tuple(name for name, _changes in rungs)
    # A smaller image is the drain's to make: tests/batches/drain/test_fitting.py.
    assert (asked or (("smaller",) if kind is errors.ImageTooLarge else ())) == kind.ladder


def test_a_stored_code_finds_its_class() -> None:
    assert errors.of_reason("reply_looping") is errors.ReplyLooping
    assert errors.of_reason("error") is ExtractionError
    assert errors.of_reason("from_the_future") is ExtractionError


def test_what_lies_with_the_model_may_be_read_by_another_and_a_broken_file_may_not() -> None:
    for kind in (errors.ReplyLooping, errors.ReplyEmpty, errors.ReplyOnlyThought, errors.ReplyTruncated):
        assert kind.others_may
    assert not errors.UnreadableImage.others_may
    assert not errors.UnreadableImage.retryable
