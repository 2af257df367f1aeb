"""The table narrowed by field and by certainty: controls, and marks that take it away."""

from collections.abc import Callable

import pytest
from django.test import Client

from batches.models import Batch, Card
from batches.states import BatchStatus, CardStatus
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]


@pytest.fixture
def done(batch: Batch, make_cards: Make) -> Batch:
    for card, sure in zip(make_cards(3, CardStatus.COMPLETED), (0.3, 0.75, 0.9), strict=True):
        give_result(card, {"author": stored("Grieg", confidence=sure), "title": stored("Grieg", confidence=sure)})
    Batch.objects.update(status=BatchStatus.COMPLETED, completed=3, total=3)
    batch.refresh_from_db()
    return batch


def page(client: Client, batch: Batch, query: str = "") -> str:
    return client.get(f"/batches/{batch.pk}/cards/{query}").text


def chips(text: str) -> str:
    return text[text.index('id="card-chips"') : text.index("</nav>", text.index('id="card-chips"'))]


def test_the_controls_belong_to_the_form_of_the_text(ingrid: Client, done: Batch) -> None:
    text = page(ingrid, done, "?q=grieg&in=title&below=80")
    assert '<select class="input" id="filter-in" name="in" form="grid-filter">' in text
    assert '<option value="title" selected>Title</option>' in text
    assert '<option value="80" selected>below 80 %</option>' in text
    assert '<option value="85"' not in text
    assert '<option value="85" selected>' in page(ingrid, done, "?below=85")


def test_what_narrows_is_said_and_taken_away_by_a_click(ingrid: Client, done: Batch) -> None:
    text = page(ingrid, done, "?q=grieg&in=title&below=80&sort=-name")
    assert text.count('<tr id="card-') == 2
    shown = chips(text)
    assert "text in “Title”" in shown
    assert "less than 80 % sure" in shown
    assert 'href="?q=grieg&amp;below=80&amp;sort=-name"' in shown
    assert 'href="?q=grieg&amp;in=title&amp;sort=-name"' in shown
    assert "chip--off" not in chips(page(ingrid, done, "?in=title"))  # without a text it narrows nothing


def test_chosen_cards_are_said_and_kept_by_a_search(ingrid: Client, done: Batch) -> None:
    first, second, _third = done.cards.order_by("position")
    shown = chips(page(ingrid, done, f"?cards={first.pk},{second.pk}&per=100"))
    assert "2 chosen cards" in shown
    assert 'href="?per=100"' in shown
    assert f'name="cards" value="{first.pk},{second.pk}" form="grid-filter"' in shown
    assert 'name="per" value="100" form="grid-filter"' in shown


def test_they_come_along_when_the_table_or_a_row_is_drawn_anew(ingrid: Client, done: Batch) -> None:
    htmx = {"HX-Request": "true", "HX-Target": "card-grid"}
    drawn = ingrid.get(f"/batches/{done.pk}/cards/?below=80", headers=htmx).text
    assert '<option value="80" selected>' in drawn
    assert "less than 80 % sure" in chips(drawn)
    card = done.cards.order_by("position")[0]
    saved = ingrid.post(
        f"/batches/{done.pk}/cards/{card.pk}/values/title/",
        {"value": "Lieder", "was": "Grieg", "version": card.version},
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver/batches/{done.pk}/cards/?below=80"},
    )
    assert "less than 80 % sure" in chips(saved.text)
