import itertools

import pytest

from batches import changes
from batches.models import Batch, Card
from batches.states import BATCH_TRANSITIONS, CARD_TRANSITIONS, BatchStatus, CardStatus

pytestmark = pytest.mark.django_db


def test_every_batch_status_has_its_row():
    assert set(BATCH_TRANSITIONS) == set(BatchStatus)


def test_every_card_status_has_its_row():
    assert set(CARD_TRANSITIONS) == set(CardStatus)


@pytest.mark.parametrize(("here", "there"), list(itertools.permutations(BatchStatus, 2)))
def test_a_batch_goes_only_where_the_table_says(batch, here, there):
    Batch.objects.filter(pk=batch.pk).update(status=here)
    if there in BATCH_TRANSITIONS[here]:
        assert changes.move_batch(batch, there).status == there
    else:
        with pytest.raises(changes.TransitionRefused) as refused:
            changes.move_batch(batch, there)
        assert refused.value.status == here
        assert Batch.objects.get(pk=batch.pk).status == here


@pytest.mark.parametrize(("here", "there"), list(itertools.permutations(CardStatus, 2)))
def test_a_card_goes_only_where_the_table_says(batch, make_cards, here, there):
    card = make_cards(1, here)[0]
    with changes.locked(batch) as change:
        moved = change.move_card(Card.objects.get(pk=card.pk), there)
    card.refresh_from_db()
    assert moved == (there in CARD_TRANSITIONS[here])
    assert card.status == (there if moved else here)


@pytest.mark.parametrize(("here", "there"), list(itertools.permutations(CardStatus, 2)))
def test_many_cards_go_only_where_the_table_says(batch, make_cards, here, there):
    make_cards(3, here)
    moved = changes.move_cards(batch, batch.cards.all(), there)
    assert moved == (3 if there in CARD_TRANSITIONS[here] else 0)
    assert batch.cards.filter(status=there if moved else here).count() == 3


def test_a_batch_that_is_there_already_is_left_alone(batch):
    changes.move_batch(batch, BatchStatus.QUEUED)
    assert changes.move_batch(batch, BatchStatus.QUEUED, pause_message="x").status == BatchStatus.QUEUED


def test_there_is_a_way_from_every_status_to_every_other_but_the_draft():
    for table in (BATCH_TRANSITIONS, CARD_TRANSITIONS):
        for start in table:
            reached, edge = set(), {start}
            while edge:
                reached |= edge
                edge = {there for here in edge for there in table[here]} - reached
            assert reached >= set(table) - {BatchStatus.DRAFT}
