"""Acts on many cards: only what they mean, in blocks, one entry, and back where nobody has touched the card since."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches import changes
from batches.actions import bulk, cards, undoing
from batches.drain.candidates import UNSEEN
from batches.models import ActedCard, Activity, Batch, Card, CardResult, FieldRevision
from batches.queries import grid
from batches.states import BatchStatus, CardStatus, SkipReason
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]


@pytest.fixture
def batch(batch: Batch) -> Batch:
    Batch.objects.update(status=BatchStatus.COMPLETED)
    batch.refresh_from_db()
    return batch


def filters(batch: Batch, query: str = "") -> grid.Filters:
    return grid.Filters.from_query(QueryDict(query), batch)


def begin(batch: Batch, user: User, name: str, query: str = "") -> Activity:
    return bulk.begin(batch, user, filters(batch, query), name)


def statuses(batch: Batch) -> list[str]:
    return list(batch.cards.order_by("position").values_list("status", flat=True))


def counters_hold(batch: Batch) -> None:
    """The batch's own figures are those that counting would give."""
    batch.refresh_from_db()
    for name, number in grid.counts(batch).items():
        assert grid.narrowed(batch, grid.Filters(name=name)).count() == number, name


@pytest.fixture
def read(batch: Batch, make_cards: Make) -> list[Card]:
    """Three, of which the first is to check, and one that failed."""
    with_doubt = make_cards(1, CardStatus.COMPLETED, to_check=True)
    made = [*with_doubt, *make_cards(2, CardStatus.COMPLETED), *make_cards(1, CardStatus.FAILED, error="x")]
    for card in made[:3]:
        give_result(card, {"author": stored("Grieg", confidence=0.3 if card.to_check else 0.95)})
    Batch.objects.update(to_check=1)
    return made


def test_cards_are_marked_and_go_back(batch: Batch, read: list[Card], user: User) -> None:
    entry = begin(batch, user, "review")
    assert (entry.kind, entry.count, bulk.is_open(entry)) == ("review", 3, False)
    assert list(batch.cards.order_by("position").values_list("reviewed", "to_check")) == [(True, False)] * 3 + [
        (False, False)
    ]
    counters_hold(batch)
    undone = undoing.undo(entry, user)
    assert undone.what["undo"] == {"after": undone.what["undo"]["after"], "back": 3, "kept": 0, "open": False}
    assert list(batch.cards.order_by("position").values_list("reviewed", "to_check")) == [
        (False, True),
        (False, False),
        (False, False),
        (False, False),
    ]
    counters_hold(batch)


def test_what_nobody_has_seen_is_as_unseen_as_before_when_a_review_goes_back(
    batch: Batch, read: list[Card], user: User
) -> None:
    added = stored("Bergen", confidence=0.3)
    for card in read[:2]:
        give_result(card, {"author": stored("Grieg"), "place": added | {UNSEEN: True}})
    seen_at = timezone.now() - timedelta(days=3)
    checks = {"author": {"by": str(user.pk), "at": "2026-11-01T10:00:00+00:00"}}
    CardResult.objects.filter(card=read[0], state="current").update(checks=checks)
    batch.cards.filter(pk=read[0].pk).update(looked_at=seen_at)

    def standing() -> list[tuple[Any, ...]]:
        shown = ("reviewed", "reviewed_by", "to_check", "looked_at", "flagged", "severity")
        return list(batch.cards.order_by("pk").values_list(*shown, "result__fields", "result__checks"))

    before = standing()
    entry = begin(batch, user, "review")
    assert not any(UNSEEN in str(fields) for fields in CardResult.objects.values_list("fields", flat=True))
    undoing.undo(entry, user)
    assert standing() == before


def test_a_card_that_somebody_touched_since_stays(batch: Batch, read: list[Card], user: User, other_user: User) -> None:
    entry = begin(batch, user, "review")
    touched = Card.objects.get(pk=read[1].pk)
    cards.correct(touched, other_user, touched.version, {"author": "Sinding"})
    undone = undoing.undo(entry, user)
    assert (undone.what["undo"]["back"], undone.what["undo"]["kept"]) == (2, 1)
    assert Card.objects.get(pk=touched.pk).reviewed
    counters_hold(batch)


def test_undone_twice_is_undone_once(batch: Batch, read: list[Card], user: User) -> None:
    entry = begin(batch, user, "review")
    undoing.undo(entry, user)
    begin(batch, user, "review")
    assert undoing.undo(Activity.objects.get(pk=entry.pk), user).undone_by == user
    assert batch.cards.filter(reviewed=True).count() == 3


def test_taking_a_review_back_looks_for_doubts_again(batch: Batch, read: list[Card], user: User) -> None:
    begin(batch, user, "review")
    begin(batch, user, "unreview")
    assert not batch.cards.filter(reviewed=True).exists()
    # the local engine's values are all to be looked at
    assert batch.cards.filter(to_check=True).count() == 3
    counters_hold(batch)


def test_only_the_named_cards_that_it_is_meant_for(batch: Batch, read: list[Card], user: User) -> None:
    entry = begin(batch, user, "review", f"cards={read[0].pk},{read[3].pk}")
    assert entry.count == 1
    with pytest.raises(bulk.NothingToDo):
        begin(batch, user, "retry", f"cards={read[0].pk}")
    assert Activity.objects.count() == 1


def test_failed_cards_are_read_again_and_fail_again(batch: Batch, read: list[Card], user: User) -> None:
    entry = begin(batch, user, "retry")
    assert statuses(batch)[3] == CardStatus.PENDING
    assert Batch.objects.get().status == BatchStatus.QUEUED
    undoing.undo(entry, user)
    back = Card.objects.get(pk=read[3].pk)
    assert (back.status, back.error) == (CardStatus.FAILED, "x")
    assert Batch.objects.get().status == BatchStatus.COMPLETED
    counters_hold(batch)


def test_a_card_that_a_worker_has_taken_does_not_go_back(batch: Batch, read: list[Card], user: User) -> None:
    entry = begin(batch, user, "retry")
    with changes.locked(batch) as change:
        change.move_cards(batch.cards.filter(pk=read[3].pk), CardStatus.PROCESSING)
    assert undoing.undo(entry, user).what["undo"]["kept"] == 1
    assert statuses(batch)[3] == CardStatus.PROCESSING


def test_cards_are_left_out_and_come_back_as_they_were(batch: Batch, read: list[Card], user: User) -> None:
    entry = begin(batch, user, "skip")
    left = Card.objects.get(pk=read[3].pk)
    assert (entry.count, left.status, left.skip_reason, left.error) == (1, CardStatus.SKIPPED, SkipReason.PERSON, "")
    undoing.undo(entry, user)
    back = Card.objects.get(pk=read[3].pk)
    assert (back.status, back.skip_reason, back.error) == (CardStatus.FAILED, "", "x")
    counters_hold(batch)


def test_cards_are_turned_and_turned_back(batch: Batch, make_cards: Make, user: User) -> None:
    make_cards(1, CardStatus.FAILED, rotation=270, error="x")
    make_cards(1, CardStatus.FAILED, rotation=0, error="x")
    entry = begin(batch, user, "turn-right")
    assert list(batch.cards.order_by("position").values_list("rotation", flat=True)) == [0, 90]
    Card.objects.filter(position=1).update(version=999)  # its new picture is made
    assert undoing.undo(entry, user).what["undo"]["back"] == 2
    assert list(batch.cards.order_by("position").values_list("rotation", flat=True)) == [270, 0]


def test_the_places_of_what_was_read_turn_along_and_back(
    batch: Batch, make_cards: Make, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    places = [[0.1, 0.2, 0.3, 0.05]]
    for card in make_cards(30, CardStatus.COMPLETED):
        give_result(card, {"author": stored("Grieg", regions=places)})

    def regions() -> list[float]:
        result = CardResult.objects.first()
        assert result is not None
        return [round(number, 6) for number in result.fields["author"]["regions"][0]]

    with django_assert_max_num_queries(25):  # however many there are
        entry = begin(batch, user, "turn-right")
    assert entry.count == 30
    assert regions() == [0.75, 0.1, 0.05, 0.3]
    assert CardResult.objects.exclude(turned=90).count() == 0
    assert undoing.undo(entry, user).what["undo"]["back"] == 30
    assert regions() == places[0]
    assert CardResult.objects.exclude(turned=0).count() == 0


def test_it_goes_in_blocks_and_goes_on(
    batch: Batch, make_cards: Make, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for card in make_cards(5, CardStatus.COMPLETED):
        give_result(card, {"author": stored("Grieg")})
    monkeypatch.setattr(bulk, "BLOCK", 2)
    monkeypatch.setattr(bulk, "WITHIN", -1.0)
    entry = bulk.begin(batch, user, filters(batch), "review")
    assert (entry.count, bulk.is_open(entry)) == (2, True)
    while bulk.is_open(entry):
        entry = bulk.go_on(entry, -1.0)
    assert (entry.count, ActedCard.objects.count()) == (5, 5)
    assert Activity.objects.count() == 1
    entry = bulk.take_back(entry, user)
    while bulk.is_open(entry):
        entry = bulk.go_on(entry, -1.0)
    assert entry.what["undo"]["back"] == 5
    assert not batch.cards.filter(reviewed=True).exists()


def test_a_card_that_changed_after_it_began_is_left(batch: Batch, read: list[Card], user: User) -> None:
    entry = begin(batch, user, "review", f"cards={read[0].pk}")
    Activity.objects.update(what=entry.what | {"query": "", "open": True, "after": 0, "upto": 0})
    Card.objects.filter(pk=read[1].pk).update(version=7)
    assert bulk.go_on(Activity.objects.get()).count == 2
    assert not Card.objects.get(pk=read[1].pk).reviewed


def test_corrections_go_back_but_not_those_that_were_corrected_again(
    batch: Batch, read: list[Card], user: User, other_user: User
) -> None:
    one, other = read[0], read[1]
    saved = cards.correct(one, user, one.version, {"author": "Sinding", "title": "Rustle"})
    cards.correct(other, user, other.version, {"author": "Halvorsen"})
    cards.correct(one, other_user, saved.version, {"author": "Svendsen"})
    undone = undoing.undo(Activity.objects.get(by=user), user)
    assert (undone.what["undo"]["back"], undone.what["undo"]["kept"]) == (2, 1)
    values = {pk: values for pk, values in batch.cards.values_list("pk", "result__values") if values}
    assert (values[one.pk]["author"], values[one.pk].get("title")) == ("Svendsen", None)
    assert values[other.pk]["author"] == "Grieg"
    assert FieldRevision.objects.filter(new="Grieg", by=user).count() == 1, "the history stays"
    assert Activity.objects.count() == 2, "taking back is told where it was done"
