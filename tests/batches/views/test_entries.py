import pytest
from django.test import Client

from batches.models import Batch, Card, CardResult
from cardocr_site.accounts.models import User
from tests.batches.actions.test_entries import now, several

__all__ = ["several"]


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def address(card: Card, end: str = "") -> str:
    return f"/batches/{card.batch_id}/cards/{card.pk}/{end}"


def test_the_card_page_shows_each_entry_with_what_can_be_done(signed_in: Client, several: Card) -> None:
    page = signed_in.get(address(several)).text
    for words in ("Entry 2", "Sinding", "Entry is right", "Take out", "Add an entry", "entries/1/"):
        assert words in page


def test_an_entry_has_a_form_of_its_own(signed_in: Client, several: Card) -> None:
    where = address(several, "entries/1/?filter=check")
    page = signed_in.get(where).text
    assert "Card 1, entry 2" in page
    form = {"version": several.version, "value.author": "Sinding, Christian", "value.title": "Rustle", "value.year": ""}
    answer = signed_in.post(where, form)
    assert answer["Location"] == address(several, "?filter=check#card-entries")
    assert now(several) == ["Grieg", "Sinding, Christian"]
    late = signed_in.post(where, form | {"value.author": "Typed late"})
    assert late.status_code == 409
    assert "Typed late" in late.text
    assert "Sinding, Christian" in late.text
    assert now(several) == ["Grieg", "Sinding, Christian"]


def test_buttons_move_check_take_out_and_bring_back(signed_in: Client, several: Card) -> None:
    for act, authors in (
        ("right", ["Grieg", "Sinding"]),
        ("up", ["Sinding", "Grieg"]),
        ("out", ["Sinding"]),
        ("back", ["Sinding", "Grieg"]),
    ):
        version = Card.objects.get().version
        assert signed_in.post(address(several, f"entries/1/{act}/?version={version}")).status_code == 302
        assert now(several) == authors, act
    assert signed_in.post(address(several, "entries/1/explode/")).status_code == 404
    stale = signed_in.post(address(several, "entries/1/up/?version=0"), follow=True)
    assert "Somebody else has just changed this card" in stale.text


def test_a_new_entry_opens_its_form(signed_in: Client, several: Card) -> None:
    answer = signed_in.post(address(several, f"entries/add/?version={several.version}&from=filter%3Dcheck"))
    assert answer["Location"] == address(several, "entries/2/?filter=check")
    assert signed_in.get(answer["Location"]).status_code == 200


def test_nobody_changes_the_entries_of_another_ones_batch(client: Client, other_user: User, several: Card) -> None:
    client.force_login(other_user)
    for end in ("entries/add/", "entries/1/up/", "entries/1/"):
        assert client.post(address(several, end)).status_code == 404
    Batch.objects.update(private=True)
    assert client.get(address(several, "entries/1/")).status_code == 404
    assert CardResult.objects.get().arranged is None


def test_the_table_shows_the_values_of_all_entries(signed_in: Client, several: Card) -> None:
    page = signed_in.get(f"/batches/{several.batch_id}/cards/").text
    assert '2. <bdi class="value">Sinding</bdi>' in page
