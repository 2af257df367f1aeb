"""Acts on ticked cards, asked first, and the pages that tell who did what."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from batches.actions import activity, bulk
from batches.models import Activity, Batch, Card
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]


@pytest.fixture
def read(batch: Batch, make_cards: Make) -> list[Card]:
    made = [*make_cards(3, CardStatus.COMPLETED), *make_cards(1, CardStatus.FAILED, error="x")]
    for card in made[:3]:
        give_result(card, {"author": stored("Grieg")})
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d")
    return made


def address(batch: Batch, rest: str = "cards/act/") -> str:
    return f"/batches/{batch.pk}/{rest}"


def test_it_asks_with_the_number_and_changes_nothing(ingrid: Client, batch: Batch, read: list[Card]) -> None:
    query = {"do": "review", "card": [read[0].pk, read[3].pk]}
    page = ingrid.get(address(batch), query).text
    assert "Mark 1 card as checked?" in page
    assert "1 other card stays as it is." in page
    assert not Card.objects.filter(reviewed=True).exists()
    inside = ingrid.get(address(batch), query, headers={"HX-Request": "true", "HX-Target": "act-ask"})
    assert inside.text.lstrip().startswith("<form")
    assert "HX-Target" in inside["Vary"]


def test_ticked_cards_are_marked_and_the_page_says_so(ingrid: Client, batch: Batch, read: list[Card]) -> None:
    chosen = f"{read[0].pk},{read[1].pk}"
    response = ingrid.post(address(batch), {"do": "review", "cards": chosen, "filter": "read"}, follow=True)
    assert response.redirect_chain == [(f"/batches/{batch.pk}/cards/?filter=read", 302)]
    assert "Ingrid Solberg found 2 cards right." in response.text
    assert Card.objects.filter(reviewed=True).count() == 2


def test_all_of_a_filter_are_meant_only_when_asked_for(ingrid: Client, batch: Batch, read: list[Card]) -> None:
    ingrid.post(address(batch), {"do": "review"})
    assert not Card.objects.filter(reviewed=True).exists()
    ingrid.post(address(batch), {"do": "review", "all": "1", "q": "card-0001"})
    assert [card.pk for card in Card.objects.filter(reviewed=True)] == [read[0].pk]


@pytest.mark.parametrize(("do", "path"), [("reread", "again/"), ("export", "export/")])
def test_what_has_a_page_of_its_own_gets_the_cards(
    ingrid: Client, batch: Batch, read: list[Card], do: str, path: str
) -> None:
    response = ingrid.get(address(batch), {"do": do, "card": [read[0].pk, read[1].pk]})
    assert response["Location"] == f"/batches/{batch.pk}/{path}?cards={read[0].pk}%2C{read[1].pk}"
    assert "2 card" in ingrid.get(response["Location"]).text


def test_an_export_of_ticked_cards_offers_these_alone(ingrid: Client, batch: Batch, read: list[Card]) -> None:
    page = ingrid.get(address(batch, "export/"), {"cards": read[1].pk}).text
    assert 'value="chosen" checked' in page
    assert "Export 1 card" in page


def test_the_first_of_the_ticked_cards_is_opened_with_the_others_behind(
    ingrid: Client, batch: Batch, read: list[Card]
) -> None:
    response = ingrid.get(address(batch), {"do": "open", "card": [read[2].pk, read[1].pk]})
    assert response["Location"].startswith(
        f"/batches/{batch.pk}/review/?cards={read[2].pk}%2C{read[1].pk}&queue=&since="
    )
    page = ingrid.get(response["Location"])
    assert page.context["card"].pk == read[1].pk
    assert page.context["place"].total == 2
    assert f"card={read[2].pk}" in page.text


@pytest.mark.parametrize("do", ["", "delete", "review"])
def test_nonsense_changes_nothing(ingrid: Client, batch: Batch, read: list[Card], do: str) -> None:
    response = ingrid.post(address(batch), {"do": do, "cards": "x,-1,,99999999999999999999", "card": "²"})
    assert response.status_code in {302, 404}
    assert not Card.objects.filter(reviewed=True).exists()


def test_a_long_act_shows_how_far_it_is_and_goes_on(
    ingrid: Client, batch: Batch, read: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BLOCK", 1)
    monkeypatch.setattr(bulk, "WITHIN", -1.0)
    response = ingrid.post(address(batch), {"do": "review", "all": "1"})
    entry = Activity.objects.get()
    assert response["Location"] == f"/batches/{batch.pk}/activity/{entry.pk}/"
    assert 'value="1"' in ingrid.get(response["Location"]).text
    for _n in range(3):
        page = ingrid.post(response["Location"], headers={"HX-Request": "true", "HX-Target": "act-progress"}).text
    assert "Done." in page
    assert "hx-post" not in page
    assert Card.objects.filter(reviewed=True).count() == 3


def test_an_act_is_undone_where_it_is_told(ingrid: Client, batch: Batch, read: list[Card]) -> None:
    ingrid.post(address(batch), {"do": "review", "all": "1"})
    entry = Activity.objects.get()
    assert f"/activity/{entry.pk}/undo/" in ingrid.get(address(batch, "activity/")).text
    page = ingrid.post(address(batch, f"activity/{entry.pk}/undo/"), follow=True).text
    assert "3 cards are as they were before." in page
    assert f"/activity/{entry.pk}/undo/" not in page
    assert not Card.objects.filter(reviewed=True).exists()


def test_what_cannot_be_undone_says_so(ingrid: Client, batch: Batch, read: list[Card], user: User) -> None:
    entry = activity.record(batch, user, "pause")
    assert entry
    assert "cannot be undone" in ingrid.post(address(batch, f"activity/{entry.pk}/undo/"), follow=True).text


def test_every_kind_has_a_sentence(ingrid: Client, batch: Batch, user: User) -> None:
    from batches.templatetags import activity_words

    kinds = {kind for _label, group in activity_words.GROUPS.values() for kind in group}
    assert kinds == {*activity_words._COUNTED, *activity_words._PLAIN}
    for kind in sorted(kinds):
        activity.record(batch, user, kind, 2)
        assert activity_words.sentence(Activity(kind=kind, count=2, by=user)).startswith("Ingrid Solberg ")
    page = ingrid.get(address(batch, "activity/")).text
    assert page.count('class="act"') == len(kinds)


def test_the_list_is_filtered_by_person_and_kind(
    ingrid: Client, batch: Batch, user: User, other_user: User, administrator: User
) -> None:
    activity.record(batch, user, "rename", name="b", was="a")
    activity.record(batch, other_user, "export", format="csv")
    where = address(batch, "activity/")
    assert "Magnus Berg took the results along (CSV)" in ingrid.get(where).text
    mine = ingrid.get(where, {"by": str(user.pk)}).text
    assert ("renamed “a” to “b”" in mine, "took the results" in mine) == (True, False)
    assert "took the results" in ingrid.get(where, {"kind": "export"}).text
    assert "Nothing of this kind" in ingrid.get(where, {"kind": "left-out"}).text
    assert ingrid.get(where, {"by": "x", "kind": "y", "before": "z~1"}).status_code == 200
    assert "Nothing of this kind" not in ingrid.get("/activity/", {"batch": batch.pk}).text


def test_pages_of_the_list_follow_each_other(
    ingrid: Client, batch: Batch, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(60):
        activity.record(batch, user, "rename", name=f"name-{n:02d}!", was="x")
    first = ingrid.get("/activity/")
    assert ("name-59!" in first.text, "name-09!" in first.text) == (True, False)
    with django_assert_num_queries(6):  # session, person, the people, the entries, what one may do, the bell
        older = ingrid.get(
            "/activity/?" + first.text.split('rel="next" href="?')[1].split('"')[0].replace("&amp;", "&")
        )
    assert ("name-59!" in older.text, "name-09!" in older.text, "name-10!" in older.text) == (False, True, False)


def test_others_read_but_get_no_buttons(client: Client, viewer: User, batch: Batch, read: list[Card]) -> None:
    client.force_login(viewer)
    Activity.objects.create(batch=batch, by=batch.owner, kind="review", what={"do": "review", "open": False})
    page = client.get(address(batch, "activity/")).text
    assert ("found 1 card right" in page, "/undo/" in page) == (True, False)
    assert 'name="card"' not in client.get(address(batch, "cards/")).text
