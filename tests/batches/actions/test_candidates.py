"""Of two readings a person says which holds; either can be taken back, and nobody overwrites another's decision."""

import pytest

from batches import changes
from batches.actions import candidates
from batches.actions import cards as card_actions
from batches.drain.candidates import UNSEEN
from batches.models import Batch, Card, CardResult
from batches.queries import results
from batches.states import BatchStatus, CardStatus, ResultState
from tests.batches.reading import give_result, stored


@pytest.fixture
def card(batch, make_cards) -> Card:
    """Read as Grieg, Peer Gynt, 1875; another reading says Sinding and 1876, and was not asked for the title."""
    card = make_cards(1, CardStatus.COMPLETED)[0]
    give_result(card, {"author": stored("Grieg"), "title": stored("Peer Gynt"), "year": stored("1875")})
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.COMPLETED)
    add_other(card, author="Sinding", year="1876")
    return Card.objects.get(pk=card.pk)


def add_other(card: Card, **values: str) -> CardResult:
    fields = {key: stored(value) for key, value in values.items()}
    other = CardResult.objects.create(
        card=card, fields=fields, values=values, state=ResultState.CANDIDATE, engine_name="second", model="m"
    )
    with changes.locked(card.batch_id) as change:
        fresh = Card.objects.get(pk=card.pk)
        change.touch_card(fresh, candidates=fresh.candidates + 1, to_check=True)
    return other


def other_of(card: Card) -> CardResult:
    return card.results.get(engine_name="second")


def states(card: Card) -> dict[str, str]:
    return dict(card.results.values_list("engine_name", "state"))


def counted(batch: Batch) -> tuple[int, int, int]:
    batch.refresh_from_db()
    return batch.to_check, batch.reviewed, batch.check_again


def test_the_whole_of_it_takes_the_place_of_what_held(batch, card, user):
    made = candidates.accept(card, user, card.version, other_of(card).pk)
    assert made.result == other_of(card)
    assert made.result.values == {"author": "Sinding", "title": "Peer Gynt", "year": "1876"}
    assert made.result.fields["title"]["value"] == "Peer Gynt", "what it was not asked for comes along"
    assert "peer gynt" in made.result.search
    assert states(card) == {"local": "earlier", "second": "accepted"}
    assert sorted(card.revisions.values_list("key", "old", "new", "by")) == [
        ("author", "Grieg", "Sinding", user.pk),
        ("year", "1875", "1876", user.pk),
    ]
    assert (made.candidates, made.files_due) == (0, True)
    assert counted(batch)[2] == 0


def test_it_can_be_taken_back(card, user):
    first = card.result
    made = candidates.accept(card, user, card.version, other_of(card).pk)
    made = candidates.accept(made, user, made.version, first.pk)
    assert made.result == first
    assert made.result.values == {"author": "Grieg", "title": "Peer Gynt", "year": "1875"}
    assert states(card) == {"local": "accepted", "second": "earlier"}


def test_some_of_its_values_are_corrections_of_what_holds(card, user):
    made = candidates.accept(card, user, card.version, other_of(card).pk, ["year"])
    assert made.result == card.result
    assert made.result.values == {"author": "Grieg", "title": "Peer Gynt", "year": "1876"}
    assert made.result.fields["year"]["value"] == "1875", "the machine's own reading stays"
    assert card.revisions.get().key == "year"
    assert (states(card)["second"], made.candidates) == ("accepted", 0)


def test_none_of_its_values_is_to_keep_what_holds(card, user):
    made = candidates.accept(card, user, card.version, other_of(card).pk, [])
    assert (made.result.values["author"], states(card)["second"]) == ("Grieg", "rejected")
    assert not card.revisions.exists()


def test_what_holds_is_kept_and_the_other_can_still_be_taken(batch, card, user):
    made = candidates.reject(card, card.version, other_of(card).pk)
    assert (made.result.values["author"], states(card)["second"]) == ("Grieg", "rejected")
    assert (made.candidates, counted(batch)[2]) == (0, 0)
    assert candidates.accept(made, user, made.version, other_of(card).pk).result.values["author"] == "Sinding"


def test_a_review_stands_and_holds_again_once_it_is_decided(batch, card, user):
    card = card_actions.mark_reviewed(card, user, card.version, True)
    assert counted(batch) == (1, 0, 1), "another reading still waits"
    made = candidates.reject(card, card.version, other_of(card).pk)
    assert (made.reviewed, made.to_check, counted(batch)) == (True, False, (0, 1, 0))


@pytest.mark.parametrize("asked_too", [False, True])
def test_a_field_that_came_after_the_review_still_waits_for_a_look(batch, card, user, asked_too):
    card = card_actions.mark_reviewed(card, user, card.version, True)
    place = stored("under the stairs", issues=["type"]) | {UNSEEN: True}
    with changes.locked(batch) as change:  # as a re-reading with a new version of the template adds it
        batch.fields = [*batch.fields, {"key": "place", "label": "Place"}]
        change.set(fields=batch.fields)
        card.result.fields |= {"place": place}
        card.result.values |= {"place": "under the stairs"}
        card.result.save()
    if asked_too:
        other = other_of(card)
        other.fields |= {"place": stored("under the stairs")}
        other.values |= {"place": "under the stairs"}
        other.save()
    card.refresh_from_db()
    made = candidates.accept(card, user, card.version, other_of(card).pk)
    assert (made.reviewed, made.candidates, made.to_check) == (True, 0, True)
    made = card_actions.mark_reviewed(made, user, made.version, True)
    made = candidates.accept(made, user, made.version, card.result.pk)
    assert not made.to_check, "somebody has seen it by now"


def test_of_two_others_the_second_still_waits(batch, card, user):
    add_other(card, author="Svendsen").refresh_from_db()
    card.refresh_from_db()
    first = card.results.filter(engine_name="second").order_by("pk")[0]
    made = candidates.reject(card, card.version, first.pk)
    assert (made.candidates, made.to_check, counted(batch)[2]) == (1, True, 1)


def test_a_correction_made_before_still_counts_after_another_reading_was_taken(batch, card, user):
    card = card_actions.correct(card, user, card.version, {"title": "Solveig"})
    made = candidates.accept(card, user, card.version, other_of(card).pk)
    corrections = results.corrections_of([Card.objects.select_related("result").get(pk=made.pk)])
    assert {key: one.new for (_card, key), one in corrections.items()} == {
        "author": "Sinding",
        "title": "Solveig",
        "year": "1876",
    }


def test_who_saw_an_older_card_decides_nothing(card, user, other_user):
    card_actions.correct(card, other_user, card.version, {"title": "Solveig"})
    for decide in (
        lambda: candidates.accept(card, user, card.version, other_of(card).pk),
        lambda: candidates.reject(card, card.version, other_of(card).pk),
    ):
        with pytest.raises(card_actions.EditConflict):
            decide()
    assert states(card)["second"] == "candidate"


def test_the_reading_of_another_card_is_none_of_this_ones(card, user, make_cards):
    another = make_cards(1, CardStatus.COMPLETED)[0]
    give_result(another, {"author": stored("Kjerulf")})
    foreign = add_other(another, author="Sinding")
    card.refresh_from_db()
    for result in (foreign, card.result):
        with pytest.raises(candidates.NoSuchReading):
            candidates.accept(card, user, card.version, result.pk)


def test_a_value_that_is_the_same_after_normalisation_is_no_difference(batch, card):
    other = add_other(card, author="  Grieg ", year="1875")
    assert candidates.differing(batch, card.result, other) == []
