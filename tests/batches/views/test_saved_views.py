"""Views of the table of cards under a name."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from batches.models import Batch, Card, SavedView
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User

Make = Callable[..., list[Card]]


@pytest.fixture
def done(batch: Batch, make_cards: Make) -> Batch:
    make_cards(2, CardStatus.COMPLETED)
    Batch.objects.update(status=BatchStatus.COMPLETED, completed=2, total=2, collection="Music")
    batch.refresh_from_db()
    return batch


def cards(batch: Batch, query: str = "") -> str:
    return f"/batches/{batch.pk}/cards/{query}"


def save(client: Client, name: str, query: str, back: str = "/batches/") -> str:
    answer = client.post("/views/", {"name": name, "query": query, "back": back})
    assert answer.status_code == 302
    return answer.headers["Location"]


def menu(client: Client, address: str) -> str:
    page = client.get(address).text
    return page[page.index('id="views"') : page.index("</details>", page.index('id="views"'))]


def test_a_view_is_saved_and_leads_back_to_the_same_address(ingrid: Client, done: Batch) -> None:
    here = cards(done, "?filter=check&q=Grieg&in=author&sort=-field.year")
    assert "Save this view as" in menu(ingrid, here)
    assert save(ingrid, " Grieg, to check ", here.partition("?")[2], back=here) == here
    assert SavedView.objects.get().query == "filter=check&q=Grieg&in=author&sort=-field.year"
    shown = menu(ingrid, cards(done))
    assert f'href="{here.replace("&", "&amp;")}"' in shown
    assert "Grieg, to check" in shown


def test_the_view_at_hand_is_told_and_can_be_renamed(ingrid: Client, done: Batch) -> None:
    save(ingrid, "One", "filter=check")
    save(ingrid, "Two", "filter=problems")
    pk = SavedView.objects.get(name="One").pk
    shown = menu(ingrid, cards(done, "?filter=check"))
    assert '<span class="views__now">One</span>' in shown
    assert f'formaction="/views/{pk}/rename/"' in shown
    ingrid.post(f"/views/{pk}/rename/", {"name": "First", "back": cards(done)})
    assert SavedView.objects.get(pk=pk).name == "First"
    page = ingrid.post(f"/views/{pk}/rename/", {"name": "Two", "back": cards(done)}, follow=True).text
    assert "Another view is called “Two” already." in page
    assert SavedView.objects.get(pk=pk).name == "First"


def test_the_same_name_is_overwritten(ingrid: Client, done: Batch) -> None:
    save(ingrid, "Mine", "filter=check")
    save(ingrid, "Mine", "filter=problems")
    assert [view.query for view in SavedView.objects.all()] == ["filter=problems"]


def test_what_is_of_one_moment_is_not_saved(ingrid: Client, done: Batch) -> None:
    save(ingrid, "Mine", "filter=check&page=3&cards=1,2&q=")
    assert SavedView.objects.get().query == "filter=check"


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("", "filter=check", "Give this view a name"),
        ("Mine", "page=2", "There is nothing to save"),
        ("Mine", "q=" + "x" * 3000, "longer than can be saved"),
    ],
)
def test_what_cannot_be_saved_is_said(ingrid: Client, done: Batch, name: str, query: str, said: str) -> None:
    page = ingrid.post("/views/", {"name": name, "query": query, "back": cards(done)}, follow=True).text
    assert said in page
    assert not SavedView.objects.exists()


def test_a_view_for_fields_that_are_not_here_is_no_link(ingrid: Client, done: Batch) -> None:
    save(ingrid, "Of places", "q=Bergen&in=place")
    save(ingrid, "By place", "filter=check&sort=field.place")
    shown = menu(ingrid, cards(done))
    assert "not for this table" in shown
    assert "q=Bergen" not in shown
    assert f'href="{cards(done)}?filter=check"' in shown  # the same cards, in their usual order


def test_a_collection_has_them_too(ingrid: Client, done: Batch) -> None:
    save(ingrid, "Mine", "filter=check")
    assert 'href="/collections/Music/cards/?filter=check"' in menu(ingrid, "/collections/Music/cards/")


def test_they_come_along_when_htmx_draws_the_table(ingrid: Client, done: Batch) -> None:
    answer = ingrid.get(cards(done, "?filter=check"), headers={"HX-Request": "true", "HX-Target": "card-grid"})
    assert '<input type="hidden" name="query" value="filter=check"' in answer.text


def test_a_view_is_removed(ingrid: Client, done: Batch) -> None:
    save(ingrid, "Mine", "filter=check")
    pk = SavedView.objects.get().pk
    here = cards(done, "?q=a+b%26&sort=name")
    link = re.search(rf'<a class="mini" href="(/views/{pk}/delete/[^"]*)"', menu(ingrid, here))
    assert link is not None
    asked = ingrid.get(link[1]).text
    assert "Remove the view “Mine”?" in asked
    assert SavedView.objects.exists()  # nothing goes before the answer, with or without JavaScript
    assert asked.count(here.replace("&", "&amp;")) == 2  # back there after it, or at once
    answer = ingrid.post(f"/views/{pk}/delete/", {"back": here}, follow=True)
    assert answer.redirect_chain == [(here, 302)]
    assert "The view “Mine” is removed." in answer.text
    assert not SavedView.objects.exists()


def test_others_neither_see_nor_change_it(ingrid: Client, done: Batch, other_user: User) -> None:
    save(ingrid, "Mine", "filter=check")
    pk = SavedView.objects.get().pk
    ingrid.force_login(other_user)
    assert "Mine" not in menu(ingrid, cards(done))
    assert ingrid.get(f"/views/{pk}/delete/").status_code == 404
    for act in ("rename", "delete"):
        assert ingrid.post(f"/views/{pk}/{act}/", {"name": "Theirs"}).status_code == 404
    assert SavedView.objects.get().name == "Mine"


def test_it_leads_nowhere_else(ingrid: Client, done: Batch, client: Client) -> None:
    for back in ("https://example.org/", "//example.org/", "javascript:alert(1)", ""):
        assert save(ingrid, "Mine", "filter=check", back=back) == "/batches/"
        asked = ingrid.get(f"/views/{SavedView.objects.get().pk}/delete/", {"back": back}).text
        assert '<a class="btn btn--quiet" href="/batches/">' in asked
    client.logout()
    assert "/login/" in client.post("/views/", {"name": "x", "query": "filter=check"}).headers["Location"]
