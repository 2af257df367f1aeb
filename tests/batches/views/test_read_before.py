"""The confirm page and its list: how many scans were read before, where, and what becomes of them."""

import pytest
from django.test import Client
from django.urls import reverse

from batches.models import Batch
from tests.batches.drain.test_duplicates import IMAGES, draft, read


@pytest.fixture
def drawer(user, engine) -> Batch:
    return read(draft(user, engine, *IMAGES[:4], name="Drawer 12"))


@pytest.fixture
def batch(drawer, user, engine) -> Batch:
    return draft(user, engine, *IMAGES[2:5])


def page(client: Client, batch: Batch, view: str = "batch_confirm") -> str:
    return " ".join(client.get(reverse(view, args=[batch.pk])).text.split())


def test_the_confirm_page_says_how_many_were_read_before_and_where(ingrid, batch, drawer):
    text = page(ingrid, batch)
    assert "2 of them stand in other batches already" in text
    assert f'<a href="{reverse("batch_results", args=[drawer.pk])}">Drawer 12</a>' in text
    assert 'name="on_duplicate" value="skip" checked' in text
    assert '<span class="if-skip">1</span>' in text, "one card is left to read"


def test_nothing_is_said_where_nothing_was_read_before(ingrid, user, engine):
    text = page(ingrid, draft(user, engine, *IMAGES[5:]))
    assert "Read before" not in text
    assert "on_duplicate" not in text


def test_the_list_leads_to_the_cards(ingrid, batch, drawer):
    text = page(ingrid, batch, "batch_read_before")
    assert text.count("Drawer 12, card") == 2
    assert reverse("card_detail", args=[drawer.pk, drawer.cards.last().pk]) in text


def test_the_list_of_a_started_batch_leads_to_the_batch(ingrid, batch, drawer):
    response = ingrid.get(reverse("batch_read_before", args=[drawer.pk]))
    assert response.headers["Location"] == reverse("batch_detail", args=[drawer.pk])


def test_a_private_batch_of_the_owners_is_not_named_to_others(client, batch, drawer, other_user):
    Batch.objects.filter(pk=drawer.pk).update(everybody="none")
    client.force_login(other_user)
    assert "Drawer 12" not in page(client, batch)
    text = page(client, batch, "batch_read_before")
    assert "Drawer 12" not in text
    assert "in a batch that you may not see" in text


def test_a_private_draft_is_nobody_elses(client, batch, other_user):
    Batch.objects.filter(pk=batch.pk).update(everybody="none")
    address = reverse("batch_read_before", args=[batch.pk])
    assert client.get(address).status_code == 302
    client.force_login(other_user)
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("how", ["skip", "overwrite", "suffix"])
def test_the_choice_is_kept_with_the_start(ingrid, batch, how):
    ingrid.post(reverse("batch_start", args=[batch.pk]), {"confirm": "true", "on_duplicate": how})
    batch.refresh_from_db()
    assert batch.option("on_duplicate") == how
    assert batch.completed == (2 if how == "skip" else 0)


def test_a_start_that_is_refused_has_kept_the_choice(ingrid, batch):
    Batch.objects.filter(pk=batch.pk).update(fields=[])
    ingrid.post(reverse("batch_start", args=[batch.pk]), {"on_duplicate": "suffix"})
    batch.refresh_from_db()
    assert (batch.status, batch.option("on_duplicate")) == ("draft", "suffix")
    assert 'value="suffix"' not in page(ingrid, batch), "without fields nothing was read with the same"


def test_starting_twice_is_starting_once(ingrid, batch):
    for how in ("skip", "overwrite"):
        response = ingrid.post(reverse("batch_start", args=[batch.pk]), {"on_duplicate": how})
        assert response.headers["Location"] == reverse("batch_detail", args=[batch.pk])
    batch.refresh_from_db()
    assert batch.option("on_duplicate") == "skip"
