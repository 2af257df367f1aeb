"""What preparation found on the scans of a draft, and what people say to it."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from batches.intake import alike, derive
from batches.models import Batch, Card, CardScan, Likeness
from batches.states import BatchStatus, CardStatus, TurnedBy
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]
PREPARED = {"prepared_at": "2026-11-01T10:00Z", "width": 600, "height": 400}


@pytest.fixture
def pair(batch: Batch, make_cards: Make) -> list[Card]:
    """Two cards that look alike."""
    cards = make_cards(2, phash=1, **PREPARED)
    for card in cards:
        Likeness.objects.create(card=card, batch=batch, **alike.parts(1))
    Likeness.objects.filter(card=cards[1]).update(like=cards[0])
    Card.objects.filter(pk=cards[1].pk).update(sha256="b" * 64)
    return cards


def url(batch: Batch, path: str) -> str:
    return f"/batches/{batch.pk}/{path}"


# -- alike


def test_pairs_are_told_on_the_way_to_the_start(ingrid: Client, batch: Batch, pair: list[Card]) -> None:
    assert "1 pair looks alike" in ingrid.get(url(batch, "upload/")).text
    assert "1 pair of scans looks alike" in ingrid.get(url(batch, "confirm/")).text
    text = ingrid.get(url(batch, "alike/")).text
    assert "They look alike" in text
    assert text.count("Take this one out") == 2


def test_the_same_file_is_named_so(ingrid: Client, batch: Batch, pair: list[Card]) -> None:
    Card.objects.update(sha256="a" * 64)
    assert "The same file" in ingrid.get(url(batch, "alike/")).text


def test_both_may_stay(ingrid: Client, batch: Batch, pair: list[Card]) -> None:
    ingrid.post(url(batch, f"alike/{pair[1].pk}/"))
    assert batch.cards.count() == 2
    assert "looks alike" not in ingrid.get(url(batch, "upload/")).text


@pytest.mark.parametrize("which", [0, 1])
def test_either_may_be_taken_out(ingrid: Client, batch: Batch, pair: list[Card], which: int) -> None:
    ingrid.post(url(batch, f"alike/{pair[1].pk}/"), {"out": str(pair[which].pk)})
    assert list(batch.cards.all()) == [pair[1 - which]]
    assert "looks alike" not in ingrid.get(url(batch, "upload/")).text


def test_no_other_card_is_taken_out(ingrid: Client, batch: Batch, pair: list[Card], make_cards: Make) -> None:
    other = make_cards(1)[0]
    ingrid.post(url(batch, f"alike/{pair[1].pk}/"), {"out": str(other.pk)})
    assert batch.cards.count() == 3


def test_empty_backs_are_no_pairs(ingrid: Client, batch: Batch, pair: list[Card]) -> None:
    Card.objects.update(blank=True)
    assert "looks alike" not in ingrid.get(url(batch, "upload/")).text
    assert "pair-" not in ingrid.get(url(batch, "alike/")).text


@pytest.mark.parametrize("path", ["alike/{}/", "scans/", "cards/{}/turn/", "cards/{}/not-blank/", "blank/read/"])
def test_others_change_nothing(client: Client, other_user: User, batch: Batch, pair: list[Card], path: str) -> None:
    client.force_login(other_user)
    address = url(batch, path.format(pair[1].pk))
    assert client.post(address, {"turn": "90", "by": "90"}).status_code == 404
    assert client.get(url(batch, "alike/")).status_code == 200
    Batch.objects.update(everybody="none")
    assert client.get(url(batch, "alike/")).status_code == 404


# -- blank


def test_blank_scans_are_told_and_not_counted_to_be_read(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(3, **PREPARED)
    make_cards(2, CardStatus.SKIPPED, skip_reason="blank", blank=True, **PREPARED)
    text = ingrid.get(url(batch, "upload/")).text
    assert "Blank <small>2</small>" in text
    assert text.count("Blank, passed over") == 2
    text = ingrid.get(url(batch, "confirm/")).text
    assert "2 blank scans will be passed over" in text
    assert "These fields are right, read 3 cards" in text


def test_where_all_are_blank_nothing_can_start(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(2, CardStatus.SKIPPED, skip_reason="blank", blank=True, **PREPARED)
    assert "Every scan is blank." in ingrid.get(url(batch, "confirm/")).text
    ingrid.post(url(batch, "start/"), {"confirm": "true"})
    batch.refresh_from_db()
    assert batch.status == BatchStatus.DRAFT


def test_one_of_a_draft_is_read_after_all(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    card = make_cards(2, CardStatus.SKIPPED, skip_reason="blank", blank=True, **PREPARED)[0]
    response = ingrid.post(
        url(batch, f"cards/{card.pk}/not-blank/"), headers={"HX-Request": "true", "HX-Target": "scans"}
    )
    assert "Blank <small>1</small>" in response.text
    card.refresh_from_db()
    batch.refresh_from_db()
    assert (card.status, card.skip_reason, card.blank) == (CardStatus.PENDING, "", False)
    assert (batch.status, batch.pending, batch.blank) == (BatchStatus.DRAFT, 1, 1)


def test_all_of_a_finished_batch_are_read_after_all(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(3, CardStatus.SKIPPED, skip_reason="blank", blank=True)
    make_cards(1, CardStatus.SKIPPED, skip_reason="person")
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d")
    assert "None of the 3 is blank: read them all" in ingrid.get(url(batch, "cards/?filter=blank")).text
    ingrid.post(url(batch, "blank/read/"))
    batch.refresh_from_db()
    assert (batch.status, batch.pending, batch.skipped, batch.blank) == (BatchStatus.QUEUED, 3, 1, 0)


def test_the_filter_gives_the_blank_ones_alone(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(1, CardStatus.SKIPPED, skip_reason="blank", blank=True)
    other = make_cards(1, CardStatus.SKIPPED, skip_reason="person")[0]
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d")
    text = ingrid.get(url(batch, "cards/?filter=blank")).text
    assert "Not blank: read it" in text
    assert f'id="card-{other.pk}"' not in text


# -- how the scans are prepared


def set_options(client: Client, batch: Batch, **sent: str) -> int:
    status: int = client.post(url(batch, "scans/"), sent, headers={"HX-Request": "true"}).status_code
    return status


def test_another_turn_prepares_all_anew_but_those_a_person_turned(
    ingrid: Client, batch: Batch, make_cards: Make
) -> None:
    Batch.objects.update(turning={"rotation": 90, "agreeing": 5})
    card = make_cards(1, rotation=90, turned_by=TurnedBy.TEXT, **PREPARED)[0]
    mine = make_cards(1, rotation=180, turned_by=TurnedBy.PERSON, **PREPARED)[0]
    assert set_options(ingrid, batch, turn="270", pass_blank="on") == 200
    card.refresh_from_db()
    mine.refresh_from_db()
    batch.refresh_from_db()
    assert (batch.options["rotation"], batch.turning) == (270, {})
    assert card.prepared_at is None
    assert (mine.rotation, mine.prepared_at is None) == (180, False)
    assert set_options(ingrid, batch, turn="45") == 422


def test_blank_scans_follow_the_option(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(2, CardStatus.SKIPPED, skip_reason="blank", blank=True, **PREPARED)
    kept = make_cards(1, blank=False, **PREPARED)[0]
    set_options(ingrid, batch, turn="0")
    batch.refresh_from_db()
    assert (batch.pending, batch.skipped, batch.blank) == (3, 0, 0)
    set_options(ingrid, batch, turn="0", pass_blank="on")
    batch.refresh_from_db()
    assert (batch.pending, batch.skipped, batch.blank) == (1, 2, 2)
    assert Card.objects.get(status=CardStatus.PENDING) == kept


def test_a_blank_front_is_read_for_its_back(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    Batch.objects.update(options={"rotation": 0, "pass_blank": False})
    for blank in (True, False):
        card = make_cards(1, blank=True, **PREPARED)[0]
        card.back = CardScan.objects.create(card=card, role=CardScan.Role.BACK, blank=blank, filename="b", source="b")
        card.save()
    set_options(ingrid, batch, turn="0", pass_blank="on")
    assert list(batch.cards.filter(status=CardStatus.SKIPPED).values_list("back__blank", flat=True)) == [True]


def test_a_started_batch_keeps_its_options(ingrid: Client, batch: Batch) -> None:
    Batch.objects.update(status=BatchStatus.RUNNING)
    assert set_options(ingrid, batch, turn="90") == 409


# -- a person's turn


def test_a_person_turns_a_card(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    card = make_cards(1, rotation=270, **PREPARED)[0]
    ingrid.post(url(batch, f"cards/{card.pk}/turn/"), {"by": "180"})
    card.refresh_from_db()
    assert (card.rotation, card.turned_by, card.prepared_at) == (90, TurnedBy.PERSON, None)
    for wrong in ("45", "", "-90", "x"):
        ingrid.post(url(batch, f"cards/{card.pk}/turn/"), {"by": wrong})
    card.refresh_from_db()
    assert card.rotation == 90


def test_a_card_that_was_read_is_turned_and_reading_it_again_is_offered(
    ingrid: Client, batch: Batch, make_cards: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derive, "turn", lambda scan, rotation: None)
    card = make_cards(1, CardStatus.COMPLETED, **PREPARED)[0]
    card.back = CardScan.objects.create(card=card, role=CardScan.Role.BACK, filename="b", source="b")
    card.save()
    give_result(card, {"author": stored("Grieg")})
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d")
    page = url(batch, f"cards/{card.pk}/")
    assert "turned since it was read" not in ingrid.get(page).text
    for side in ("", "?back"):
        assert f'formaction="{page}turn/{side}"' in ingrid.get(page).text
        ingrid.post(f"{page}turn/{side}", {"by": "90"})
    text = ingrid.get(page).text
    assert "turned since it was read" in text
    assert f"{reverse('batch_reread', args=[batch.pk])}?card={card.pk}" in text
    card.refresh_from_db()
    card.back.refresh_from_db()
    assert (card.rotation, card.back.rotation) == (90, 90)
    for side in ("", "?back"):
        ingrid.post(f"{page}turn/{side}", {"by": "270"})
    assert "turned since it was read" not in ingrid.get(page).text


def test_a_card_that_is_read_just_now_is_not_turned(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    card = make_cards(1, CardStatus.PROCESSING, **PREPARED)[0]
    Batch.objects.update(status=BatchStatus.RUNNING, label="d")
    assert "To the right" not in ingrid.get(url(batch, f"cards/{card.pk}/")).text
    ingrid.post(url(batch, f"cards/{card.pk}/turn/"), {"by": "90"})
    card.refresh_from_db()
    assert card.rotation == 0


def test_without_the_models_the_page_says_so(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(1, turned_by=TurnedBy.UNABLE, **PREPARED)
    assert "Not turned upright" in ingrid.get(url(batch, "upload/")).text


def test_how_many_are_still_to_be_prepared(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(1, **PREPARED)
    make_cards(2)
    assert "2 scans are being prepared" in ingrid.get(url(batch, "upload/")).text


# -- barcodes


def test_a_barcode_is_offered_beside_the_reading(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    number = {"key": "number", "label": "Accession no.", "type": "identifier"}
    codes = [{"kind": "Code 128", "text": "1954/318"}]
    card = make_cards(1, CardStatus.COMPLETED, codes=codes, **PREPARED)[0]
    give_result(card, {"author": stored("Grieg"), "number": stored("1954/319")})
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d", fields=[*batch.fields, number])
    text = ingrid.get(url(batch, f"cards/{card.pk}/")).text
    assert 'Barcode: <bdi class="value">1954/318</bdi>' in text
    assert text.count('<option value="1954/318">') == 1
    assert "Barcodes on the scan" in text
