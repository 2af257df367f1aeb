from datetime import timedelta

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone, translation

from batches.models import Batch
from batches.states import BatchStatus, PauseReason
from batches.templatetags.batch_words import moment, size, state_of


@pytest.mark.parametrize("status", BatchStatus)
def test_every_state_has_a_word_and_an_icon(batch: Batch, status: BatchStatus) -> None:
    batch.status = status
    state = state_of(batch)

    assert state.word
    assert state.icon


def test_a_finished_batch_says_what_is_left_to_do(batch: Batch) -> None:
    batch.status, batch.total, batch.completed = BatchStatus.COMPLETED, 10, 9
    assert state_of(batch).note == "9 cards nobody has looked at"
    batch.reviewed = 9
    assert state_of(batch).note == "every card checked"
    batch.to_check = 2
    assert (state_of(batch).word, state_of(batch).note) == ("To check", "2 cards of 10")


def test_a_batch_that_is_held_up_says_why(batch: Batch) -> None:
    batch.status, batch.pause_reason = BatchStatus.PAUSED, PauseReason.PERSON
    assert state_of(batch).word == "Paused"
    batch.pause_reason, batch.pause_message = PauseReason.ENDPOINT, "No answer"
    batch.retry_at = timezone.now()
    assert state_of(batch).word == "Held up"
    assert state_of(batch).note.startswith("No answer, next try ")
    batch.pause_reason, batch.pause_message, batch.retry_at = PauseReason.CREDENTIALS, "", None
    assert (state_of(batch).word, state_of(batch).note) == ("Turned away", "the engine refuses the key")


def test_a_moment_of_today_is_a_time() -> None:
    now = timezone.now()
    with translation.override("de"):
        assert ":" in moment(now)
        assert "." in moment(now - timedelta(days=2))


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (999, "999 B"), (31_000, "31 kB"), (5_140_000, "5.1 MB"), (50_000_000, "50 MB")]
)
def test_sizes_are_decimal(count: int, words: str) -> None:
    assert size(count) == words


def test_a_link_of_a_list_keeps_the_rest_of_the_address() -> None:
    template = Template("{% load lists_address %}{% address page=2 state='' %}")
    request = RequestFactory().get("/?q=a+b&state=draft&page=1")

    assert template.render(Context({"request": request}, autoescape=False)) == "?q=a+b&page=2"
