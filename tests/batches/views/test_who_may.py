"""Who may see and who may change what stands on the pages of results, problems, export and trash."""

from collections.abc import Callable

import pytest
from django.test import Client

from batches.models import Batch, Card, FieldRevision
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]

SEEN = ("cards/", "cards/{card}/", "problems/", "export/")
CHANGED = (
    "cards/{card}/",
    "cards/{card}/values/author/",
    "cards/{card}/reviewed/",
    "cards/{card}/skip/",
    "cards/{card}/readings/1/",
    "again/",
    "problems/retry/",
    "problems/skip/",
    "delete/",
)


@pytest.fixture
def card(batch: Batch, make_cards: Make) -> Card:
    card = make_cards(1, CardStatus.COMPLETED)[0]
    give_result(card, {"author": stored("Grieg")})
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d")
    return card


def address(card: Card, path: str) -> str:
    return f"/batches/{card.batch_id}/{path.format(card=card.pk)}"


@pytest.mark.parametrize("path", [*SEEN, "cards/{card}/values/author/", "delete/", "export/download/"])
def test_nobody_sees_anything_before_signing_in(client: Client, card: Card, path: str) -> None:
    response = client.get(address(card, path))
    assert response.status_code == 302
    assert "/login/" in response.headers["Location"]


@pytest.mark.parametrize("path", CHANGED)
def test_nobody_changes_anything_before_signing_in(client: Client, card: Card, path: str) -> None:
    assert client.post(address(card, path), {"name": "Drawer 12"}).status_code == 302
    unchanged(card)


@pytest.mark.parametrize("path", SEEN)
def test_others_see_a_batch_unless_it_is_private(client: Client, other_user: User, card: Card, path: str) -> None:
    client.force_login(other_user)
    assert client.get(address(card, path)).status_code == 200
    Batch.objects.update(everybody="none")
    assert client.get(address(card, path)).status_code == 404


def test_others_do_not_download_a_private_batch(client: Client, other_user: User, card: Card) -> None:
    client.force_login(other_user)
    assert client.head(address(card, "export/download/")).status_code == 200
    Batch.objects.update(everybody="none")
    assert client.head(address(card, "export/download/")).status_code == 404


@pytest.mark.parametrize("path", CHANGED)
@pytest.mark.parametrize("htmx", [False, True])
def test_others_change_nothing(client: Client, viewer: User, card: Card, path: str, htmx: bool) -> None:
    client.force_login(viewer)
    data = {"name": "Drawer 12", "value": "x", "value.author": "x", "version": "0", "cause": "x"}
    headers = {"HX-Request": "true"} if htmx else {}
    assert client.post(address(card, path), data, headers=headers).status_code == 404
    unchanged(card)


@pytest.mark.parametrize("path", ["cards/{card}/values/author/", "delete/"])
def test_others_get_no_form(client: Client, viewer: User, card: Card, path: str) -> None:
    client.force_login(viewer)
    assert client.get(address(card, path)).status_code == 404


@pytest.mark.parametrize("path", SEEN)
def test_an_administrator_sees_all(client: Client, administrator: User, card: Card, path: str) -> None:
    Batch.objects.update(everybody="none")
    client.force_login(administrator)
    assert client.get(address(card, path)).status_code == 200


def test_a_card_of_another_batch_is_not_found_under_this_one(client: Client, user: User, card: Card) -> None:
    client.force_login(user)
    other = Batch.objects.create(owner=user, name="other", status=BatchStatus.COMPLETED)
    for path in ("", "values/author/", "reviewed/", "skip/"):
        where = f"/batches/{other.pk}/cards/{card.pk}/{path}"
        assert client.post(where, {"value": "x"}).status_code == 404


def test_a_batch_in_the_trash_has_no_pages(client: Client, user: User, card: Card) -> None:
    Batch.objects.update(deleted_at="2026-11-21T00:00Z")
    client.force_login(user)
    for path in (*SEEN, "delete/", "export/download/"):
        assert client.get(address(card, path)).status_code == 404


def unchanged(card: Card) -> None:
    fresh = Card.objects.select_related("result").get(pk=card.pk)
    assert fresh.result
    assert (fresh.status, fresh.reviewed, fresh.version) == (CardStatus.COMPLETED, False, 0)
    assert fresh.result.values["author"] == "Grieg"
    assert not FieldRevision.objects.exists()
    assert Batch.objects.get().deleted_at is None
