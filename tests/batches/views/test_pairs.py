from typing import Any

import pytest
from django.test import Client

from batches.actions import pairs
from batches.intake import adding, derive
from batches.models import Batch
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from tests.batches.intake import pictures


@pytest.fixture
def scanned(batch: Batch) -> Batch:
    batch.options = {"rotation": 0}
    batch.save()
    for n, name in enumerate(("1_r.jpg", "1_v.jpg", "2_r.jpg", "2_v.jpg", "cover.jpg")):
        derive.prepare(adding.add_file(batch, name, [pictures.jpeg((300 + n, 200))]).cards[0])
    return batch


def at(batch: Batch, path: str = "") -> str:
    return f"/batches/{batch.pk}/pairs/{path}"


def test_the_scans_lead_to_it(signed_in: Client, batch: Batch) -> None:
    assert at(batch) in signed_in.get(f"/batches/{batch.pk}/upload/").text


def test_the_preview_says_what_pairs_and_what_stays_alone(signed_in: Client, scanned: Batch) -> None:
    page = signed_in.get(at(scanned)).text
    assert 'value="_r"' in page  # suggested
    assert "2 pairs" in page
    assert "1 scan stays alone" in page
    assert "<bdi>cover.jpg</bdi>" in page
    assert Batch.objects.get().total == 5
    assert "2 pairs" in signed_in.get(at(scanned), {"how": "names", "front": "", "back": ""}).text
    page = signed_in.get(at(scanned), {"how": "order"}).text
    assert "Front: 2_r.jpg" in page
    page = signed_in.get(at(scanned), {"how": "names", "front": "x", "back": "<y>"}).text
    assert "No two scans pair this way." in page
    assert 'value="&lt;y&gt;"' in page


def test_what_the_template_says_is_previewed_and_missed_before_the_start(signed_in: Client, scanned: Batch) -> None:
    Batch.objects.update(options={"rotation": 0, "pairing": {"how": "order"}})
    assert signed_in.get(at(scanned)).context["how"] == "order"
    confirm = f"/batches/{scanned.pk}/confirm/"
    assert "not paired yet" in signed_in.get(confirm).text
    signed_in.post(at(scanned), {"how": "names", "front": "_r", "back": "_v"})
    assert Batch.objects.get().option("pairing") == {"how": "names", "front": "_r", "back": "_v"}
    context = signed_in.get(at(scanned)).context
    assert (context["how"], context["front"], context["back"]) == ("names", "_r", "_v")
    assert "not paired yet" not in signed_in.get(confirm).text


def test_what_was_seen_is_paired_and_parted(signed_in: Client, scanned: Batch) -> None:
    done = signed_in.post(at(scanned), {"how": "names", "front": "_r", "back": "_v"}, follow=True).text
    assert "2 pairs are one card each now." in done
    assert Batch.objects.get().total == 3
    assert "front and back" in signed_in.get(f"/batches/{scanned.pk}/upload/").text
    card = scanned.cards.exclude(back=None).select_related("back").first()
    assert card is not None
    image = f"/batches/{scanned.pk}/cards/{card.pk}/scans/{card.back_id}/thumb/"
    assert image in done
    assert signed_in.get(image).status_code == 200
    assert "1 pair is two cards again." in signed_in.post(at(scanned, "part/"), {"card": card.pk}, follow=True).text
    signed_in.post(at(scanned, "part/"))
    assert Batch.objects.get().total == 5


def test_a_card_that_is_gone_parts_nothing(signed_in: Client, scanned: Batch) -> None:
    pairs.apply(scanned, "order")
    signed_in.post(at(scanned, "part/"), {"card": "999999"})
    signed_in.post(at(scanned, "part/"), {"card": "x"})
    assert Batch.objects.get().total == 3


def test_it_waits_for_the_previews(signed_in: Client, batch: Batch) -> None:
    for name in ("1.jpg", "2.jpg"):
        adding.add_file(batch, name, [pictures.jpeg()])
    page = signed_in.get(at(batch), {"how": "order"}).text
    assert "The previews are still being made." in page
    assert 'id="pair"' not in page
    assert "still being made" in signed_in.post(at(batch), {"how": "order"}, follow=True).text
    assert Batch.objects.get().total == 2


def test_the_page_asks_as_often_for_many_as_for_few(
    signed_in: Client, batch: Batch, make_cards: Any, django_assert_max_num_queries: Any
) -> None:
    make_cards(80, prepared_at="2026-01-01T00:00Z")
    with django_assert_max_num_queries(14):
        signed_in.get(at(batch))
    pairs.apply(batch, "order")
    with django_assert_max_num_queries(14):
        signed_in.get(at(batch))


def test_a_started_batch_and_others_have_no_pairs(client: Client, scanned: Batch, user: User, other_user: User) -> None:
    client.force_login(other_user)
    for path in ("", "part/"):
        assert client.post(at(scanned, path), {"how": "order"}).status_code == 404
    client.force_login(user)
    Batch.objects.update(status=BatchStatus.QUEUED)
    assert client.get(at(scanned)).status_code == 302
    assert client.post(at(scanned), {"how": "order"}).status_code == 302
    assert scanned.cards.count() == 5
