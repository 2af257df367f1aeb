from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django.urls import reverse
from PIL import Image

from batches.intake import adding, derive, moves, store
from batches.models import Batch, Card
from batches.streaming import CHUNK
from cardocr_site.accounts.models import User
from tests.batches.intake import pictures


@pytest.fixture
def scan(batch: Batch) -> Card:
    card = adding.add_file(batch, 'Box 1/Kärtchen "7".jpg', [pictures.jpeg()]).cards[0]
    derive.prepare(card)
    return card


def address(card: Card, size: str = "thumb") -> str:
    return reverse("card_image", args=[card.batch_id, card.pk, size])


def test_a_thumbnail_is_a_harmless_jpeg(signed_in: Client, scan: Card):
    response = signed_in.get(address(scan))
    assert response.content == store.derived(scan, "thumb").read_bytes()
    assert response["Content-Type"] == "image/jpeg"
    assert response["Content-Length"] == str(len(response.content))
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "Content-Disposition" not in response


def test_under_its_rotation_it_may_be_kept_for_ever(signed_in: Client, scan: Card):
    assert "immutable" in signed_in.get(address(scan), {"r": "0"})["Cache-Control"]
    assert signed_in.get(address(scan))["Cache-Control"] == "private, no-cache"


def test_another_turn_is_shown_while_the_right_one_is_missing(signed_in: Client, scan: Card):
    Card.objects.update(rotation=90)
    for asked in ("90", "180", "45", "x"):
        response = signed_in.get(address(scan), {"r": asked})
        assert response.content == store.derived(scan, "thumb").read_bytes()
        assert response["Cache-Control"] == "private, no-cache"
    derive.turn(scan, 90)
    response = signed_in.get(address(scan), {"r": "90"})
    assert response.content == store.derived(scan, "thumb", 90).read_bytes()
    assert "immutable" in response["Cache-Control"]
    assert signed_in.get(address(scan)).content == response.content  # as the card stands
    assert signed_in.get(address(scan), {"r": "0"}).content != response.content


def test_an_image_that_the_browser_has_is_not_sent_again(signed_in: Client, scan: Card):
    first = signed_in.get(address(scan))
    again = signed_in.get(address(scan), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    since = signed_in.get(address(scan), headers={"If-Modified-Since": first["Last-Modified"]})
    assert since.status_code == 304


def test_the_original_is_downloaded_under_its_own_name(signed_in: Client, scan: Card):
    response = signed_in.get(address(scan, "full"))
    assert response.content == pictures.jpeg()
    assert response["Content-Disposition"] == "attachment; filename*=utf-8''K%C3%A4rtchen%20%227%22.jpg"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_an_unknown_type_is_downloaded_as_bytes(signed_in: Client, scan: Card):
    Card.objects.update(media_type="text/html")
    assert signed_in.get(address(scan, "full"))["Content-Type"] == "application/octet-stream"


def test_a_large_image_is_streamed(batch: Batch, user: User):
    noise = Image.effect_noise((900, 900), 90)
    card = adding.add_file(batch, "noise.png", [pictures.encoded(noise, "PNG")]).cards[0]
    derive.prepare(card)

    async def scenario() -> tuple[list[bytes], str]:
        client = AsyncClient()
        await client.aforce_login(user)
        response = await client.get(address(card, "page"))
        assert response.streaming
        return [chunk async for chunk in response.streaming_content], response["Content-Length"]

    chunks, length = async_to_sync(scenario)()
    data = b"".join(chunks)
    assert data == store.derived(card, "page").read_bytes()
    assert int(length) == len(data) > CHUNK
    assert len(chunks) > 1


def test_a_head_request_opens_nothing(signed_in: Client, scan: Card):
    response = signed_in.head(address(scan, "page"))
    assert (response.content, int(response["Content-Length"])) == (
        b"",
        store.derived(scan, "page").stat().st_size,
    )


@pytest.mark.parametrize("size", ["thumb", "page"])
def test_what_is_not_made_yet_is_not_found(signed_in: Client, batch: Batch, size: str):
    card = adding.add_file(batch, "new.jpg", [pictures.jpeg()]).cards[0]
    assert signed_in.get(address(card, size)).status_code == 404
    assert signed_in.get(address(card, "full")).status_code == 200


def test_a_missing_original_and_an_unknown_size_are_not_found(signed_in: Client, scan: Card):
    store.find(scan).unlink()
    assert signed_in.get(address(scan, "full")).status_code == 404
    assert signed_in.get(address(scan, "huge")).status_code == 404


def test_an_image_that_goes_this_moment_is_not_found(signed_in: Client, scan: Card, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "find", lambda card: store.folder(card.batch) / "gone")
    assert signed_in.get(address(scan, "full")).status_code == 404


@pytest.mark.parametrize("size", ["thumb", "page", "full"])
def test_only_those_who_may_see_the_batch_see_its_images(
    client: Client, batch: Batch, scan: Card, other_user: User, administrator: User, size: str
):
    answer: Callable[[], int] = lambda: client.get(address(scan, size)).status_code  # noqa: E731
    assert answer() == 302
    client.force_login(other_user)
    assert answer() == 200
    Batch.objects.update(everybody="none")
    assert answer() == 404
    client.force_login(administrator)
    assert answer() == 200
    assert client.post(address(scan, size)).status_code == 405


def test_a_card_of_another_batch_is_not_found(signed_in: Client, scan: Card, user: User):
    other = Batch.objects.create(name="Other", owner=user)
    assert signed_in.get(reverse("card_image", args=[other.pk, scan.pk, "thumb"])).status_code == 404


def test_a_failed_card_shows_its_image_from_the_errors(signed_in: Client, scan: Card):
    Card.objects.update(status="failed")
    moves.place(scan)
    assert store.find(scan).parent.name == "_errors"
    for size in ("thumb", "page", "full"):
        assert signed_in.get(address(scan, size)).status_code == 200
