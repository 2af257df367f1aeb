"""From a model's reply to what the batch holds: real server, real drain."""

from collections.abc import Callable, Iterator

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
def read(user: User, server: vlm_server.Server, settings: Settings) -> Iterator[Callable[[int], list[Card]]]:
    settings.ALLOW_PRIVATE_ENGINES = ["127.0.0.1"]
    service = Service(threads=2, engines=Engines())

    def read(number: int) -> list[Card]:
        engine = Engine.objects.create(
            name="gpu", kind=Engine.Kind.OPENAI_COMPATIBLE, address=server.url, model="test-model", timeout=5
        )
        batch = Batch.objects.create(name="Drawer 12", owner=user, engine=engine, fields=FIELDS)
        for card in range(number):
            adding.add_file(batch, f"{card}.jpg", [vlm_server.card_image(card, (160, 120))])
        runs.start(batch, user)
        service.wake(batch.pk)
        until(lambda: Batch.objects.get(pk=batch.pk).status == BatchStatus.COMPLETED, 20)
        return list(batch.cards.order_by("position"))

    yield read
    service.stop(10)


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_a_card_on_which_nothing_was_found_is_read_and_to_be_checked(
    nothing: str | None, server: vlm_server.Server, read: Callable[[int], list[Card]]
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
    assert (batch.completed, batch.failed, batch.to_check) == (2, 0, 2)
    assert len(server.calls) == 2


def test_a_card_on_which_the_model_repeats_itself_says_so_and_is_not_tried_for_ever(
    server: vlm_server.Server, read: Callable[[int], list[Card]]
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
