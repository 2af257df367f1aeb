"""Collections: the batches of one name together, as far as somebody may see them."""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import resolve, reverse
from pytest_django import DjangoAssertNumQueries

from batches.actions import bulk, undoing
from batches.exports import collected
from batches.exports import options as choices
from batches.models import Activity, Batch, Card, CardResult
from batches.queries import collections, grid
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, read_batch, stored

Make = Callable[..., list[Card]]
PAGES = (
    "collection_detail",
    "collection_cards",
    "collection_act",
    "collection_reread",
    "collection_live",
    "collection_review",
    "collection_export",
    "collection_download",
)


def add(owner: User, name: str, values: list[dict[str, str]], **more: Any) -> Batch:
    return read_batch(owner, name, [{key: stored(value) for key, value in read.items()} for read in values], **more)


def field(key: str, label: str) -> dict[str, Any]:
    return {"key": key, "label": label, "type": "text"}


@pytest.fixture
def music(user: User, other_user: User, batch: Batch) -> list[Batch]:
    """Ten after two, with other fields; a draft; another person's, and what he keeps to himself."""
    old, new = [field("author", "Author"), field("place", "Place")], [field("author", "Composer"), field("key", "Key")]
    ten = add(user, "Drawer 10", [{"author": "Grieg", "place": "Bergen"}, {"author": "Sinding"}], fields=old)
    two = add(other_user, "Drawer 2", [{"author": "Backer", "key": "C"}], fields=new)
    add(other_user, "Drawer 3", [{"author": "Secret"}], fields=new, everybody="none")
    add(user, "Elsewhere", [{"author": "Foreign"}], fields=new, collection="Maps")
    return [two, ten]


def rows(client: Client, query: str = "", name: str = "Music") -> list[tuple[str, int]]:
    response = client.get(reverse("collection_cards", args=[name]) + query)
    return [(one.batch.name, one.row.card.position) for one, _mine in response.context["rows"]]


# -- who sees what


@pytest.mark.parametrize("page", [*PAGES, "collection_act_detail"])
def test_nobody_sees_one_before_signing_in(client: Client, music: list[Batch], page: str) -> None:
    assert "/login/" in client.get(reverse(page, args=["Music"])).headers["Location"]


@pytest.mark.parametrize("page", PAGES)
def test_who_sees_none_of_its_batches_knows_of_no_such_collection(
    client: Client, other_user: User, user: User, music: list[Batch], page: str
) -> None:
    client.force_login(other_user)
    assert client.get(reverse(page, args=["Maps"])).status_code in {200, 302}
    Batch.objects.filter(collection="Maps").update(everybody="none")
    assert client.get(reverse(page, args=["Maps"])).status_code == 404
    assert "Maps" not in client.get(reverse("collection_list")).text


def test_only_what_one_may_see_is_in_it(ingrid: Client, music: list[Batch]) -> None:
    assert "Drawer 3" not in ingrid.get(reverse("collection_detail", args=["Music"])).text
    assert rows(ingrid) == [("Drawer 2", 1), ("Drawer 10", 1), ("Drawer 10", 2)]
    assert rows(ingrid, "?q=secret") == []


def test_a_batch_in_the_trash_is_in_none(ingrid: Client, music: list[Batch]) -> None:
    Batch.objects.filter(pk=music[0].pk).update(deleted_at="2026-11-01T10:00Z")
    assert rows(ingrid) == [("Drawer 10", 1), ("Drawer 10", 2)]


# -- the list and the page of one


def test_the_list_adds_up_what_its_batches_count(ingrid: Client, music: list[Batch]) -> None:
    Batch.objects.filter(pk=music[1].pk).update(to_check=2, failed=1, total=3)
    page = ingrid.get(reverse("collection_list"))
    shelves = {shelf.name: shelf for shelf in page.context["page"].object_list}
    assert list(shelves) == ["Maps", "Music"]
    shelf = shelves["Music"]
    assert (shelf.batches, shelf.drafts, shelf.whole.total, shelf.whole.to_check) == (3, 1, 4, 2)
    assert [one.name for one in ingrid.get(reverse("collection_list"), {"q": "mus"}).context["page"]] == ["Music"]
    assert "No collection matches" in ingrid.get(reverse("collection_list"), {"q": "zzz"}).text


def test_without_any_the_list_says_how_to_get_one(ingrid: Client) -> None:
    assert "No collection yet" in ingrid.get(reverse("collection_list")).text


def test_its_page_shows_its_batches_in_their_order(ingrid: Client, music: list[Batch]) -> None:
    page = ingrid.get(reverse("collection_detail", args=["Music"]))
    assert [row.batch.name for row in page.context["rows"]] == ["Drawer 2", "Drawer 10", "Drawer 12"]
    assert page.context["whole"].completed == 3


@pytest.mark.parametrize("name", ["A/B", "..", ".", "~1", "a~0b/c", "Ære & 100 %", "x?y#z", "Sammlung Meyer, I."])
def test_any_name_has_an_address(ingrid: Client, batch: Batch, name: str) -> None:
    Batch.objects.update(collection=name)
    address = reverse("collection_detail", args=[name])
    assert resolve(address.split("?")[0]) is not None
    assert ingrid.get(address).context["name"] == name
    assert address in ingrid.get(reverse("batch_upload", args=[batch.pk])).text.replace("&amp;", "&")


# -- its cards


def heads(page: str) -> list[str]:
    head = page[page.index("<thead>") : page.index("</thead>")]
    return [re.sub("<[^>]*>", "", one).strip() for one in re.findall(r"<th [^>]*>(.*?)</th>", head, re.DOTALL)]


EVERY = ["batch", "status", "field.author", "field.key", "field.place", "confidence", "name"]


def test_somebody_lays_out_its_columns_and_cells_follow(
    ingrid: Client, client: Client, other_user: User, music: list[Batch]
) -> None:
    cards, columns = reverse("collection_cards", args=["Music"]), reverse("collection_columns", args=["Music"])
    usual = ["Card", "Batch", "Result", "Composer", "Key", "Place", "How sure", "File", "Action"]
    assert heads(ingrid.get(cards).text) == usual
    answer = ingrid.post(columns, {"column": EVERY[1:], "up": "field.place", "query": "sort=-name"})
    assert answer.headers["Location"] == f"{cards}?sort=-name&columns=up-6"
    page = ingrid.get(answer.headers["Location"]).text
    assert heads(page) == ["Card", "Batch", "Result", "Composer", "Place", "Key", "How sure", "File", "Action"]
    assert '<table class="grid cardgrid hide-2" data-places="1,2,3,4,6,5,7,8">' in page
    assert page.index("Grieg") < page.index("Bergen") < page.index("no such field in this batch", page.index("Bergen"))
    assert re.findall(r'id="([^"]*)"[^>]*autofocus', page) == ["column-up-6"]
    assert "1 hidden" in page
    asked = {"column": EVERY, "down": "field.author", "query": "filter=read"}
    answer = ingrid.post(columns, asked, headers={"HX-Request": "true", "HX-Target": "collection-grid"})
    assert answer.text.lstrip().startswith('<div id="collection-grid" data-query="filter=read">')
    assert 'data-said="Composer is column 4 of 7"' in answer.text
    ingrid.post(columns, {"plain": "1"})
    assert heads(ingrid.get(cards).text) == usual
    ingrid.post(columns, {"column": []})
    client.force_login(other_user)
    assert "hide-" not in client.get(cards).text
    assert client.post(reverse("collection_columns", args=["None"]), {"column": []}).status_code == 404


def test_fields_of_different_templates_are_united_by_key(ingrid: Client, music: list[Batch]) -> None:
    page = ingrid.get(reverse("collection_cards", args=["Music"]))
    assert [(spec.key, spec.label) for spec in page.context["whole"].specs()] == [
        ("author", "Composer"),
        ("key", "Key"),
        ("place", "Place"),
    ]
    drawn = re.findall(r'<tr id="card-.*?</tr>', page.text, re.DOTALL)
    fields = [re.findall(r'(no such field)|<td [^>]*id="cell-\d+-(\w+)"', row) for row in drawn]
    assert [["".join(cell) for cell in row] for row in fields] == [
        ["author", "key", "no such field"],
        ["author", "no such field", "place"],
        ["author", "no such field", "place"],
    ]


def test_its_cards_are_filtered_and_searched(ingrid: Client, music: list[Batch]) -> None:
    assert rows(ingrid, "?q=grieg") == [("Drawer 10", 1)]
    assert rows(ingrid, '?q="DRAWER 2"') == [("Drawer 2", 1)]
    assert rows(ingrid, "?q=grieg&in=author") == [("Drawer 10", 1)]
    assert rows(ingrid, "?q=grieg&in=place") == []
    CardResult.objects.update(confidence=0.9)
    CardResult.objects.filter(card__batch=music[1], card__position=2).update(confidence=0.3)
    assert rows(ingrid, "?below=50") == [("Drawer 10", 2)]
    page = ingrid.get(reverse("collection_cards", args=["Music"]) + "?below=50&q=sinding&in=author&per=100").text
    assert "less than 50 % sure" in page
    assert "text in “Composer”" in page
    assert 'href="?q=sinding&amp;in=author&amp;per=100"' in page
    assert '<input type="hidden" name="per" value="100">' in page
    Card.objects.filter(batch=music[1], position=2).update(to_check=True)
    Batch.objects.filter(pk=music[1].pk).update(to_check=1)
    assert rows(ingrid, "?filter=check") == [("Drawer 10", 2)]
    assert "No card fits" in ingrid.get(reverse("collection_cards", args=["Music"]) + "?q=zzz").text


def test_a_click_on_a_head_sorts_over_all_batches_and_a_second_one_turns_them(
    ingrid: Client, music: list[Batch]
) -> None:
    address = reverse("collection_cards", args=["Music"])
    page = ingrid.get(address).text
    for sort in ("-position", "status", "field.author", "field.key", "field.place", "confidence", "name"):
        assert f'hx-get="{address}?sort={sort}"' in page
    assert rows(ingrid, "?sort=field.author") == [("Drawer 2", 1), ("Drawer 10", 1), ("Drawer 10", 2)]
    assert rows(ingrid, "?sort=-field.author") == [("Drawer 10", 2), ("Drawer 10", 1), ("Drawer 2", 1)]
    assert rows(ingrid, "?sort=field.place") == [("Drawer 10", 1), ("Drawer 10", 2), ("Drawer 2", 1)]
    assert rows(ingrid, "?sort=-position") == [("Drawer 10", 2), ("Drawer 10", 1), ("Drawer 2", 1)]
    page = ingrid.get(f"{address}?sort=field.author&q=drawer&per=100").text
    assert '<th scope="col" aria-sort="ascending">' in page
    assert f'hx-get="{address}?q=drawer&amp;sort=-field.author&amp;per=100"' in page
    assert '<input type="hidden" name="sort" value="field.author">' in page  # of the form of the text


def test_htmx_gets_the_grid_alone(ingrid: Client, music: list[Batch]) -> None:
    headers = {"HX-Request": "true", "HX-Target": "collection-grid"}
    response = ingrid.get(reverse("collection_cards", args=["Music"]), headers=headers)
    assert response.text.lstrip().startswith('<div id="collection-grid"')


def test_a_page_may_begin_and_end_within_batches(user: User, batch: Batch) -> None:
    batches = [
        add(user, f"B{n}", [{"author": f"{n}.{card}"} for card in range(size)], fields=[field("author", "A")])
        for n, size in enumerate((4, 1, 0, 2, 5))
    ]
    everything = [(one.batch_id, one.position) for one in Card.objects.order_by("batch_id", "position")]
    for start in range(0, 12, 3):
        filters = grid.Filters()
        ids = collections._ids(batches, collections.numbers(batches, filters), filters, start, start + 3)
        found = Card.objects.in_bulk(ids)
        assert [(found[pk].batch_id, found[pk].position) for pk in ids] == everything[start : start + 3]


def test_more_batches_and_cards_ask_the_database_no_more(
    ingrid: Client, user: User, music: list[Batch], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    address = reverse("collection_cards", args=["Music"])
    rows(ingrid)
    with django_assert_num_queries(11):
        ingrid.get(address)
    for n in range(4):
        add(user, f"More {n}", [{"author": f"{n}.{card}"} for card in range(3)], fields=[field("author", "A")])
    with django_assert_num_queries(12):  # one more for all batches between the first and the last
        assert len(ingrid.get(address).context["rows"]) == 15
    with django_assert_num_queries(7):
        ingrid.get(reverse("collection_detail", args=["Music"]))


# -- acting on cards in the table


def test_one_ticks_and_edits_what_one_may_correct(
    client: Client, ingrid: Client, viewer: User, music: list[Batch]
) -> None:
    page = ingrid.get(reverse("collection_cards", args=["Music"])).text
    assert 'value="retry"' in page
    for batch in music:
        card = batch.cards.get(position=1).pk
        assert f'id="pick-{card}"' in page
        assert f"{reverse('card_edit', args=[batch.pk, card, 'author'])}?collection=Music" in page
    client.force_login(viewer)
    page = client.get(reverse("collection_cards", args=["Music"])).text
    assert "Grieg" in page
    assert not re.search('id="(pick|edit)-|name="do"', page)


def test_a_card_leads_back_to_the_table_one_came_from(ingrid: Client, music: list[Batch]) -> None:
    card = reverse("card_detail", args=[music[1].pk, music[1].cards.get(position=1).pk])
    table = reverse("collection_cards", args=["Music"])
    assert f'href="{card}?collection=Music&amp;q=grieg"' in ingrid.get(f"{table}?q=grieg").text
    assert f'href="{table}?q=grieg"' in ingrid.get(f"{card}?collection=Music&q=grieg").text
    page = ingrid.get(f"{card}?collection=Maps").text
    assert table not in page
    assert f'href="{reverse("collection_detail", args=["Music"])}"' in page


def test_a_value_that_is_saved_answers_the_row_of_the_collection(ingrid: Client, music: list[Batch]) -> None:
    card = music[1].cards.get(position=1)
    address = reverse("card_edit", args=[music[1].pk, card.pk, "author"]) + "?collection=Music"
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/collections/Music/cards/?q=grieg"}
    form = ingrid.get(address, headers=headers).text
    assert form.count("collection=Music") == 3  # saved, saved without JavaScript, cancelled
    sent = {"value": "Grieg, Edvard", "was": "Grieg", "version": card.version}
    answer = ingrid.post(address, sent, headers=headers).text
    assert answer.lstrip().startswith(f'<tr id="card-{card.pk}"')
    assert answer.count("<td") == 2 + 3 + 3  # its batch, its state, the fields of all, how sure, its file, what to do
    assert "Grieg, Edvard" in answer
    assert "?collection=Music&amp;q=grieg" in answer
    Batch.objects.update(collection="")
    assert ingrid.get(address, headers=headers).status_code == 200
    gone = ingrid.post(address, sent | {"was": "Grieg, Edvard", "value": "X"}, headers=headers)
    assert gone.headers["HX-Refresh"] == "true"


def several(batch: Batch) -> Card:
    """Its first card with one more entry."""
    card = batch.cards.get(position=1)
    read = {"author": stored("Grieg"), "place": stored("Bergen")}
    give_result(card, read, entries=[read, {"author": stored("Sinding"), "place": stored("Oslo")}])
    return Card.objects.get(pk=card.pk)


def test_further_entries_stand_under_their_card_with_their_acts(ingrid: Client, music: list[Batch]) -> None:
    card = several(music[1])
    address = reverse("collection_cards", args=["Music"])
    under = ingrid.get(address).text.split('<tr class="under"')
    assert len(under) == 2
    entry = under[1].split("</tr>")[0]
    assert f'data-of="card-{card.pk}"' in entry
    assert [word for word in ("Entry 2", "Sinding", "Oslo", "Entry is right", "Take out") if word not in entry] == []
    assert entry.count("<td") == 2 + 3 + 3
    change = reverse("entry_change", args=[music[1].pk, card.pk, 1, "right"])
    assert f'hx-post="{change}?version={card.version}&amp;collection=Music"' in entry
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/collections/Music/cards/"}
    answer = ingrid.post(f"{change}?version={card.version}&collection=Music", headers=headers).text
    assert answer.lstrip().startswith(f'<tr id="card-{card.pk}"')
    assert answer.count('<tr class="under"') == 1
    assert "Not checked" in answer.split('<tr class="under"')[1]
    Card.objects.filter(pk=card.pk).update(version=9)
    plain = ingrid.post(f"{change}?version=9&collection=Music&grid=1&q=grieg".replace("/right/", "/unsure/"))
    assert plain.headers["Location"] == f"{address}?q=grieg#card-{card.pk}"


def test_the_form_of_an_entry_leads_back_to_the_collection(ingrid: Client, music: list[Batch]) -> None:
    card = several(music[1])
    table = f"{reverse('collection_cards', args=['Music'])}?q=grieg#card-{card.pk}"
    where = reverse("entry_edit", args=[music[1].pk, card.pk, 1]) + "?grid=1&collection=Music&q=grieg"
    page = ingrid.get(where).text
    assert f'href="{table}"' in page
    assert f'action="{where.replace("&", "&amp;")}"' in page
    sent = {"version": card.version, "value.author": "Bull", "value.place": "Oslo"}
    assert ingrid.post(where, sent).headers["Location"] == table
    version = Card.objects.get(pk=card.pk).version
    more = (
        reverse("entry_add", args=[music[1].pk, card.pk]) + f"?version={version}&grid=1&collection=Music&from=q%3Dgrieg"
    )
    added = ingrid.post(more).headers["Location"]
    assert added == reverse("entry_edit", args=[music[1].pk, card.pk, 2]) + "?q=grieg&grid=1&collection=Music"
    elsewhere = where.replace("collection=Music", "collection=Maps")
    assert reverse("collection_cards", args=["Maps"]) not in ingrid.get(elsewhere).text


def test_what_is_next_for_a_card_stands_at_the_end_of_its_row(ingrid: Client, music: list[Batch]) -> None:
    card = music[1].cards.get(position=1)
    right = f"{reverse('card_reviewed', args=[music[1].pk, card.pk])}?version={card.version}"
    page = ingrid.get(reverse("collection_cards", args=["Music"])).text
    assert f'hx-post="{right}&amp;collection=Music"' in page
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/collections/Music/cards/"}
    answer = ingrid.post(f"{right}&collection=Music", headers=headers).text
    assert "Drawer 10" in answer
    assert "undo=1" in answer


def test_cards_of_several_batches_are_acted_on_together(ingrid: Client, user: User, music: list[Batch]) -> None:
    more = add(user, "Drawer 11", [{"author": "Bull"}], fields=[field("author", "A")])
    theirs = music[0].cards.get(position=1).pk
    mine = [theirs, *music[1].cards.values_list("pk", flat=True), *more.cards.values_list("pk", flat=True)]
    address, table = reverse("collection_act", args=["Music"]), reverse("collection_cards", args=["Music"])
    query = {"do": "review", "card": mine, "filter": "read"}
    asked = ingrid.get(address, query)
    assert (asked.context["number"], asked.context["others"]) == (4, 0)
    assert asked.context["back"] == f"{table}?filter=read"
    done = ingrid.post(address, query, follow=True)
    assert done.redirect_chain[-1][0] == f"{table}?filter=read"
    assert "4 cards changed." in done.text
    assert set(Card.objects.filter(reviewed=True).values_list("pk", flat=True)) == set(mine)
    made = list(Activity.objects.order_by("pk"))
    assert [(one.batch_id, one.count) for one in made] == [(music[0].pk, 1), (music[1].pk, 2), (more.pk, 1)]
    undoing.undo(made[1], user)
    assert Card.objects.filter(reviewed=True).count() == 2
    ingrid.post(address, query | {"do": "retry"})
    assert not Card.objects.exclude(status=CardStatus.COMPLETED).exists()
    assert ingrid.get(address, {"do": "nothing", "card": mine}).status_code == 404


def test_all_of_a_filter_is_acted_on_as_far_as_one_may(ingrid: Client, user: User, music: list[Batch]) -> None:
    more = add(user, "Drawer 11", [{"author": "Grieg"}, {"author": "Bull"}], fields=[field("author", "A")])
    table, address = reverse("collection_cards", args=["Music"]), reverse("collection_act", args=["Music"])
    page = ingrid.get(f"{table}?q=drawer").text
    assert "All 5 cards of this filter" in page
    assert 'data-total="5"' in page
    assert "All 2 cards of this filter" in ingrid.get(f"{table}?q=grieg").text
    asked = ingrid.get(address, {"do": "review", "all": "1", "q": "drawer"})
    assert (asked.context["number"], asked.context["others"]) == (5, 0)
    turned = ingrid.get(address, {"do": "turn-left", "all": "1", "q": "drawer"})
    assert (turned.context["number"], turned.context["others"]) == (4, 1)
    assert asked.context["back"] == f"{table}?q=drawer"
    sent = {"do": "review", **dict(asked.context["hidden"]), "q": "grieg"}
    assert sent == {"do": "review", "all": "1", "q": "grieg"}
    assert "2 cards changed." in ingrid.post(address, sent, follow=True).text
    checked = set(Card.objects.filter(reviewed=True).values_list("batch__name", "position"))
    assert checked == {("Drawer 10", 1), ("Drawer 11", 1)}
    made = list(Activity.objects.order_by("pk"))
    assert [(one.batch, one.count) for one in made] == [(music[1], 1), (more, 1)]
    undoing.undo(made[1], user)
    assert not more.cards.filter(reviewed=True).exists()


def test_a_batch_without_the_field_in_which_a_text_is_looked_for_is_left_alone(
    ingrid: Client, user: User, music: list[Batch]
) -> None:
    """The field is out of use there, but its values are left; what is noted would find the text in any field."""
    other = add(user, "Drawer 11", [{"author": "Bergen", "place": "Bergen"}], fields=music[1].fields)
    fields = [one | {"active": one["key"] != "place"} for one in other.fields]
    Batch.objects.filter(pk=other.pk).update(fields=fields)
    asked = {"do": "review", "all": "1", "q": "bergen", "in": "place"}
    assert rows(ingrid, "?q=bergen&in=place") == [("Drawer 10", 1)]
    address = reverse("collection_act", args=["Music"])
    assert ingrid.get(address, asked).context["number"] == 1
    ingrid.post(address, asked)
    assert set(Card.objects.filter(reviewed=True).values_list("batch", flat=True)) == {music[1].pk}
    assert [row["batch"] for row in table(user, "which=found&q=bergen&in=place")] == ["Drawer 10"]


def test_an_act_that_takes_its_time_goes_on_through_all_batches(
    ingrid: Client, user: User, music: list[Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BLOCK", 1)
    monkeypatch.setattr(bulk, "WITHIN", 0)
    more = add(user, "Drawer 11", [{"author": "Bull"}], fields=[field("author", "A")])
    address = reverse("collection_act", args=["Music"])
    page = ingrid.post(address, {"do": "review", "all": "1"}, follow=True)
    on = page.redirect_chain[-1][0]
    assert page.context["total"] == 4
    seen, headers = [], {"HX-Request": "true", "HX-Target": "act-progress"}
    while page.context["open"]:
        assert on.replace("&", "&amp;") in page.text
        page = ingrid.post(on, headers=headers)
        seen.append(page.context["done"])
        assert len(seen) < 10
    assert seen[-1] == 4
    assert seen == sorted(seen)
    assert "Ingrid Solberg found 4 cards right" in page.text
    assert dict(Activity.objects.values_list("batch", "count")) == {music[0].pk: 1, music[1].pk: 2, more.pk: 1}
    foreign = Activity.objects.create(batch=music[0], kind="turn", what={"do": "turn-left", "open": True, "total": 1})
    detail = reverse("collection_act_detail", args=["Music"])
    for query in ("", f"?act={foreign.pk}", "?act=x"):
        assert ingrid.get(detail + query).status_code == 404


def test_what_one_may_not_change_is_not_there_to_act_on(ingrid: Client, music: list[Batch]) -> None:
    theirs = music[0].cards.get(position=1).pk
    foreign = Card.objects.get(batch__name="Elsewhere").pk
    for cards in ([], [theirs], [foreign], ["x", "9" * 30]):
        answer = ingrid.post(reverse("collection_act", args=["Music"]), {"do": "turn-left", "card": cards}, follow=True)
        assert "Tick the cards first." in answer.text
    assert not Activity.objects.exists()


# -- what is taken away


def written(user: User, key: str, query: str = "") -> bytes:
    """What a download would stream, from a thread that would not see a test's uncommitted rows."""
    batches = collections.started(collections.batches_of(user, "Music"))
    whole = collections.whole("Music", batches)
    options = choices.from_query(QueryDict(query), whole)
    return b"".join(collected.WRITERS[key](whole, collected.having(batches, options), options))


def table(user: User, query: str = "") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written(user, "csv", query).decode())))


def test_a_table_of_the_whole_collection(user: User, music: list[Batch]) -> None:
    assert [(row["batch"], row["Composer"], row["Key"], row["Place"]) for row in table(user)] == [
        ("Drawer 2", "Backer", "C", ""),
        ("Drawer 10", "Grieg", "", "Bergen"),
        ("Drawer 10", "Sinding", "", ""),
    ]


def test_a_workbook_of_it(user: User, music: list[Batch]) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(written(user, "xlsx")))["Cards"]
    assert [row[0] for row in sheet.iter_rows(values_only=True)] == ["batch", "Drawer 2", "Drawer 10", "Drawer 10"]


def test_no_formula_comes_with_the_name_of_a_batch(user: User, music: list[Batch]) -> None:
    Batch.objects.filter(pk=music[0].pk).update(name="=1+1")
    assert table(user)[0]["batch"] == "'=1+1"


def test_everything_as_json(user: User, music: list[Batch]) -> None:
    data = json.loads(written(user, "json"))
    assert data["collection"] == "Music"
    assert [one["batch"]["name"] for one in data["batches"]] == ["Drawer 2", "Drawer 10"]
    assert [len(one["cards"]) for one in data["batches"]] == [1, 2]
    lines = [json.loads(line) for line in written(user, "jsonl").decode().splitlines()]
    assert [line["batch"] for line in lines] == ["Drawer 2", "Drawer 10", "Drawer 10"]


def test_only_checked_cards(user: User, music: list[Batch]) -> None:
    Card.objects.filter(batch=music[1], position=1).update(reviewed=True)
    assert [row["Composer"] for row in table(user, "which=checked")] == ["Grieg"]


def test_the_activity_of_each_batch_says_that_it_was_taken_along(ingrid: Client, music: list[Batch]) -> None:
    download = reverse("collection_download", args=["Music"])
    ingrid.head(download)
    assert not Activity.objects.exists(), "looking ahead takes nothing along"
    ingrid.get(download, {"format": "json"})
    assert {act.batch for act in Activity.objects.all()} == set(music)
    page = ingrid.get(f"/batches/{music[0].pk}/activity/").text
    assert "Ingrid Solberg took the results along, with all of “Music” (JSON)" in page


def test_cards_that_were_chosen_in_the_table_are_taken_along(ingrid: Client, user: User, music: list[Batch]) -> None:
    card = music[1].cards.get(position=2).pk
    act, export = reverse("collection_act", args=["Music"]), reverse("collection_export", args=["Music"])
    found = ingrid.get(act, {"do": "export", "all": "1", "q": "grieg"}, follow=True)
    assert found.redirect_chain[-1][0] == f"{export}?q=grieg"
    assert (found.context["asked"], found.context["which"][-1][2]) == ("found", 1)
    assert '<input type="hidden" name="q" value="grieg">' in found.text
    chosen = ingrid.get(act, {"do": "export", "card": [card], "q": "sinding"}, follow=True)
    assert (chosen.context["asked"], [one[2] for one in chosen.context["which"][-2:]]) == ("chosen", [1, 1])
    assert ingrid.get(export).context["asked"] == "read"
    assert [row["Composer"] for row in table(user, "which=found&q=grieg")] == ["Grieg"]
    assert [row["Composer"] for row in table(user, f"which=chosen&cards={card}&q=nothing")] == ["Sinding"]
    assert len(json.loads(written(user, "json", f"which=chosen&cards={card}"))["batches"]) == 1
    ingrid.get(reverse("collection_download", args=["Music"]), {"which": "chosen", "cards": card})
    assert [act.batch for act in Activity.objects.all()] == [music[1]]
    page = ingrid.get(f"/batches/{music[1].pk}/activity/").text
    assert "Ingrid Solberg took chosen cards along, from “Music” (CSV)" in page


def test_the_page_of_the_export(ingrid: Client, music: list[Batch]) -> None:
    assert "Export the collection" in ingrid.get(reverse("collection_export", args=["Music"])).text
    head = ingrid.head(reverse("collection_download", args=["Music"]))
    assert 'filename="Music.csv"' in head.headers["Content-Disposition"]
    Batch.objects.filter(collection="Music").update(status=BatchStatus.DRAFT)
    for page in ("collection_export", "collection_cards"):
        assert "Nothing was read yet" in ingrid.get(reverse(page, args=["Music"])).text
    assert ingrid.get(reverse("collection_download", args=["Music"])).status_code == 404
    assert ingrid.get(reverse("collection_download", args=["Music"]), {"format": "exe"}).status_code == 404


def test_a_name_with_a_digit_that_is_no_number_breaks_no_list(ingrid: Client, music: list[Batch]) -> None:
    Batch.objects.filter(pk=music[0].pk).update(collection="Drawer 5²")
    assert "Drawer 5²" in ingrid.get("/collections/").text


def test_a_name_that_no_database_keeps_is_none(client: Client, administrator: User, batch: Batch, card: Card) -> None:
    client.force_login(administrator)
    assert client.get("/collections/a%00b/").status_code == 404
    assert client.get("/accounts/people/?q=a%00b").status_code == 200
    for address in (f"/batches/{batch.pk}/cards/{card.pk}/", f"/batches/{batch.pk}/cards/{card.pk}/edit/author/"):
        assert client.get(f"{address}?collection=a%00b&version=0").status_code < 500
