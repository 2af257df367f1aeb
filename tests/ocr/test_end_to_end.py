"""From a model's reply to what the batch holds: real server, real drain."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from batches import progress
from batches.actions import runs
from batches.drain.engines import Engines
from batches.drain.service import Service
from batches.intake import adding
from batches.models import Batch, Card
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from ocr.models import Engine
from tests import vlm_server
from tests.conftest import FIELDS
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server() -> Iterator[vlm_server.Server]:
    with vlm_server.running() as server:
        yield server


@pytest.fixture
def read(user: User, server: vlm_server.Server, settings: Settings) -> Iterator[Callable[..., list[Card]]]:
    settings.ALLOW_PRIVATE_ENGINES = ["127.0.0.1"]
    service = Service(threads=2, engines=Engines())

    def read(number: int, **options: Any) -> list[Card]:
        engine = Engine.objects.create(
            name="gpu", kind=Engine.Kind.OPENAI_COMPATIBLE, address=server.url, model="test-model", timeout=20
        )
        batch = Batch.objects.create(name="Drawer 12", owner=user, engine=engine, fields=FIELDS, options=options)
        for card in range(number):
            adding.add_file(batch, f"{card}.jpg", [vlm_server.card_image(card, (160, 120))])
        runs.start(batch, user)
        service.wake(batch.pk)
        until(lambda: Batch.objects.get(pk=batch.pk).status == BatchStatus.COMPLETED)
        return list(batch.cards.order_by("position"))

    yield read
    service.stop(10)


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_a_card_on_which_nothing_was_found_is_read_and_to_be_checked(
    nothing: str | None, server: vlm_server.Server, read: Callable[..., list[Card]]
) -> None:
    server.answer(dict.fromkeys((field["key"] for field in FIELDS), nothing))
    cards = read(2)
    assert [(card.status, card.to_check, card.error, card.tries) for card in cards] == [
        (CardStatus.COMPLETED, True, "", 1)
    ] * 2
    for card in cards:
        assert set(card.result.values.values()) == {None}
        assert {stored["state"] for stored in card.result.fields.values()} == {"absent"}
        assert {stored["verbatim"] for stored in card.result.fields.values()} == {None if nothing is None else ""}
    batch = Batch.objects.get()
    assert (batch.completed, batch.failed, batch.to_check, batch.nothing_found) == (2, 0, 2, 2)
    assert len(server.calls) == 2


def test_a_card_on_which_the_model_repeats_itself_says_so_and_is_not_tried_for_ever(
    server: vlm_server.Server, read: Callable[..., list[Card]]
) -> None:
    server.answer({FIELDS[0]["key"]: "Das Meer " * 500})
    (card,) = read(1)
    assert (card.status, card.error, card.tries) == (CardStatus.FAILED, "reply_looping", 1)
    assert progress.error_sentence(card.error) != progress.error_sentence("error")
    assert len(server.calls) == 4
    assert [call.payload["temperature"] for call in server.calls] == [0, 0.1, 0.5, 0.8]
    attempt = card.attempts.get()
    assert (attempt.tokens_in, attempt.tokens_out, float(attempt.cost)) == (4800, 600, pytest.approx(4 * 0.00039))
    assert attempt.raw_reply.count("Asked again") == 3


def test_all_that_can_be_asked_for_comes_in_one_call(
    server: vlm_server.Server, read: Callable[..., list[Card]]
) -> None:
    options = {"transcribe": True, "describe_pictures": True, "summarize": True, "multiple_entries": True}
    server.answer({"year": "81"})
    (card,) = read(1, **options)
    result = card.result
    assert (card.status, len(server.calls)) == (CardStatus.COMPLETED, 1)
    assert [entry["author"]["value"] for entry in result.entries] == ["author 0", "author 0, entry 2"]
    assert {entry["year"]["value"] for entry in result.entries} == {"1981"}
    assert result.values == {"author": "author 0", "title": "title 0", "year": "1981"}
    assert (result.transcription, result.pictures, result.summary) == ("transcription 0", "pictures 0", "summary 0")
    for words in ("author 0, entry 2", "transcription 0", "pictures 0", "summary 0"):
        assert words in result.search
    asked = server.calls[0].payload["response_format"]["json_schema"]["schema"]["properties"]
    assert list(asked) == ["transcription", "entries", "pictures", "summary"]


def test_doubt_about_a_further_entry_leaves_the_card_to_check(
    server: vlm_server.Server, read: Callable[..., list[Card]]
) -> None:
    sure = {"author": "A", "author__confidence": 0.9, "title": None, "year": "1981", "year__confidence": 0.9}
    server.answer({"entries": [sure, sure | {"author": "B", "author__confidence": 0.3}]})
    (card,) = read(1, multiple_entries=True)
    assert (card.to_check, card.result.confidence) == (True, 0.3)


def test_a_card_with_no_entry_is_read_and_to_be_checked(
    server: vlm_server.Server, read: Callable[..., list[Card]]
) -> None:
    server.answer({"entries": []})
    (card,) = read(1, multiple_entries=True)
    assert (card.status, card.to_check, card.result.entries) == (CardStatus.COMPLETED, True, [])
    assert set(card.result.values.values()) == {None}
