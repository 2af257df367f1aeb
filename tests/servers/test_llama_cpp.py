"""llama.cpp's own server, with a vision model that is made for it: the colour of each card must come back."""

import pytest

from batches.models import Attempt
from batches.states import PauseReason
from tests.conftest import image_bytes
from tests.servers.reading import all_read, over, paused, values
from tests.waiting import until

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]


def levels(card: int) -> tuple[int, int, int]:
    """64 colours that are far apart: the level of each channel, 0 to 3."""
    return card // 16 % 4, card // 4 % 4, card % 4


def coloured(card: int) -> bytes:
    return image_bytes((120, 120), colour=tuple(32 + 64 * level for level in levels(card)))


def word(card: int) -> str:
    """What tests/servers/colour_reader.py writes for that card."""
    red, green, blue = levels(card)
    return "ABCD"[red] + "fghi"[green] + "6789"[blue]


def test_each_card_s_own_picture_is_read_right_to_the_last_card(llama_cpp, start):
    batch = start(llama_cpp, 64, draw=coloured)
    all_read(batch)
    assert values(batch) == {f"{n}.jpg": (word(n), word(n)) for n in range(64)}
    assert Attempt.objects.filter(card__batch=batch).count() == 64, "two slots, more calls at a time: they waited"


def test_tokens_are_counted_and_so_are_those_that_it_had_kept(llama_cpp, start):
    batch = start(llama_cpp, 8, draw=coloured, max_in_flight=1)
    all_read(batch)
    batch.refresh_from_db()
    assert batch.tokens_in > 8 * 1000
    assert 0 < batch.tokens_cached < batch.tokens_in
    assert batch.tokens_out == sum(attempt.tokens_out for attempt in Attempt.objects.all())
    assert set(Attempt.objects.values_list("model", flat=True)) == {"colour-reader"}


def test_a_wrong_key_pauses_the_batch_and_costs_no_card(llama_cpp, start):
    batch = start(llama_cpp, 12, key="sk-of-somebody-else", draw=coloured)
    until(paused(batch, PauseReason.CREDENTIALS))
    batch.refresh_from_db()
    assert (batch.failed, batch.completed) == (0, 0)
    assert "does not accept the key (401)" in batch.pause_message


def test_what_does_not_fit_into_its_context_is_told_as_that(llama_cpp, engine_of, begin):
    batch = begin(engine_of(llama_cpp), 1, coloured, instruction="Leave out all stamps. " * 400)
    until(over(batch))
    card = batch.cards.get()
    assert (card.status, card.error) == ("failed", "image_too_large")
    assert "exceeds the available context size (8192 tokens)" in Attempt.objects.latest("pk").error_message
