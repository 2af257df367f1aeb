from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from batches.actions import reviewing
from batches.models import Batch, Card
from batches.queries import search
from batches.states import CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored


@pytest.fixture
def read(batch: Batch, make_cards: Callable[..., list[Card]]) -> list[Card]:
    cards = make_cards(3, CardStatus.COMPLETED)
    for card, author in zip(cards, ("Grieg", "Sinding", "<b>GRIEG</b>"), strict=True):
        give_result(card, {"author": stored(author), "title": stored("Rustle")})
    Batch.objects.update(status="completed", label="x")
    return cards


def test_cards_are_found_by_their_values_with_the_value_that_fits(signed_in: Client, read: list[Card]) -> None:
    page = signed_in.get("/search/?q=grieg").text
    assert f"card={read[0].pk}" in page
    assert f"card={read[1].pk}" not in page
    assert "&lt;b&gt;GRIEG&lt;/b&gt;" in page
    assert "Rustle" not in page  # the value in which it stands, no other


def test_the_value_is_told_whatever_its_accents_and_for_words_in_quotation_marks(
    signed_in: Client, read: list[Card]
) -> None:
    give_result(read[1], {"author": stored("Håkon Mosby st. 1"), "title": stored("Mosby")})
    for text in ("hakon", "mosb+hak", "%22hakon+mosby%22", "*åkon+m"):
        page = signed_in.get(f"/search/?q={text}").text
        assert '<bdi class="value">Håkon Mosby st. 1</bdi>' in page, text


def test_why_a_card_is_found_that_was_given_up_or_noted(signed_in: Client, user: User, read: list[Card]) -> None:
    reviewing.flag(read[2], user, "Wasserrand")
    reviewing.cannot_read(read[1], user, read[1].version, "<i>Wasserschäden</i>")
    page = signed_in.get("/search/?q=wasser").text
    assert '<span class="muted">Not read:</span> <bdi class="value">&lt;i&gt;Wasserschäden&lt;/i&gt;</bdi>' in page
    assert '<span class="muted">Note:</span> <bdi class="value">Wasserrand</bdi>' in page
    assert page.count('<bdi class="value">') == 2
    page = signed_in.get("/search/?q=sinding").text
    assert '<span class="muted">Author, earlier:</span> <bdi class="value">Sinding</bdi>' in page


def test_batches_and_file_names_are_found_too(signed_in: Client, read: list[Card]) -> None:
    assert "Drawer 12" in signed_in.get("/search/?q=drawer").text
    assert f"card={read[2].pk}" in signed_in.get("/search/?q=card-0003").text


def test_words_are_found_by_how_they_begin_and_the_page_offers_to_look_inside(
    signed_in: Client, read: list[Card]
) -> None:
    page = signed_in.get("/search/?q=indin").text
    assert "Words are found by how they begin." in page
    assert 'href="?q=%2Aindin"' in page
    page = signed_in.get("/search/?q=*indin").text
    assert f"card={read[1].pk}" in page
    assert "Sinding" in page
    assert "look inside" not in signed_in.get("/search/?q=*zzz").text.lower()
    grid = f"/batches/{read[0].batch_id}/cards/"
    assert 'href="?q=%2Aindin"' in signed_in.get(f"{grid}?q=indin").text
    assert "Sinding" in signed_in.get(f"{grid}?q=%2Aindin").text


def test_nothing_of_what_one_may_not_see_is_found(client: Client, other_user: User, read: list[Card]) -> None:
    Batch.objects.update(everybody="none")
    client.force_login(other_user)
    for text in ("grieg", "drawer", "card-0003"):
        assert "stands on no card" in client.get(f"/search/?q={text}").text


@pytest.mark.parametrize("query", ["", "q=a", "q=%00%00", "q=gr&page=x", "q=gr&page=99999999", "q=gr&page=0", "q=%25_"])
def test_odd_questions_get_a_page(signed_in: Client, read: list[Card], query: str) -> None:
    assert signed_in.get(f"/search/?{query}").status_code == 200


def test_there_are_pages_and_the_same_few_queries(
    signed_in: Client,
    read: list[Card],
    make_cards: Callable[..., list[Card]],
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: Any,
) -> None:
    monkeypatch.setattr(search, "CARDS", 2)
    assert "More cards" in signed_in.get("/search/?q=rustle").text
    assert "More cards" not in signed_in.get("/search/?q=rustle&page=2").text
    monkeypatch.undo()
    for card in make_cards(40, CardStatus.COMPLETED):
        give_result(card, {"author": stored("Grieg")})
    with django_assert_max_num_queries(9):
        signed_in.get("/search/?q=grieg")


def test_every_page_but_the_search_itself_has_the_field_in_its_top_bar(client: Client, user: User) -> None:
    client.force_login(user)
    page = client.get("/batches/").text
    bar = page[: page.index("</header>")]
    assert '<form class="find topfind" action="/search/" role="search"' in bar
    assert 'id="find-field" type="search" name="q"' in bar
    assert 'topfind__link" id="find" href="/search/"' in bar  # where the screen is narrow
    page = client.get("/search/").text
    assert page.count('name="q"') == 1
    assert "topfind" not in page
