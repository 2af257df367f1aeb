"""The ticks on the thumbnails of a draft, with and without JavaScript; and the page of the rest."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from batches.models import Batch, Card, Likeness
from batches.states import BatchStatus, CardStatus, SkipReason
from cardocr_site.accounts.models import User

Make = Callable[..., list[Card]]
PREPARED = {"prepared_at": "2026-11-01T10:00Z", "width": 600, "height": 400}
LEFT_OUT = {"skip_reason": SkipReason.NOT_CHOSEN}
HTMX = {"HX-Request": "true", "HX-Target": "choice"}


def url(batch: Batch, path: str) -> str:
    return f"/batches/{batch.pk}/{path}"


def ticks(shown: list[Card], was: list[Card], now: list[Card]) -> dict[str, Any]:
    return {
        "shown": ",".join(str(card.pk) for card in shown),
        "was": ",".join(str(card.pk) for card in was),
        "card": [card.pk for card in now],
    }


def chosen(batch: Batch) -> list[int]:
    return list(batch.cards.filter(status=CardStatus.PENDING).order_by("position").values_list("position", flat=True))


def test_a_page_of_ticks_is_saved_by_its_form(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    cards = make_cards(4)
    response = ingrid.post(url(batch, "cards/choose/"), ticks(cards, cards, cards[1:3]))
    assert response.headers["Location"] == url(batch, "upload/")
    assert chosen(batch) == [2, 3]
    assert "2 of 4 chosen" in ingrid.get(url(batch, "upload/")).text


def test_two_tabs_do_not_undo_each_other(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    cards = make_cards(4)
    ingrid.post(url(batch, "cards/choose/"), ticks(cards, cards, cards[1:]))  # one leaves the first out,
    ingrid.post(url(batch, "cards/choose/"), ticks(cards, cards, cards[:3]))  # the other, drawn before, the last
    assert chosen(batch) == [2, 3]


def test_what_is_not_shown_is_not_changed(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    cards = make_cards(3)
    ingrid.post(url(batch, "cards/choose/"), ticks(cards[:1], cards, []))
    assert chosen(batch) == [2, 3]


def test_a_tick_is_answered_by_the_numbers(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    cards = make_cards(3)
    response = ingrid.post(url(batch, "cards/choose/"), ticks(cards[:1], cards[:1], []), headers=HTMX)
    assert "2 of 3 chosen" in response.text
    assert "Not chosen <small>1</small>" in response.text
    assert "<ul" not in response.text


def test_after_the_start_in_another_tab_the_page_is_drawn_anew(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    cards = make_cards(1)
    Batch.objects.update(status=BatchStatus.QUEUED)
    response = ingrid.post(url(batch, "cards/choose/"), ticks(cards, cards, []), headers=HTMX)
    assert response.headers["HX-Refresh"] == "true"
    assert "fixed" in ingrid.post(url(batch, "cards/choose/"), {"do": "none"}, follow=True).text
    assert chosen(batch) == [1]


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", []),
        ("?name=0002", [1, 3, 4, 5]),
        ("?only=alike", [1, 3, 4, 5]),
        ("?only=unreadable", [1, 2, 4, 5]),
        ("?only=nonsense", []),
        ("?name=no-such-scan", [1, 2, 3, 4, 5]),
    ],
)
def test_a_filter_is_left_out_or_chosen_as_a_whole(
    ingrid: Client, batch: Batch, make_cards: Make, query: str, left: list[int]
) -> None:
    cards = make_cards(2)
    make_cards(1, error="unreadable_image")
    make_cards(2)
    parts = dict.fromkeys(Likeness.PARTS, 1)
    Likeness.objects.create(card=cards[1], batch=batch, like=cards[0], **parts)
    ingrid.post(url(batch, f"cards/choose/{query}"), {"do": "none"})
    assert chosen(batch) == left
    response = ingrid.post(
        url(batch, f"cards/choose/{query}"), {"do": "all"}, headers={"HX-Request": "true", "HX-Target": "scans"}
    )
    assert chosen(batch) == [1, 2, 3, 4, 5]
    assert 'id="scans"' in response.text


def test_the_cards_that_were_left_out_can_be_listed_alone(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(2)
    left = make_cards(2, CardStatus.SKIPPED, **LEFT_OUT)
    response = ingrid.get(url(batch, "upload/?only=left-out"))
    assert response.context["cards"] == left
    assert "Choose these" in response.text
    assert len(ingrid.get(url(batch, "upload/?only=chosen")).context["cards"]) == 2
    assert "No scan fits this filter" in ingrid.get(url(batch, "upload/?name=zzz")).text


def test_who_may_only_look_gets_no_ticks_to_change(
    client: Client, other_user: User, batch: Batch, make_cards: Make
) -> None:
    make_cards(1)
    client.force_login(other_user)
    page = client.get(url(batch, "upload/")).text
    assert "disabled" in page
    assert "Choose none" not in page


def test_the_confirm_page_says_how_many_are_chosen(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(3, **PREPARED)
    make_cards(2, CardStatus.SKIPPED, **LEFT_OUT)
    page = ingrid.get(url(batch, "confirm/")).text
    assert "3 of 5 cards" in page
    assert "2 cards are not chosen" in page
    assert "read 3 cards" in page


def test_where_none_is_chosen_nothing_can_start(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(2, CardStatus.SKIPPED, **LEFT_OUT)
    assert "No card is chosen" in ingrid.get(url(batch, "confirm/")).text
    ingrid.post(url(batch, "start/"), {"confirm": "true"})
    batch.refresh_from_db()
    assert batch.is_draft


# -- the rest


@pytest.fixture
def finished(batch: Batch, make_cards: Make) -> Batch:
    make_cards(2, CardStatus.COMPLETED, **PREPARED)
    make_cards(3, CardStatus.SKIPPED, **LEFT_OUT, **PREPARED)
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d", started_at="2026-11-01T10:00Z")
    batch.refresh_from_db()
    return batch


def test_a_finished_batch_says_what_was_left_out(ingrid: Client, finished: Batch) -> None:
    page = ingrid.get(url(finished, "")).text
    assert "Read the rest" in page
    assert url(finished, "rest/") in page
    assert "Not chosen" in ingrid.get(url(finished, "cards/")).text
    assert len(ingrid.get(url(finished, "cards/?filter=left-out")).context["rows"]) == 3


def test_it_is_as_far_as_the_chosen_cards_are(ingrid: Client, finished: Batch) -> None:
    Batch.objects.update(status=BatchStatus.RUNNING, completed=1, processing=1)
    page = ingrid.get(url(finished, "")).text
    assert "File 2 of 2" in page
    assert 'data-percent="50"' in page


def test_all_of_the_rest_is_read(ingrid: Client, finished: Batch) -> None:
    assert "Read all 3" in ingrid.get(url(finished, "rest/")).text
    page = ingrid.post(url(finished, "rest/read/"), {"do": "all"}, follow=True).text
    assert "3 cards are read." in page
    assert chosen(finished) == [3, 4, 5]
    assert "Every card was chosen" in ingrid.get(url(finished, "rest/")).text


def test_the_ticked_ones_are_read(ingrid: Client, finished: Batch) -> None:
    some = finished.cards.get(position=4)
    assert "Tick the cards first." in ingrid.post(url(finished, "rest/read/"), {"do": "some"}, follow=True).text
    ingrid.post(url(finished, "rest/read/"), {"do": "some", "card": [some.pk]})
    assert chosen(finished) == [4]


def test_the_rest_can_be_looked_through_by_name(ingrid: Client, finished: Batch) -> None:
    assert len(ingrid.get(url(finished, "rest/?name=0004")).context["cards"]) == 1
    assert "No scan fits this filter" in ingrid.get(url(finished, "rest/?name=zzz")).text


def test_a_draft_has_its_own_page_for_that(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(1, CardStatus.SKIPPED, **LEFT_OUT)
    assert "only=left-out" in ingrid.get(url(batch, "rest/")).headers["Location"]
    assert ingrid.post(url(batch, "rest/read/"), {"do": "all"}).headers["Location"] == url(batch, "upload/")
    assert chosen(batch) == []
