import random

import pytest
from django.test import Client
from django.urls import reverse

from batches import changes
from batches.actions import cards as card_actions
from batches.actions import sampling
from batches.models import Batch, Card, Sample
from batches.queries import grid, samples
from batches.states import BatchStatus, CardStatus
from tests.batches.live.sockets import read, running


@pytest.fixture
def over(batch, make_cards):
    """Twenty cards that were read, of which nobody has looked at any."""
    made = make_cards(20)
    running(batch)
    for card in made:
        read(batch, card, f"Author {card.position}")
    changes.move_batch(batch, BatchStatus.COMPLETED)
    return Batch.objects.get(pk=batch.pk)


def drawn(batch):
    return list(Card.objects.filter(drawn__sample__batch=batch).order_by("drawn__id").select_related("result"))


def right(batch, user, cards, **changed):
    for card in cards:
        card = Card.objects.get(pk=card.pk)
        values = {"author": changed[f"card{card.pk}"]} if f"card{card.pk}" in changed else {}
        card_actions.correct(card, user, card.version, values, reviewed=True)


def test_a_draw_can_be_done_again_from_what_is_stored(over, user):
    sample = sampling.draw(over, user, 5)
    ids = list(over.cards.order_by("position").values_list("pk", flat=True))
    assert [card.pk for card in drawn(over)] == random.Random(sample.seed).sample(ids, 5)
    assert (sample.population, sample.size, sample.created_by) == (20, 5, user)


def test_none_is_drawn_twice_and_none_that_somebody_has_seen(over, user):
    seen = over.cards.first()
    right(over, user, [seen])
    sampling.draw(over, user, 8)
    sampling.draw(over, user, 500)
    assert sampling.draw(over, user, 1) is None
    assert len({card.pk for card in drawn(over)}) == 19
    assert seen not in drawn(over)
    over.refresh_from_db()
    assert over.sampled == grid.counts(over)["sample"] == 19


def test_the_filter_finds_what_was_drawn(over, user):
    sampling.draw(over, user, 4)
    filters = grid.Filters.from_query({"filter": "sample"}, over)
    assert set(grid.ids(over, filters, 0, None)) == {card.pk for card in drawn(over)}


def test_nothing_is_said_of_the_rest_before_all_were_seen(over, user):
    sampling.draw(over, user, 4)
    right(over, user, drawn(over)[:3])
    over.refresh_from_db()
    report = samples.report(over)
    assert (report.drawn, report.seen, report.left, report.lowest, report.highest) == (4, 3, 1, None, None)


def test_what_was_changed_is_counted_by_card_and_by_field(over, user):
    sampling.draw(over, user, 10)
    cards = drawn(over)
    right(over, user, cards, **{f"card{cards[0].pk}": "Undset", f"card{cards[1].pk}": "Hamsun"})
    over.refresh_from_db()
    report = samples.report(over)
    assert (report.seen, report.cards, report.fields, report.values) == (10, 2, 2, 30)
    assert report.by_field == [("Author", 2)]
    assert (report.per_cent, report.lowest, report.highest) == (20, 2, 56)


def test_a_card_that_a_person_could_not_read_was_wrong(over, user):
    sampling.draw(over, user, 2)
    cards = drawn(over)
    right(over, user, cards[1:])
    changes.move_cards(over, over.cards.filter(pk=cards[0].pk), CardStatus.FAILED, error="unreadable_image")
    over.refresh_from_db()
    assert samples.report(over).cards == 1


def test_entries_that_were_changed_or_added_were_wrong_too(over, user):
    sampling.draw(over, user, 2)
    first, second = drawn(over)
    result = first.result
    entry = {"author": {"value": "Sinding"}, "title": {"value": "Rustle"}}
    result.entries = [{"author": {"value": result.values["author"]}}, entry]
    result.arranged = [
        {"machine": 0, "values": {}, "checked": True, "out": False},
        {"machine": 1, "values": {"author": "Sinding, C.", "title": "Rustle"}, "checked": True, "out": False},
        {"machine": None, "values": {"author": "Backer"}, "checked": True, "out": False},
    ]
    result.save()
    right(over, user, [first, second])
    over.refresh_from_db()
    report = samples.report(over)
    assert (report.cards, report.fields, report.values, report.by_field) == (1, 2, 12, [("Author", 2)])


@pytest.mark.parametrize(
    ("wrong", "seen", "said"),
    [(0, 50, (0, 6)), (0, 300, (0, 1)), (3, 50, (1, 17)), (50, 50, (94, 100)), (1, 2, (1, 99))],
)
def test_the_margin_is_that_of_the_tables(wrong, seen, said):
    assert samples.limits(wrong, seen) == said


def test_the_finished_page_offers_a_draw_and_then_says_what_came_of_it(over, user, client: Client):
    client.force_login(user)
    address = reverse("batch_detail", args=[over.pk])
    assert "Check 20 drawn at random: if none needs a change, fewer than 14 in 100" in client.get(address).text
    answer = client.post(reverse("sample_draw", args=[over.pk]), {"size": "10"})
    assert answer.headers["Location"].endswith("/cards/?filter=sample")
    assert client.get(answer.headers["Location"]).text.count('<tr id="card-') == 10
    assert "0 of 10 cards drawn at random are looked at." in client.get(address).text
    cards = drawn(over)
    right(over, user, cards, **{f"card{cards[0].pk}": "Undset"})
    text = client.get(address).text
    assert "1 of 10 cards drawn at random had to be changed (10 %)." in text
    assert "between 0 and 45 in 100" in text
    assert "Draw 10 more" in text


def test_only_who_may_check_the_batch_draws(over, viewer, client: Client):
    client.force_login(viewer)
    assert client.post(reverse("sample_draw", args=[over.pk])).status_code == 404
    assert not Sample.objects.exists()
    assert 'id="sample-draw"' not in client.get(reverse("batch_detail", args=[over.pk])).text
