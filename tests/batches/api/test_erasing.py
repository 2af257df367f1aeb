"""Erasing one card by a program, and by its page."""

from collections.abc import Callable
from typing import Any

from django.test import Client

from batches.models import Batch, Card, ErasedCard
from cardocr_site.accounts import tokens
from cardocr_site.accounts.models import User

Make = Callable[..., list[Card]]


def test_the_owner_erases_a_card(api: Any, batch: Batch, make_cards: Make):
    first, second = make_cards(2)
    assert api("delete", f"/batches/{batch.pk}/cards/{first.pk}").data is None
    assert list(Card.objects.all()) == [second]
    assert ErasedCard.objects.get().card_id == first.pk
    api.refused("RESOURCE_NOT_FOUND", "delete", f"/batches/{batch.pk}/cards/{first.pk}")


def test_an_administrator_does_too(admins_api: Any, batch: Batch, card: Card):
    assert admins_api("delete", f"/batches/{batch.pk}/cards/{card.pk}").status_code == 200


def test_nobody_else(others_api: Any, anonymous: Any, batch: Batch, card: Card):
    path = f"/batches/{batch.pk}/cards/{card.pk}"
    Batch.objects.update(everybody="edit")
    others_api.refused("PERMISSION_DENIED", "delete", path)
    Batch.objects.update(everybody="none")
    others_api.refused("RESOURCE_NOT_FOUND", "delete", path)
    anonymous.refused("AUTH_REQUIRED", "delete", path)
    assert Card.objects.exists()


def test_a_token_for_looking_erases_nothing(client: Client, anonymous: Any, user: User, batch: Batch, card: Card):
    _row, token = tokens.make(user, "look", "read", None)
    headers = {"Authorization": f"Bearer {token}"}
    anonymous.refused("PERMISSION_DENIED", "delete", f"/batches/{batch.pk}/cards/{card.pk}", headers=headers)
    assert Card.objects.exists()


def test_not_while_it_is_read(api: Any, batch: Batch, make_cards: Make):
    (card,) = make_cards(1, "processing")
    api.refused("BATCH_STATE_INVALID", "delete", f"/batches/{batch.pk}/cards/{card.pk}")


def test_only_a_card_of_this_batch_and_by_its_key(api: Any, batch: Batch, card: Card):
    Card.objects.update(filename="77")
    api.refused("RESOURCE_NOT_FOUND", "delete", f"/batches/{batch.pk}/cards/77")
    other = Batch.objects.create(name="Other", owner=batch.owner)
    api.refused("RESOURCE_NOT_FOUND", "delete", f"/batches/{other.pk}/cards/{card.pk}")
    api.refused("RESOURCE_NOT_FOUND", "delete", f"/batches/{batch.pk}/cards/{10**30}")


def test_the_page_asks_first(client: Client, user: User, batch: Batch, make_cards: Make):
    card, sibling = make_cards(2, "failed")
    Batch.objects.update(status="completed", label="drawer")
    client.force_login(user)
    path = f"/batches/{batch.pk}/cards/{card.pk}/erase/"
    assert path in client.get(f"/batches/{batch.pk}/cards/{card.pk}/").text
    page = client.get(path).text
    assert "Erase card 1 for good?" in page
    assert "Other cards lie in the same file" not in page
    Card.objects.filter(pk=sibling.pk).update(source=card.source)
    assert "Other cards lie in the same file" in client.get(path).text
    assert Card.objects.count() == 2
    answer = client.post(path, follow=True)
    assert "Card 1 is erased for good." in answer.text
    assert list(Card.objects.all()) == [sibling]
    assert "erased card 1 for good" in client.get(f"/batches/{batch.pk}/activity/").text


def test_the_button_is_the_owners(client: Client, other_user: User, batch: Batch, make_cards: Make):
    (card,) = make_cards(1, "failed")
    Batch.objects.update(status="completed", label="drawer", everybody="edit")
    client.force_login(other_user)
    assert "/erase/" not in client.get(f"/batches/{batch.pk}/cards/{card.pk}/").text


def test_the_page_says_that_a_card_is_being_read(client: Client, user: User, batch: Batch, make_cards: Make):
    (card,) = make_cards(1, "processing")
    Batch.objects.update(status="running", label="drawer")
    client.force_login(user)
    answer = client.post(f"/batches/{batch.pk}/cards/{card.pk}/erase/")
    assert answer.status_code == 409
    assert "This card is being read just now." in answer.text
