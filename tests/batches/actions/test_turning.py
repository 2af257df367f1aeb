from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from batches.actions import cards as card_actions
from batches.actions import turning
from batches.changes import TransitionRefused
from batches.intake import adding, derive, store
from batches.intake.regions import turned
from batches.models import Batch, Card, CardResult, CardScan
from batches.states import BatchStatus, CardStatus, TurnedBy
from tests.batches.intake import pictures
from tests.batches.reading import give_result, stored

BOX = [0.1, 0.2, 0.3, 0.1]


@pytest.fixture
def read(batch: Batch) -> Card:
    """A card that was read, with a back, and a value found on each side."""
    batch.options = {"rotation": 0}
    batch.save()
    cards = [adding.add_file(batch, f"{n}.jpg", [pictures.jpeg((80 + n, 40))]).cards[0] for n in (1, 2)]
    derive.prepare_many(cards)
    card, back = batch.cards.order_by("position")
    card.back = CardScan.objects.create(card=card, role=CardScan.Role.BACK, **back.as_scan())
    card.save()
    Card.objects.filter(pk=card.pk).update(status=CardStatus.COMPLETED)
    Batch.objects.update(status=BatchStatus.COMPLETED, completed=1)
    fields = {
        "author": stored("Grieg") | {"regions": [BOX]},
        "title": stored("Spring") | {"regions": [BOX], "on_back": True},
        "year": stored("1881") | {"regions": []},
    }
    give_result(card, fields)
    return again(card)


def again(card: Card) -> Card:
    return Card.objects.select_related("batch", "back", "result").get(pk=card.pk)


def test_a_box_follows_its_image() -> None:
    assert turned([0.1, 0.2, 0.3, 0.4], 0) == [0.1, 0.2, 0.3, 0.4]
    assert turned([0.1, 0.2, 0.3, 0.4], 90) == [0.4, 0.1, 0.4, 0.3]
    assert turned([0.1, 0.2, 0.3, 0.4], 180) == [0.6, 0.4, 0.3, 0.4]
    assert turned(turned([0.1, 0.2, 0.3, 0.4], 90), 270) == [0.1, 0.2, 0.3, 0.4]


def test_a_card_that_was_read_turns_at_once_and_stays_as_it_was_read(read: Card) -> None:
    values, prepared = read.result.values, read.prepared_at
    turning.turn(read, 90, read.batch.owner)
    card = again(read)
    assert (card.rotation, card.turned_by, card.status) == (90, TurnedBy.PERSON, CardStatus.COMPLETED)
    assert (card.prepared_at, card.files_due) == (prepared, True)
    with Image.open(store.derived(card, "page")) as page, Image.open(store.derived(card, "thumb")) as thumb:
        assert page.size == thumb.size == (40, 81)
    assert card.result.values == values
    assert card.result.fields["author"]["regions"] == [turned(BOX, 90)]
    assert card.result.fields["title"]["regions"] == [BOX]  # on the back, which lies as it lay
    assert (card.result.turned, card.result.back_turned) == (90, 0)
    turning.turn(card, 270)
    assert again(card).result.fields["author"]["regions"] == [BOX]
    assert again(card).result.turned == 0


def test_its_back_turns_alone(read: Card) -> None:
    turning.turn(read, 180, back=True)
    card = again(read)
    assert card.back is not None
    assert (card.rotation, card.back.rotation, card.back.turned_by) == (0, 180, TurnedBy.PERSON)
    assert store.derived(card.sides[1], "page").is_file()
    assert card.result.fields["title"]["regions"] == [turned(BOX, 180)]
    assert card.result.fields["author"]["regions"] == [BOX]
    assert (card.result.turned, card.result.back_turned) == (0, 180)


def test_what_a_person_has_typed_stays_and_other_readings_turn_too(read: Card) -> None:
    entries = [{"author": stored("Grieg") | {"regions": [BOX]}}]
    other = CardResult.objects.create(card=read, fields={}, entries=entries, values={})
    card_actions.correct(read, read.batch.owner, read.version, {"author": "Grieg, Edvard"})
    turning.turn(again(read), 90)
    assert again(read).result.values["author"] == "Grieg, Edvard"
    assert again(read).revisions.get().new == "Grieg, Edvard"
    other.refresh_from_db()
    assert other.entries == [{"author": stored("Grieg") | {"regions": [turned(BOX, 90)]}}]


def test_nothing_is_read_again_by_itself(read: Card) -> None:
    turning.turn(read, 90)
    batch = Batch.objects.get()
    assert (batch.status, batch.rereading) == (BatchStatus.COMPLETED, None)


@pytest.mark.parametrize("busy", [{"status": CardStatus.PROCESSING}, {"rotation": 180}])
def test_a_card_that_is_read_just_now_or_was_turned_meanwhile_is_left(
    read: Card, busy: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before: Callable[..., None] = derive.turn

    def meanwhile(*args: Any) -> None:
        before(*args)
        Card.objects.filter(pk=read.pk).update(**busy)

    monkeypatch.setattr(derive, "turn", meanwhile)
    with pytest.raises(TransitionRefused):
        turning.turn(read, 90)
    assert again(read).rotation == busy.get("rotation", 0)
    assert again(read).result.fields["author"]["regions"] == [BOX]


def test_a_scan_that_cannot_be_opened_any_more_is_not_turned(read: Card) -> None:
    store.find(read).unlink()
    with pytest.raises(TransitionRefused):
        turning.turn(read, 90)
    assert again(read).rotation == 0
