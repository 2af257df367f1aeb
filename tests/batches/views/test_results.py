import re
from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.asserts import assertTemplateNotUsed, assertTemplateUsed

from batches.models import Batch, Card, TableColumns
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def done(batch: Batch) -> Batch:
    Batch.objects.update(status=BatchStatus.COMPLETED, label="Drawer-12_2026")
    batch.refresh_from_db()
    return batch


def address(batch: Batch, query: str = "") -> str:
    return f"/batches/{batch.pk}/cards/{query}"


def test_the_page_has_a_column_for_each_field_and_a_row_for_each_card(
    ingrid: Client, done: Batch, make_cards: Make
) -> None:
    card = make_cards(1, CardStatus.COMPLETED)[0]
    give_result(card, {"author": stored("Grieg", confidence=0.2)})
    page = ingrid.get(address(done)).text
    for words in ("Author", "Title", "Year", "Grieg", "unsure, 20 %", f'id="card-{card.pk}"', 'id="card-rows"'):
        assert words in page
    assert f'data-ws="/ws/batches/{done.pk}/"' in page
    assert 'id="newer-rows"' not in page  # every card has its row already
    assert 'id="newer-rows" hidden' in ingrid.get(address(done), {"filter": "check"}).text


def test_htmx_gets_the_grid_alone(ingrid: Client, done: Batch, make_cards: Make) -> None:
    make_cards(1, CardStatus.COMPLETED)
    response = ingrid.get(address(done, "?filter=problems"), headers={**HTMX, "HX-Target": "card-grid"})
    assertTemplateNotUsed(response, "base.html")
    assertTemplateUsed(response, "batches/_grid.html")
    assert 'hx-swap-oob="true"' in response.text
    assert "No card fits this filter" in response.text
    assert "HX-Target" in response["Vary"]


def test_nothing_found_says_so_and_offers_the_way_back(ingrid: Client, done: Batch, make_cards: Make) -> None:
    make_cards(1)
    page = ingrid.get(address(done, "?q=<b>zzz")).text
    assert "&lt;b&gt;zzz" in page
    assert "Show all cards" in page
    assert (
        "This batch has no cards"
        in ingrid.get(address(Batch.objects.create(owner=done.owner, name="x", status=BatchStatus.COMPLETED))).text
    )


def test_a_draft_is_sent_to_its_scans(ingrid: Client, batch: Batch, card: Card) -> None:
    for path in ("cards/", "problems/", "export/", f"cards/{card.pk}/"):
        response = ingrid.get(f"/batches/{batch.pk}/{path}")
        assert response.headers["Location"] == f"/batches/{batch.pk}/upload/"


def test_the_page_costs_the_same_queries_however_many_rows(
    ingrid: Client, done: Batch, make_cards: Make, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for card in make_cards(3, CardStatus.COMPLETED, reviewed=True, reviewed_by=user):
        give_result(card, {"author": stored("Grieg")})
    with django_assert_num_queries(10) as few:
        ingrid.get(address(done))
    for card in make_cards(40, CardStatus.COMPLETED, reviewed=True, reviewed_by=user):
        give_result(card, {"author": stored("Grieg")})
    with django_assert_num_queries(len(few)):
        assert ingrid.get(address(done)).text.count('<tr id="card-') == 43


def test_pages_and_order_are_addresses(ingrid: Client, done: Batch, make_cards: Make) -> None:
    make_cards(120, CardStatus.COMPLETED)
    page = ingrid.get(address(done, "?sort=-position&page=2")).text
    assert 'aria-sort="descending"' in page
    assert "51–100 of 120" in page
    assert "sort=-position&amp;page=3" in page
    assert page.index(">70</a>") < page.index(">21</a>")


def test_who_may_not_change_sees_no_buttons(client: Client, viewer: User, done: Batch, make_cards: Make) -> None:
    give_result(make_cards(1, CardStatus.COMPLETED)[0], {"author": stored("Grieg")})
    client.force_login(viewer)
    page = client.get(address(done)).text
    assert "Grieg" in page
    assert "Card is right" not in page
    assert "/values/" not in page


def test_somebody_takes_columns_out_and_brings_them_back(ingrid: Client, done: Batch, make_cards: Make) -> None:
    make_cards(1, CardStatus.COMPLETED)
    columns = f"/batches/{done.pk}/columns/"
    assert "hide-" not in ingrid.get(address(done)).text
    kept = ["status", "field.title", "field.year", "confidence", "name", "nonsense"]
    answer = ingrid.post(columns, {"column": kept, "query": "filter=read&sort=field.year&x=1"})
    assert answer.headers["Location"] == address(done, "?filter=read&sort=field.year")
    page = ingrid.get(address(done)).text
    assert '<table class="grid cardgrid hide-3 hide-7">' in page  # author, checked by
    assert "2 hidden" in page
    assert 'value="field.author">' in page
    assert 'value="field.title" checked>' in page
    assert "5 of 7 shown" in page.replace("\n", " ")
    ingrid.post(columns, {"plain": "1"})
    assert "hide-" not in ingrid.get(address(done)).text
    assert ingrid.get(columns).status_code == 405


ALL = ["status", "field.author", "field.title", "field.year", "confidence", "reviewer", "name"]


def heads(page: str) -> list[str]:
    head = page[page.index("<thead>") : page.index("</thead>")]
    return [re.sub("<[^>]*>", "", one).strip() for one in re.findall(r"<th [^>]*>(.*?)</th>", head, re.DOTALL)]


def test_a_column_is_moved_without_javascript_and_cards_and_entries_follow(
    ingrid: Client, done: Batch, make_cards: Make
) -> None:
    card = make_cards(1, CardStatus.COMPLETED)[0]
    result = give_result(card, {"author": stored("Grieg"), "year": stored("1888")})
    second = {"author": stored("Svendsen"), "title": stored("Symphony"), "year": stored("1865")}
    result.entries = [result.fields, second]
    result.save()
    columns, here = f"/batches/{done.pk}/columns/", address(done, "?sort=name")
    assert "data-places" not in ingrid.get(here).text
    answer = ingrid.post(columns, {"column": ALL[1:], "up": "field.year", "query": "sort=name"})
    page = ingrid.get(answer.headers["Location"]).text
    assert heads(page) == ["Card", "Result", "Author", "Year", "Title", "How sure", "Checked by", "File", "Action"]
    assert page.index("Grieg") < page.index("1888") < page.index(f'id="cell-{card.pk}-title"')
    assert page.index("Svendsen") < page.index("1865") < page.index("Symphony")
    assert '<table class="grid cardgrid hide-2" data-places="1,2,3,5,4,6,7,8">' in page
    assert re.search(r'<details class="menu" id="columns" data-menu open>', page)
    assert re.findall(r'id="([^"]*)"[^>]*autofocus', page) == ["column-up-5"]  # the same key moves it on
    assert "1 hidden" in page
    page = ingrid.get(here).text
    assert heads(page)[3:5] == ["Year", "Title"]
    assert "data-menu open" not in page


@pytest.mark.parametrize(("way", "name"), [("up", "status"), ("down", "name"), ("up", "position"), ("up", "x")])
def test_no_column_leaves_the_table_or_passes_the_cards_number(
    ingrid: Client, done: Batch, make_cards: Make, way: str, name: str
) -> None:
    make_cards(1, CardStatus.COMPLETED)
    usual = heads(ingrid.get(address(done)).text)
    ingrid.post(f"/batches/{done.pk}/columns/", {"column": ALL, way: name})
    assert heads(ingrid.get(address(done)).text) == usual
    assert not TableColumns.objects.exists()  # as in the template, so new fields come where that has them


def test_htmx_gets_the_table_with_the_menu_still_open_and_the_same_page(
    ingrid: Client, done: Batch, make_cards: Make
) -> None:
    make_cards(60, CardStatus.COMPLETED)
    asked = {"column": ALL, "down": "field.author", "query": "sort=-position&page=2"}
    answer = ingrid.post(f"/batches/{done.pk}/columns/", asked, headers={**HTMX, "HX-Target": "card-grid"}).text
    assert "51–60 of 60" in answer
    assert heads(answer)[2:4] == ["Title", "Author"]
    assert 'id="columns" data-menu open hx-swap-oob="true"' in answer
    assert 'data-said="Author is column 3 of 7"' in answer
    assert re.findall(r'id="([^"]*)"[^>]*autofocus', answer) == ["column-down-3"]


def test_a_new_field_stands_behind_the_one_it_follows_in_the_template(
    ingrid: Client, done: Batch, make_cards: Make
) -> None:
    make_cards(1, CardStatus.COMPLETED)
    for _step in range(3):
        ingrid.post(f"/batches/{done.pk}/columns/", {"column": ALL, "down": "field.year"})
    Batch.objects.update(fields=[*done.fields, {"key": "place", "label": "Place", "type": "text"}])
    found = heads(ingrid.get(address(done)).text)
    assert found[4:-1] == ["How sure", "Checked by", "File", "Year", "Place"]


def test_columns_are_ones_own_and_a_new_field_is_shown(
    ingrid: Client, done: Batch, other_user: User, make_cards: Make
) -> None:
    make_cards(1, CardStatus.COMPLETED)
    columns = f"/batches/{done.pk}/columns/"
    ingrid.post(columns, {"column": []})
    Batch.objects.update(fields=[*done.fields, {"key": "place", "label": "Place", "type": "text"}])
    page = ingrid.get(address(done)).text
    assert '<table class="grid cardgrid hide-2 hide-3 hide-4 hide-5 hide-7 hide-8 hide-9">' in page
    ingrid.force_login(other_user)
    assert "hide-" not in ingrid.get(address(done)).text
    Batch.objects.update(everybody="none")
    assert ingrid.post(columns, {"column": []}).status_code == 404
