from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from batches import changes
from batches.actions import pairs, replacing, runs
from batches.intake import adding, derive
from batches.models import Attempt, Batch, Card, CardScan
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from tests.batches.intake import pictures
from tests.batches.reading import give_result, stored

OLD, NEW = pictures.jpeg((300, 200)), pictures.jpeg((400, 260))


@pytest.fixture
def card(batch: Batch) -> Card:
    """Front and back, read, in a batch that is over."""
    batch.options = {"rotation": 0}
    batch.save()
    for name, data in (("1.jpg", OLD), ("2.jpg", pictures.jpeg((310, 200)))):
        derive.prepare(adding.add_file(batch, name, [data]).cards[0])
    pairs.apply(batch, "order")
    runs.start(batch, batch.owner)
    card = batch.cards.select_related("batch", "back").get()
    region = [[0.1, 0.2, 0.3, 0.1]]
    result = give_result(
        card, {"author": stored("Grieg", regions=region), "title": stored("Op. 46", regions=region, on_back=True)}
    )
    Attempt.objects.create(card=card, result=result, engine_name="local", started_at=timezone.now())
    with changes.locked(batch) as change:
        change.move_batch(BatchStatus.RUNNING)
        fresh = change.batch.cards.get()
        change.move_card(fresh, CardStatus.PROCESSING)
        change.move_card(fresh, CardStatus.COMPLETED, result=result)
        change.finish_if_done(timezone.now())
    return card


def at(card: Card, path: str = "") -> str:
    return f"/batches/{card.batch_id}/cards/{card.pk}/{path}"


def sent(data: bytes = NEW, **more: Any) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("better.jpg", data), **more}


def test_the_card_shows_both_sides_each_with_its_values(signed_in: Client, card: Card) -> None:
    page = signed_in.get(at(card)).text
    front, back = page.index("Scan of card 1"), page.index("Back of card 1")
    assert front < page.index('data-region="author"') < back < page.index('data-region="title"')
    assert page.count('<rect data-region="author"') == 1
    image = signed_in.get(at(card, f"scans/{card.back_id}/page/"))
    assert (image.status_code, image["Content-Type"]) == (200, "image/jpeg")


def test_a_scan_is_replaced_by_a_plain_form(signed_in: Client, card: Card) -> None:
    assert at(card, "scan/") in signed_in.get(at(card)).text
    assert 'enctype="multipart/form-data"' in signed_in.get(at(card, "scan/")).text
    response = signed_in.post(at(card, "scan/"), sent(), follow=True)
    assert response.redirect_chain == [(at(card), 302)]
    assert "The scan is replaced." in response.text
    assert [scan.width for scan in Card.objects.select_related("back").get().sides] == [400, 310]


def test_it_is_said_that_values_are_those_of_the_old_scan(signed_in: Client, card: Card) -> None:
    assert 'id="stale"' not in signed_in.get(at(card)).text
    signed_in.post(at(card, "scan/"), sent())
    page = signed_in.get(at(card)).text
    assert "what stands here was read from the old one" in page
    assert f"/again/?card={card.pk}" in page[page.index('id="stale"') :]
    assert "data-region" not in page.split("fields__list")[0]  # the places are those on the old one
    Attempt.objects.create(card=card, engine_name="local", started_at=timezone.now())
    assert 'id="stale"' not in signed_in.get(at(card)).text


def test_the_old_scan_can_be_looked_at_and_downloaded(signed_in: Client, card: Card) -> None:
    signed_in.post(at(card, "scan/"), sent())
    earlier = CardScan.objects.get(role=CardScan.Role.EARLIER)
    page = signed_in.get(at(card)).text
    assert "Earlier scans" in page
    assert "replaced by Ingrid Solberg" in page
    old = signed_in.get(at(card, f"scans/{earlier.pk}/full/"))
    assert b"".join(old.streaming_content) if old.streaming else old.content == OLD  # type: ignore[attr-defined]
    assert "1.jpg" in old["Content-Disposition"]
    assert "better.jpg" in signed_in.get(at(card, "image/full/"))["Content-Disposition"]


def test_the_back_is_replaced_where_that_is_said(signed_in: Client, card: Card) -> None:
    assert 'value="back"' in signed_in.get(at(card, "scan/")).text
    signed_in.post(at(card, "scan/"), sent(side="back"))
    assert [scan.width for scan in Card.objects.select_related("back").get().sides] == [300, 400]


@pytest.mark.parametrize(("data", "status"), [(b"no image", 415), (OLD, 422), (None, 422)])
def test_what_is_refused_is_told_with_its_reason(
    signed_in: Client, card: Card, data: bytes | None, status: int
) -> None:
    response = signed_in.post(at(card, "scan/"), {} if data is None else sent(data))
    assert response.status_code == status
    assert 'role="alert"' in response.text
    assert not CardScan.objects.filter(role=CardScan.Role.EARLIER).exists()


def test_in_a_draft_it_leads_back_to_the_scans(signed_in: Client, batch: Batch) -> None:
    damaged = pictures.truncated(pictures.jpeg((2000, 1500)))
    card = adding.add_file(batch, "1.jpg", [damaged]).cards[0]
    derive.prepare(card)
    assert at(card, "scan/") in signed_in.get(f"/batches/{batch.pk}/upload/").text
    response = signed_in.post(at(card, "scan/"), sent())
    assert response["Location"] == f"/batches/{batch.pk}/upload/"


def test_others_replace_nothing_and_see_no_scan_of_a_private_batch(
    client: Client, user: User, other_user: User, card: Card
) -> None:
    replacing.replace(card, user, "x.jpg", [NEW])
    scan = f"scans/{card.back_id}/thumb/"
    assert client.get(at(card, scan)).status_code == 302
    client.force_login(other_user)
    assert client.get(at(card, scan)).status_code == 200
    assert client.post(at(card, "scan/"), sent(OLD)).status_code == 404
    assert client.get(at(card, "scan/")).status_code == 404
    assert at(card, "scan/") not in client.get(at(card)).text
    Batch.objects.update(everybody="none")
    assert client.get(at(card, scan)).status_code == 404


def test_a_scan_of_another_card_is_not_found_under_this_one(signed_in: Client, card: Card) -> None:
    assert signed_in.get(f"/batches/{card.batch_id}/cards/{card.pk + 1}/scans/{card.back_id}/thumb/").status_code == 404
    assert signed_in.get(f"/batches/{card.batch_id + 1}/cards/{card.pk}/scans/{card.back_id}/thumb/").status_code == 404
