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


def heads(page: str) -> list[str]:
    """As they stand, with a minus before those that are taken out."""
    head = page[page.index("<table") : page.index("</thead>")]
    labels = [re.sub("<[^>]*>", "", one).strip() for one in re.findall(r"<th [^>]*>(.*?)</th>", head, re.DOTALL)]
    hidden = re.findall(r"hide-(\d+)", head)
    return [f"-{label}" if str(place) in hidden else label for place, label in enumerate(labels, 1)][1:-1]


USUAL = ["Result", "Author", "Title", "Year", "How sure", "Checked by", "File"]
OF_VIEW = ["Result", "Title", "Author", "Year", "-How sure", "Checked by", "File"]


@pytest.fixture
def kept(ingrid: Client, done: Batch) -> str:
    """The address of a view with columns of its own; those of the batch are as in the template again."""
    shown = ["status", "field.author", "field.title", "field.year", "reviewer", "name"]
    ingrid.post(f"/batches/{done.pk}/columns/", {"column": shown, "up": "field.title"})
    form = {"name": "Titles", "query": "sort=name", "back": cards(done, "?sort=name"), "batch": done.pk, "columns": "1"}
    address = ingrid.post("/views/", form).headers["Location"]
    ingrid.post(f"/batches/{done.pk}/columns/", {"plain": "1"})
    return address


def test_a_view_keeps_its_columns_and_those_of_the_batch_stay(ingrid: Client, done: Batch, kept: str) -> None:
    pk = SavedView.objects.get().pk
    assert kept == cards(done, f"?sort=name&view={pk}")
    assert heads(ingrid.get(kept).text) == OF_VIEW
    assert "Columns of the view “Titles”" in ingrid.get(kept).text
    assert heads(ingrid.get(cards(done, "?sort=name")).text) == USUAL
    shown = menu(ingrid, cards(done))
    assert f'href="{kept.replace("&", "&amp;")}"' in shown
    assert '<span class="views__now">Titles</span>' in menu(ingrid, kept)
    assert "views__now" not in menu(ingrid, cards(done, "?sort=name"))  # the same cards in other columns


def test_order_pages_and_filters_keep_the_columns_of_the_view(ingrid: Client, done: Batch, kept: str) -> None:
    page = ingrid.get(kept).text
    view = f"view={SavedView.objects.get().pk}"
    for link in (f"?sort=status&amp;{view}", f"filter=check&amp;sort=name&amp;{view}"):
        assert link in page
    assert f'<a class="btn btn--quiet btn--s" href="{cards(done)}?sort=name">Back to the batch’s columns</a>' in page


def test_columns_are_changed_in_the_view_while_it_is_open(ingrid: Client, done: Batch, kept: str) -> None:
    columns = f"/batches/{done.pk}/columns/"
    here = {"query": kept.partition("?")[2]}
    ingrid.post(columns, here | {"column": ["status", "field.title", "field.year"], "down": "field.title"})
    changed = ["Result", "-Author", "Title", "Year", "-How sure", "-Checked by", "-File"]
    assert heads(ingrid.get(kept).text) == changed
    assert heads(ingrid.get(cards(done)).text) == USUAL
    assert ingrid.post(columns, here | {"take": "1"}).headers["Location"] == kept
    assert heads(ingrid.get(cards(done)).text) == changed
    ingrid.post(columns, here | {"plain": "1"})
    assert heads(ingrid.get(kept).text) == USUAL
    assert heads(ingrid.get(cards(done)).text) == changed


def test_a_view_of_columns_alone_and_one_that_forgets_them(ingrid: Client, done: Batch, kept: str) -> None:
    form = {"name": "Columns", "query": "", "back": kept, "batch": done.pk, "columns": "1"}
    address = ingrid.post("/views/", form).headers["Location"]
    assert heads(ingrid.get(address).text) == OF_VIEW
    assert "Forget its columns" not in menu(ingrid, address)  # nothing would be left of it
    assert "Forget its columns" in menu(ingrid, kept)
    form = {"name": "Titles", "query": "sort=name", "back": kept, "batch": done.pk}
    assert ingrid.post("/views/", form).headers["Location"] == cards(done, "?sort=name")
    assert heads(ingrid.get(kept).text) == USUAL
    assert '<span class="views__now">Titles</span>' in menu(ingrid, cards(done, "?sort=name"))


def test_the_columns_of_somebody_elses_view_and_of_an_unseen_batch_stay_theirs(
    ingrid: Client, done: Batch, kept: str, other_user: User
) -> None:
    ingrid.force_login(other_user)
    page = ingrid.get(kept).text
    assert heads(page) == USUAL
    assert "view=" not in page[page.index("<table") :]
    Batch.objects.update(everybody="none")
    ingrid.post("/views/", {"name": "Mine", "query": "sort=name", "batch": done.pk, "columns": "1"})
    assert SavedView.objects.get(name="Mine").columns is None


def test_a_collection_opens_such_a_view_as_far_as_it_has_its_columns(ingrid: Client, done: Batch, kept: str) -> None:
    here = f"/collections/Music/cards/?{kept.partition('?')[2]}"
    assert "Titles" in menu(ingrid, "/collections/Music/cards/")
    assert heads(ingrid.get(here).text) == ["Batch", "Result", "Title", "Author", "Year", "-How sure", "File"]
    assert "Back to the collection’s columns" in ingrid.get(here).text
    form = {"name": "Here", "query": "sort=name", "back": here, "collection": "Music", "columns": "1"}
    saved = ingrid.post("/views/", form).headers["Location"]
    assert SavedView.objects.get(name="Here").columns["hidden"] == ["confidence"]
    assert heads(ingrid.get(saved).text)[2:4] == ["Title", "Author"]
    assert heads(ingrid.get(saved.replace("/collections/Music", f"/batches/{done.pk}")).text) == OF_VIEW
    columns = {"query": saved.partition("?")[2], "take": "1"}
    ingrid.post("/collections/Music/columns/", columns)
    assert heads(ingrid.get("/collections/Music/cards/").text)[2:4] == ["Title", "Author"]
    assert heads(ingrid.get(cards(done)).text) == USUAL, "those of its batches are theirs"


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
