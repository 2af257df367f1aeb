import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from batches import changes
from batches.actions import cards
from batches.models import Batch, Card, FieldRevision
from batches.queries import results
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from ocr.models import Engine
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]


@pytest.fixture
def asking(batch: Batch) -> Batch:
    """Read by a vision-language model, so that only doubtful values are to be checked."""
    engine = Engine.objects.create(kind=Engine.Kind.OPENAI_COMPATIBLE, name="model", address="http://127.0.0.1:9/v1")
    Batch.objects.filter(pk=batch.pk).update(engine=engine, status=BatchStatus.COMPLETED)
    batch.refresh_from_db()
    return batch


@pytest.fixture
def doubtful(asking: Batch, make_cards: Make) -> Card:
    card = make_cards(1, CardStatus.COMPLETED, to_check=True)[0]
    give_result(card, {"author": stored("Greig", confidence=0.3), "title": stored("Songs"), "year": stored("1901")})
    Batch.objects.filter(pk=asking.pk).update(to_check=1)
    return card


def test_a_correction_is_recorded_and_the_machines_reading_stays(doubtful: Card, user: User) -> None:
    card = cards.correct(doubtful, user, doubtful.version, {"author": " Grieg ", "unknown": "x"})
    assert card.result
    assert card.result.values == {"author": "Grieg", "title": "Songs", "year": "1901"}
    assert card.result.fields["author"]["value"] == "Greig"
    revision = FieldRevision.objects.get()
    assert (revision.key, revision.old, revision.new, revision.by) == ("author", "Greig", "Grieg", user)
    assert Card.objects.get(pk=card.pk).files_due


def test_a_corrected_field_is_no_longer_to_check(doubtful: Card, user: User) -> None:
    card = cards.correct(doubtful, user, doubtful.version, {"author": "Grieg"})
    batch = Batch.objects.get()
    assert (card.to_check, batch.to_check) == (False, 0)
    assert card.version == batch.version


def test_another_doubtful_field_still_is(doubtful: Card, user: User) -> None:
    card = cards.correct(doubtful, user, doubtful.version, {"title": "Other songs"})
    assert (card.to_check, Batch.objects.get().to_check) == (True, 1)


def test_of_the_local_engine_every_field_is_to_check(doubtful: Card, user: User, engine: Engine) -> None:
    Batch.objects.update(engine=engine)
    card = cards.correct(doubtful, user, doubtful.version, {"author": "Grieg"})
    assert card.to_check
    card = cards.correct(card, user, card.version, {"title": "More songs", "year": "1902"})
    assert not card.to_check


def test_text_is_found_by_its_corrected_value(doubtful: Card, user: User) -> None:
    card = cards.correct(doubtful, user, doubtful.version, {"author": "Ångström"})
    assert card.result
    assert "angstrom" in card.result.search.split()  # as what is looked for is folded, too
    assert "greig" not in card.result.search


def test_nothing_changed_is_nothing_written(doubtful: Card, user: User) -> None:
    before = Batch.objects.get().version
    cards.correct(doubtful, user, doubtful.version, {"author": "Greig"})
    assert Batch.objects.get().version == before
    assert not FieldRevision.objects.exists()


def test_a_value_of_another_kind_is_accepted_and_marked(doubtful: Card, user: User, asking: Batch) -> None:
    card = cards.correct(doubtful, user, doubtful.version, {"year": "before the war"})
    row = results.rows(asking, [card])[0]
    assert (row.cells[2].value, row.cells[2].mark) == ("before the war", "other kind")


def test_the_second_of_two_is_told(doubtful: Card, user: User, other_user: User) -> None:
    cards.correct(doubtful, user, doubtful.version, {"author": "Grieg"})
    with pytest.raises(cards.EditConflict) as caught:
        cards.correct(doubtful, other_user, doubtful.version, {"author": "Gregg"})
    assert caught.value.current.result
    assert caught.value.current.result.values["author"] == "Grieg"
    assert FieldRevision.objects.count() == 1


def test_save_and_say_that_it_is_right(doubtful: Card, user: User) -> None:
    card = cards.correct(doubtful, user, doubtful.version, {"author": "Grieg"}, reviewed=True)
    batch = Batch.objects.get()
    assert (card.reviewed, card.reviewed_by, batch.reviewed, batch.to_check) == (True, user, 1, 0)


def test_right_and_not_right(doubtful: Card, user: User) -> None:
    card = cards.mark_reviewed(doubtful, user, doubtful.version, True)
    assert (card.reviewed, card.to_check, Batch.objects.get().reviewed) == (True, False, 1)
    again = cards.mark_reviewed(doubtful, user, 0, True)  # said twice, of an old version: the same
    assert again.version == card.version
    card = cards.mark_reviewed(card, user, card.version, False)
    assert (card.reviewed, card.reviewed_by, card.to_check) == (False, None, True)


def test_right_for_a_card_that_changed_is_refused(doubtful: Card, user: User, other_user: User) -> None:
    cards.correct(doubtful, other_user, doubtful.version, {"author": "Grieg"})
    with pytest.raises(cards.EditConflict):
        cards.mark_reviewed(doubtful, user, doubtful.version, True)


@pytest.mark.parametrize("status", [CardStatus.PENDING, CardStatus.FAILED, CardStatus.SKIPPED])
def test_only_what_was_read_is_corrected(asking: Batch, make_cards: Make, user: User, status: CardStatus) -> None:
    card = make_cards(1, status)[0]
    with pytest.raises(changes.TransitionRefused):
        cards.correct(card, user, card.version, {"author": "x"})
    with pytest.raises(changes.TransitionRefused):
        cards.mark_reviewed(card, user, card.version, True)


def test_values_entered_by_hand(asking: Batch, make_cards: Make, user: User) -> None:
    card = make_cards(1, CardStatus.FAILED, error="reply_invalid", error_message="x")[0]
    entered = cards.enter_by_hand(card, user, {"author": "Grieg", "title": "", "year": "1901"})
    batch = Batch.objects.get()
    assert entered.result
    assert (entered.status, entered.error, entered.result.by_hand) == (CardStatus.COMPLETED, "", True)
    assert entered.result.values == {"author": "Grieg", "title": None, "year": "1901"}
    assert (batch.failed, batch.completed, batch.reviewed, batch.to_check) == (0, 1, 1, 0)
    assert {one.key for one in FieldRevision.objects.filter(by_hand=True)} == {"author", "year"}
    row = results.rows(batch, [entered])[0]
    assert (row.pill.word, row.cells[0].by_hand, row.cells[0].by) == ("Checked", True, "Ingrid Solberg")


def test_taking_back_right_of_a_card_entered_by_hand(asking: Batch, make_cards: Make, user: User) -> None:
    card = cards.enter_by_hand(make_cards(1, CardStatus.FAILED)[0], user, {"author": "Grieg"})
    assert not cards.mark_reviewed(card, user, card.version, False).to_check


def test_by_hand_only_what_was_not_read(doubtful: Card, user: User) -> None:
    with pytest.raises(changes.TransitionRefused):
        cards.enter_by_hand(doubtful, user, {"author": "x"})


def test_by_hand_not_before_the_start(batch: Batch, card: Card, user: User) -> None:
    with pytest.raises(changes.TransitionRefused):
        cards.enter_by_hand(card, user, {"author": "x"})


def test_the_last_card_entered_by_hand_finishes_the_batch(asking: Batch, make_cards: Make, user: User) -> None:
    card = make_cards(1)[0]
    Batch.objects.filter(pk=asking.pk).update(status=BatchStatus.RUNNING)
    cards.enter_by_hand(card, user, {"author": "Grieg"})
    assert Batch.objects.get().status == BatchStatus.COMPLETED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BatchStatus.COMPLETED, BatchStatus.QUEUED),
        (BatchStatus.CANCELLED, BatchStatus.QUEUED),
        (BatchStatus.PAUSED, BatchStatus.PAUSED),
        (BatchStatus.RUNNING, BatchStatus.RUNNING),
    ],
)
def test_a_card_that_was_left_out_is_read_after_all(
    asking: Batch, make_cards: Make, before: BatchStatus, after: BatchStatus
) -> None:
    card = make_cards(1, CardStatus.SKIPPED, skip_reason="blank")[0]
    stopped = make_cards(1, CardStatus.CANCELLED)[0]
    Batch.objects.filter(pk=asking.pk).update(status=before, skipped=1, cancelled=1, total=2, pending=0)
    for _twice in range(2):
        card = cards.read_after_all(card)
        assert (card.status, card.skip_reason) == (CardStatus.PENDING, "")
    batch = Batch.objects.get(pk=asking.pk)
    assert (batch.status, batch.skipped, batch.pending) == (after, 0, 1)
    assert Card.objects.get(pk=stopped.pk).status == CardStatus.CANCELLED


@pytest.mark.parametrize("status", [CardStatus.COMPLETED, CardStatus.FAILED, CardStatus.CANCELLED])
def test_only_a_card_that_was_left_out_is_read_after_all(asking: Batch, make_cards: Make, status: CardStatus) -> None:
    card = make_cards(1, status)[0]
    with pytest.raises(changes.TransitionRefused):
        cards.read_after_all(card)
    assert Card.objects.get(pk=card.pk).status == status


def test_where_nothing_was_found_a_persons_value_is_something(asking: Batch, make_cards: Make, user: User) -> None:
    card = make_cards(1, CardStatus.COMPLETED, to_check=True, nothing_found=True)[0]
    give_result(card, {key: stored(None) for key in ("author", "title", "year")})
    Batch.objects.filter(pk=asking.pk).update(to_check=1, nothing_found=1)
    card = cards.mark_reviewed(card, user, card.version, True)
    assert (card.nothing_found, Batch.objects.get().nothing_found) == (True, 1), "a person has seen that it is empty"
    card = cards.correct(card, user, card.version, {"author": "Grieg"})
    assert (card.nothing_found, Batch.objects.get().nothing_found) == (False, 0)
    card = cards.correct(card, user, card.version, {"author": None})
    assert (card.nothing_found, Batch.objects.get().nothing_found) == (True, 1)


@pytest.mark.django_db(transaction=True)
def test_of_a_thousand_edits_at_once_none_is_lost_and_who_was_late_is_told(
    asking: Batch, make_cards: Make, user: User, other_user: User
) -> None:
    """Eight people at three cards, 125 edits each: who is told of another's value looks at it and saves again."""
    drawer = make_cards(3, CardStatus.COMPLETED)
    for card in drawer:
        give_result(card, {"title": stored("Songs")})
    Batch.objects.filter(pk=asking.pk).update(status=BatchStatus.COMPLETED)

    def one(person: int) -> int:
        told = 0
        chance = random.Random(person)
        try:
            for edit in range(125):
                mine = f"{person}-{edit}"
                card = Card.objects.get(pk=chance.choice(drawer).pk)
                while True:
                    try:
                        cards.correct(card, user if person % 2 else other_user, card.version, {"title": mine})
                        break
                    except cards.EditConflict as conflict:
                        theirs = conflict.current
                        assert theirs.version > card.version
                        assert theirs.result
                        assert theirs.result.values["title"] != mine, "both values can be shown"
                        card, told = theirs, told + 1
        finally:
            connections.close_all()
        return told

    with ThreadPoolExecutor(8) as people:
        told = sum(people.map(one, range(8)))
    assert told, "they did meet"
    assert FieldRevision.objects.count() == 1000
    assert set(FieldRevision.objects.values_list("new", flat=True)) == {
        f"{p}-{e}" for p in range(8) for e in range(125)
    }
    for card in Card.objects.select_related("result"):
        chain = list(FieldRevision.objects.filter(card=card).order_by("pk").values_list("old", "new"))
        assert [old for old, _new in chain] == ["Songs", *(new for _old, new in chain[:-1])], "each saw what it changed"
        assert card.result
        assert card.result.values["title"] == chain[-1][1]
    asking.refresh_from_db()
    assert asking.version >= 1000
