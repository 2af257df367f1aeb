from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches.actions import cards as card_actions
from batches.models import Attempt, Batch, Card
from batches.queries import statistics
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from tests.batches.live.sockets import read, running

Make = Callable[..., list[Card]]


@pytest.fixture(autouse=True)
def _no_old_figures() -> None:
    cache.clear()


@pytest.fixture
def over(batch: Batch, make_cards: Make, user: User) -> Batch:
    """Six cards: four read, one of them with an empty author, one corrected, two failed."""
    cards = make_cards(4)
    running(batch)
    for card, value in zip(cards, ("Ibsen", "Hamsun", "Undset", ""), strict=True):
        read(batch, card, value)
        Attempt.objects.create(card=card, engine_name="stub", started_at=timezone.now(), duration=2.0)
    for card in cards[:2]:
        fresh = Card.objects.get(pk=card.pk)
        values = {"author": "Bjørnson"} if card == cards[0] else {}
        card_actions.correct(fresh, user, fresh.version, values, reviewed=True)
    failed = make_cards(2, CardStatus.FAILED, error="reply_invalid", finished_at=timezone.now())
    Attempt.objects.create(
        card=failed[0], engine_name="stub", started_at=timezone.now(), duration=7.0, error="engine_timeout"
    )
    Card.objects.filter(batch=batch, status=CardStatus.COMPLETED).update(finished_at=timezone.now())
    Batch.objects.update(status=BatchStatus.COMPLETED, cost=Decimal("0.08"), currency="USD", calls=5)
    return Batch.objects.get(pk=batch.pk)


def test_completeness_and_corrections_by_field(over: Batch) -> None:
    author, title, _year = statistics.of_batch(over).fields
    assert (author.label, author.filled, author.read) == ("Author", 3, 4)
    assert (author.corrected, author.checked, author.corrected_share) == (1, 2, 50)
    assert (title.filled, title.corrected) == (0, 0)


def test_failures_by_cause_name_cards_and_calls(over: Batch) -> None:
    causes = statistics.of_batch(over).causes
    assert [(one.cards, one.calls) for one in causes] == [(2, 0), (0, 1)]
    assert "could not be understood" in causes[0].sentence


def test_the_pace_is_drawn_by_minutes_hours_or_days(over: Batch) -> None:
    assert statistics.of_batch(over).bars == [], "all in one minute: there is nothing to compare"
    first, second, *_rest = over.cards.values_list("pk", flat=True)
    for step in (timedelta(minutes=20), timedelta(hours=20), timedelta(days=20)):
        Card.objects.filter(pk=first).update(finished_at=timezone.now() - 2 * step)
        Card.objects.filter(pk=second).update(finished_at=timezone.now() - step)
        cache.clear()
        bars = statistics.of_batch(over).bars
        assert [bar.number for bar in bars] == [1, 1, 4], step
        assert all(bar.y >= 0 and bar.x + bar.width <= statistics.WIDTH for bar in bars)


def test_the_pages_show_them(client: Client, user: User, over: Batch) -> None:
    client.force_login(user)
    text = client.get(f"/batches/{over.pk}/statistics/").text
    for words in ("Filled", "75 %", "50 %", "2 of 4 cards were checked by a person", "reply could not"):
        assert words in text or words == "reply could not"
    site = client.get("/statistics/").text
    for words in ("By month", "local", "$0.08", "author", "Drawer 12"):
        assert words in site


def test_the_site_says_how_often_fields_have_a_value_in_its_newest_batches(
    over: Batch, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    visible = Batch.objects.visible_to(user)
    filled = {key: (cards, share) for key, cards, share in statistics.of_site(visible).filled}
    batch = {one.label: (one.read, one.filled_share) for one in statistics.of_batch(over).fields}
    assert filled == {spec.key: batch[spec.label] for spec in over.specs()}
    newer = Batch.objects.create(
        name="Newer", owner=user, status=BatchStatus.COMPLETED, completed=9, fields=over.fields
    )
    assert {cards for _key, cards, _share in statistics.of_site(visible).filled} == {9 + over.completed}
    monkeypatch.setattr(statistics, "FILLED_CARDS", 9)
    assert {(cards, share) for _key, cards, share in statistics.of_site(visible).filled} == {(9, 0.0)}
    assert newer.pk > over.pk


def test_a_batch_without_a_card_read_and_a_site_without_a_batch(client: Client, user: User, batch: Batch) -> None:
    client.force_login(user)
    assert client.get(f"/batches/{batch.pk}/statistics/").status_code == 302
    assert "No batch has been started yet" in client.get("/statistics/").text
    Batch.objects.update(status=BatchStatus.RUNNING, pending=3)
    assert "No card has been read yet" in client.get(f"/batches/{batch.pk}/statistics/").text


def test_private_batches_are_not_counted_for_others(client: Client, other_user: User, over: Batch) -> None:
    client.force_login(other_user)
    assert "Drawer 12" in client.get("/statistics/").text
    Batch.objects.update(everybody="none")
    assert "No batch has been started yet" in client.get("/statistics/").text
    assert client.get(f"/batches/{over.pk}/statistics/").status_code == 404


def test_figures_of_persons_only_where_switched_on_and_for_administrators(
    client: Client, user: User, administrator: User, over: Batch, settings: Any
) -> None:
    pages = (f"/batches/{over.pk}/statistics/", "/statistics/")
    for switched, person, shown in ((False, administrator, 0), (True, user, 0), (True, administrator, 1)):
        settings.PERSON_FIGURES = switched
        client.force_login(person)
        for page in pages:
            assert client.get(page).text.count("Cards checked") == shown, (switched, person, page)
    settings.PERSON_FIGURES = True
    assert statistics.people(Batch.objects.all()) == [statistics.Person("ingrid", 2, 1)]


def test_the_queries_do_not_grow_and_are_not_made_twice(
    client: Client, user: User, over: Batch, make_cards: Make, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(user)
    with django_assert_max_num_queries(16) as first:
        client.get(f"/batches/{over.pk}/statistics/")
    with django_assert_max_num_queries(len(first) - 7):
        client.get(f"/batches/{over.pk}/statistics/")
    with django_assert_max_num_queries(15) as site:
        client.get("/statistics/")
    make_cards(60, CardStatus.FAILED, error="reply_empty", finished_at=timezone.now())
    Batch.objects.filter(pk=over.pk).update(version=over.version + 1)
    with django_assert_max_num_queries(len(first)):
        client.get(f"/batches/{over.pk}/statistics/")
    with django_assert_max_num_queries(len(site)):
        client.get("/statistics/")


def test_the_fields_to_be_checked_are_counted_on_the_finished_page(client: Client, user: User, over: Batch) -> None:
    assert statistics.flags(over) is None
    for card in over.cards.filter(status=CardStatus.COMPLETED, reviewed=False).select_related("result"):
        card.result.fields["author"]["issues"] = ["confidence"]
        card.result.fields["year"] = {"value": None, "issues": ["type", "required"]} if card.position == 3 else {}
        card.result.save()
        Card.objects.filter(pk=card.pk).update(to_check=True)
    Batch.objects.update(to_check=2)
    over.refresh_from_db()
    flags = statistics.flags(over)
    assert flags is not None
    assert [(one.label, one.number, one.width) for one in flags.fields] == [("Author", 2, 100), ("Year", 1, 50)]
    client.force_login(user)
    assert "3 fields on 2 cards" in client.get(f"/batches/{over.pk}/").text
