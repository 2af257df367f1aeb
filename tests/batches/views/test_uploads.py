from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries
from pytest_django.asserts import assertTemplateNotUsed

from batches.intake import store
from batches.models import Batch, Card, Upload
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from tests.conftest import image_bytes

RAW = "application/octet-stream"


def jpegs(*names: str) -> list[SimpleUploadedFile]:
    """Each name has bytes of its own."""
    return [SimpleUploadedFile(name, image_bytes() + name.encode(), "image/jpeg") for name in names]


def send(client: Client, batch: Batch, file: SimpleUploadedFile, **fields: str) -> HttpResponse:
    """As upload.js does."""
    names = {
        "X-File-Path": quote(fields.get("path", file.name or "")),
        "X-Client-Key": quote(fields.get("client_key", "")),
    }
    return client.post(reverse("card_add", args=[batch.pk]), file.read(), RAW, headers=names)


def test_the_page_says_what_may_be_sent(ingrid: Client, batch: Batch) -> None:
    text = ingrid.get(reverse("batch_upload", args=[batch.pk])).text

    assert "up to 50 MB" in text
    assert "No scans yet" in text


def test_a_file_of_the_script_is_a_card_and_nothing_more_to_say(ingrid: Client, batch: Batch) -> None:
    response = send(ingrid, batch, jpegs("ä b.jpg")[0], client_key="k|1", path="Drawer/ä b.jpg")
    card, upload = batch.cards.get(), batch.uploads.get()

    assert (response.status_code, response.content) == (204, b"")
    assert (card.original_name, card.upload, upload.client_key) == ("Drawer/ä b.jpg", upload, "k|1")
    assert (card.size, upload.size) == (len(jpegs("ä b.jpg")[0].read()),) * 2


def test_a_file_of_the_script_that_is_no_card_is_answered_by_its_row(ingrid: Client, batch: Batch) -> None:
    send(ingrid, batch, jpegs("a.jpg")[0])
    response = send(ingrid, batch, jpegs("a.jpg")[0], path="copy.jpg")

    upload = batch.uploads.get(name="copy.jpg")
    assert response.status_code == 200
    assert response.text.strip().startswith(f'<tr id="upload-{upload.pk}" data-status="duplicate">')


def test_a_file_that_the_server_has_on_the_disk_is_moved_not_copied(
    ingrid: Client, batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = tmp_path / "body.part"
    body.write_bytes(image_bytes())
    inode = body.stat().st_ino
    monkeypatch.setattr("batches.views.uploads._body", lambda _request: body)
    assert send(ingrid, batch, jpegs("a.jpg")[0]).status_code == 204

    assert not body.exists()
    assert store.find(batch.cards.get()).stat().st_ino == inode


def test_a_file_sent_again_with_its_key_stands_once(ingrid: Client, batch: Batch) -> None:
    for _try in range(2):
        assert send(ingrid, batch, jpegs("a.jpg")[0], client_key="k1").status_code == 204

    assert batch.cards.count() == 1


def test_what_is_no_image_is_refused_with_its_reason(ingrid: Client, batch: Batch) -> None:
    response = send(ingrid, batch, SimpleUploadedFile("notes.docx", b"PK\x03\x04 words"))

    assert response.status_code == 415
    assert "Refused" in response.text
    assert "notes.docx" in response.text


def test_the_page_itself_gets_the_code_of_a_refused_file_in_a_header(ingrid: Client, batch: Batch) -> None:
    response = ingrid.post(
        f"/batches/{batch.pk}/files/",
        b"no image",
        content_type="application/octet-stream",
        headers={"X-File-Path": "notes.txt", "X-Quiet": "1"},
    )
    assert (response.status_code, response["X-Upload-Status"]) == (200, "415")
    assert "notes.txt" in response.text


def test_what_is_too_large_is_refused(ingrid: Client, batch: Batch, settings: Any) -> None:
    settings.MAX_IMAGE_BYTES = 1000

    assert send(ingrid, batch, jpegs("a.jpg")[0]).status_code == 413


def test_the_page_tells_every_limit(ingrid: Client, batch: Batch, settings: Any) -> None:
    settings.MAX_WEBP_PIXELS, settings.MAX_ZIP_RATIO = 17_000_000, 123
    settings.MAX_UNPACKED_BYTES, settings.MAX_FILE_PAGES = 3_000_000_000, 1_234

    page = " ".join(ingrid.get(f"/batches/{batch.pk}/upload/").text.split())

    assert "WebP and AVIF up to 17 million pixels" in page
    assert "unpack to 3\xa0GB, a file in it to 123 times its size" in page.replace("3 GB", "3\xa0GB")
    assert "and 1234 pages or files" in page.replace("1,234", "1234")


def test_a_full_batch_refuses_more(ingrid: Client, batch: Batch, settings: Any) -> None:
    settings.MAX_BATCH_CARDS = 0

    assert send(ingrid, batch, jpegs("a.jpg")[0]).status_code == 422


def test_a_started_batch_refuses_files(ingrid: Client, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)

    assert send(ingrid, batch, jpegs("a.jpg")[0]).status_code == 409


def test_a_hostile_name_is_shown_as_words(ingrid: Client, batch: Batch) -> None:
    response = send(ingrid, batch, jpegs("x.jpg")[0], path="<script>alert(1)</script>.jpg")

    assert "<script>" not in response.text
    assert "<script>alert" not in ingrid.get(reverse("batch_upload", args=[batch.pk])).text


def test_the_plain_form_takes_many_files(ingrid: Client, batch: Batch) -> None:
    response = ingrid.post(reverse("card_add", args=[batch.pk]), {"files": jpegs("a.jpg", "b.jpg")}, follow=True)

    assert batch.cards.count() == 2
    assert "2 cards added." in response.text


def test_the_plain_form_keeps_the_good_and_names_the_refused(ingrid: Client, batch: Batch) -> None:
    files = [*jpegs("a.jpg"), SimpleUploadedFile("bad.txt", b"words"), *jpegs("b.jpg")]
    response = ingrid.post(reverse("card_add", args=[batch.pk]), {"files": files})

    assert response.status_code == 422
    assert "bad.txt" in response.text
    assert "1 refused" in response.text
    assert batch.cards.count() == 2


def test_the_plain_form_without_a_file_asks_for_one(ingrid: Client, batch: Batch) -> None:
    assert "Choose the files first." in ingrid.post(reverse("card_add", args=[batch.pk]), follow=True).text


def test_a_scan_can_be_removed(ingrid: Client, batch: Batch) -> None:
    send(ingrid, batch, jpegs("a.jpg")[0])
    card = batch.cards.get()
    url = reverse("card_remove", args=[batch.pk, card.pk])
    response = ingrid.post(url, headers={"HX-Request": "true", "HX-Target": "scans"})

    assertTemplateNotUsed(response, "base.html")
    assert response.text.lstrip().startswith("<section")
    assert not batch.cards.exists()
    assert ingrid.post(url)["Location"] == reverse("batch_upload", args=[batch.pk])


def test_all_scans_can_be_removed(ingrid: Client, batch: Batch) -> None:
    ingrid.post(reverse("card_add", args=[batch.pk]), {"files": jpegs("a.jpg", "b.jpg")})
    ingrid.post(reverse("cards_remove", args=[batch.pk]))
    batch.refresh_from_db()

    assert (batch.total, batch.cards.count()) == (0, 0)


def test_a_started_batch_keeps_its_scans(ingrid: Client, batch: Batch, card: Card) -> None:
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.COMPLETED)
    url = reverse("card_remove", args=[batch.pk, card.pk])
    response = ingrid.post(url, headers={"HX-Request": "true", "HX-Target": "scans"})

    assert response.status_code == 409
    assert "This batch was started" in response.text
    assert batch.cards.count() == 1
    ingrid.post(url)
    assert batch.cards.count() == 1


def test_a_scan_of_another_batch_is_not_removed_through_ones_own(
    ingrid: Client, batch: Batch, user: User, card: Card
) -> None:
    mine = Batch.objects.create(name="Mine", owner=user)
    ingrid.post(reverse("card_remove", args=[mine.pk, card.pk]))

    assert batch.cards.count() == 1


def test_the_page_of_a_started_batch_is_its_progress(ingrid: Client, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)

    assert ingrid.get(reverse("batch_upload", args=[batch.pk]))["Location"] == reverse("batch_detail", args=[batch.pk])


def test_scans_that_are_being_prepared_or_cannot_be_opened_say_so(
    ingrid: Client, batch: Batch, make_cards: Callable[..., list[Card]]
) -> None:
    make_cards(1)
    make_cards(1, error="unreadable_image", error_message="Cut off.", prepared_at="2026-11-01T10:00Z")
    text = ingrid.get(reverse("batch_upload", args=[batch.pk])).text

    assert "data-waiting" in text
    assert "Cannot be opened <small>1</small>" in text
    assert "Cut off." in text


def test_many_scans_come_in_pages_at_the_same_cost(
    ingrid: Client,
    batch: Batch,
    make_cards: Callable[..., list[Card]],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_cards(2)
    with django_assert_num_queries(12):
        ingrid.get(reverse("batch_upload", args=[batch.pk]))
    make_cards(120)
    with django_assert_num_queries(12):
        response = ingrid.get(reverse("batch_upload", args=[batch.pk]))

    assert len(response.context["cards"]) == 100
    assert len(ingrid.get(reverse("batch_upload", args=[batch.pk]) + "?page=2").context["cards"]) == 22


def test_others_may_look_but_not_add(client: Client, other_user: User, batch: Batch, card: Card) -> None:
    client.force_login(other_user)

    text = client.get(reverse("batch_upload", args=[batch.pk])).text
    assert "You may correct and check its cards" in text
    assert 'id="uploader"' not in text
    assert send(client, batch, jpegs("a.jpg")[0]).status_code == 404
    assert client.post(reverse("card_remove", args=[batch.pk, card.pk])).status_code == 404
    assert client.post(reverse("cards_remove", args=[batch.pk])).status_code == 404


def test_a_private_batch_is_not_there_for_others(client: Client, other_user: User, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(everybody="none")
    client.force_login(other_user)

    for name in ("batch_upload", "batch_fields", "batch_confirm"):
        assert client.get(reverse(name, args=[batch.pk])).status_code == 404


def test_who_is_signed_out_is_sent_to_sign_in(client: Client, batch: Batch) -> None:
    for name in ("batch_upload", "batch_fields", "batch_confirm"):
        assert client.get(reverse(name, args=[batch.pk])).status_code == 302
    assert client.post(reverse("card_add", args=[batch.pk])).status_code == 302


def test_what_came_of_each_file_stands_there_after_a_reload(ingrid: Client, batch: Batch) -> None:
    send(ingrid, batch, jpegs("a.jpg")[0])
    twin = SimpleUploadedFile("b.jpg", image_bytes() + b"a.jpg")
    send(ingrid, batch, twin)
    send(ingrid, batch, SimpleUploadedFile("bad.txt", b"words"))
    text = ingrid.get(reverse("batch_upload", args=[batch.pk])).text

    for words in ("1 file added", "1 duplicate, not added", "1 refused", "same content as a.jpg", "left on the disk"):
        assert words in text
    assert text.index("bad.txt") < text.index("same content as a.jpg")


def test_a_duplicate_is_added_or_left_out_as_a_person_says(ingrid: Client, batch: Batch) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        send(ingrid, batch, SimpleUploadedFile(name, image_bytes()))
    two, three = batch.uploads.filter(status="duplicate").order_by("pk")
    htmx = {"HX-Request": "true", "HX-Target": "files"}
    added = ingrid.post(reverse("upload_decide", args=[batch.pk, two.pk]), {"do": "add"}, headers=htmx)
    ingrid.post(reverse("upload_decide", args=[batch.pk, three.pk]), {"do": "dismiss"})

    assert added.text.lstrip().startswith("<section")
    assert added["HX-Trigger"] == "scans-changed"
    assert sorted(card.original_name for card in batch.cards.all()) == ["a.jpg", "b.jpg"]
    assert "c.jpg" not in ingrid.get(reverse("batch_upload", args=[batch.pk])).text


def test_a_started_batch_keeps_its_duplicates_out(ingrid: Client, batch: Batch) -> None:
    for name in ("a.jpg", "b.jpg"):
        send(ingrid, batch, SimpleUploadedFile(name, image_bytes()))
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    twin = batch.uploads.get(status="duplicate")
    ingrid.post(reverse("upload_decide", args=[batch.pk, twin.pk]), {"do": "add"})

    assert batch.cards.count() == 1


@pytest.mark.django_db(transaction=True)  # the table is read by a thread of its own
def test_all_refusals_leave_the_list_and_stay_in_the_table(ingrid: Client, batch: Batch) -> None:
    send(ingrid, batch, jpegs("a.jpg")[0])
    for name in ("=cmd.txt", "bad.txt"):
        send(ingrid, batch, SimpleUploadedFile("x", b"words"), path=name)
    ingrid.post(reverse("uploads_dismiss", args=[batch.pk]))

    assert "bad.txt" not in ingrid.get(reverse("batch_upload", args=[batch.pk])).text
    response = ingrid.get(reverse("uploads_table", args=[batch.pk]))
    table = read(response).decode("utf-8-sig")
    assert table.splitlines()[0] == "file,size,sha256,outcome,cards,code,reason,sent_at"
    assert "\r\na.jpg," in table
    assert ",done,1,," in table
    assert "\r\n'=cmd.txt," in table
    assert 'bad.txt,5,,refused,0,FILE_TYPE_INVALID,"This is not an image' in table
    assert "attachment" in response["Content-Disposition"]


def read(response: Any) -> bytes:
    async def collect() -> bytes:
        return b"".join([chunk async for chunk in response.streaming_content])

    return async_to_sync(collect)()


def test_a_full_disk_is_said_and_may_be_tried_again(
    ingrid: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.intake.room.free", lambda: 0)
    assert send(ingrid, batch, jpegs("a.jpg")[0], client_key="k").status_code == 507
    monkeypatch.undo()
    assert send(ingrid, batch, jpegs("a.jpg")[0], client_key="k").status_code == 204
    assert batch.uploads.get().status == "done"


def test_all_files_come_in_pages(ingrid: Client, batch: Batch) -> None:
    Upload.objects.bulk_create(Upload(batch=batch, name=f"{n}.jpg", status="done", cards_made=1) for n in range(120))
    address = reverse("batch_upload", args=[batch.pk])

    assert "Show all 120 files" in ingrid.get(address).text
    assert len(ingrid.get(address).context["uploads"]) == 8
    assert len(ingrid.get(address + "?files=1").context["uploads"]) == 100
    assert len(ingrid.get(address + "?files=2").context["uploads"]) == 20


def test_cards_are_moved_without_a_script(ingrid: Client, batch: Batch) -> None:
    ingrid.post(reverse("card_add", args=[batch.pk]), {"files": jpegs("10.jpg", "9.jpg", "8.jpg")})
    order = lambda: [card.original_name for card in batch.cards.order_by("position")]  # noqa: E731
    assert order() == ["8.jpg", "9.jpg", "10.jpg"]
    page = ingrid.get(reverse("batch_upload", args=[batch.pk]) + "?order=1").text
    assert "Move 8.jpg down" in page
    assert "Place of 8.jpg" in page
    address = reverse("card_move", args=[batch.pk, batch.cards.get(original_name="8.jpg").pk]) + "?order=1"
    assert ingrid.post(address, {"to": "3"})["Location"].endswith("/upload/?order=1")
    assert order() == ["9.jpg", "10.jpg", "8.jpg"]
    assert "Type the place as a number" in ingrid.post(address, {"to": "last"}, follow=True).text
    ingrid.post(reverse("cards_order", args=[batch.pk]), {"settle": "1"})
    assert order() == ["9.jpg", "10.jpg", "8.jpg"]
    ingrid.post(reverse("cards_order", args=[batch.pk]))
    assert order() == ["8.jpg", "9.jpg", "10.jpg"]


def test_others_decide_nothing(client: Client, other_user: User, batch: Batch, card: Card) -> None:
    upload = Upload.objects.create(batch=batch, name="a.jpg", status="refused")
    client.force_login(other_user)
    for name, arguments in (
        ("upload_decide", [upload.pk]),
        ("uploads_dismiss", []),
        ("card_move", [card.pk]),
        ("cards_order", []),
    ):
        assert client.post(reverse(name, args=[batch.pk, *arguments])).status_code == 404
    Batch.objects.filter(pk=batch.pk).update(everybody="none")
    assert client.get(reverse("uploads_table", args=[batch.pk])).status_code == 404


def test_scans_that_need_a_look_can_be_listed_alone(
    ingrid: Client, batch: Batch, make_cards: Callable[..., list[Card]]
) -> None:
    make_cards(2)
    broken = make_cards(1, error="unreadable_image", error_message="Cut off.")
    blank = make_cards(1, CardStatus.SKIPPED, skip_reason="blank", blank=True)
    page = reverse("batch_upload", args=[batch.pk])

    for only, expected in (("unreadable", broken), ("blank", blank)):
        response = ingrid.get(page, {"only": only})
        assert response.context["cards"] == expected
        assert "All <small>4</small>" in response.text
        assert "Remove all" not in response.text  # that would be more than is shown
        assert f"only={only}" in ingrid.get(page).text
    assert len(ingrid.get(page, {"only": "nonsense"}).context["cards"]) == 4


def test_the_scans_page_says_how_they_are_prepared(ingrid: Client, batch: Batch) -> None:
    page = reverse("batch_upload", args=[batch.pk])
    assert "Turn the scans" in ingrid.get(page).text
    options = {"turn": "90", "trim": "on"}
    form = reverse("batch_scans", args=[batch.pk])
    assert ingrid.post(form, options, headers={"HX-Request": "true"})["HX-Trigger"] == "scans-changed"
    assert ingrid.post(form, options)["Location"] == page


def test_a_scan_of_a_folder_shows_its_own_name(
    ingrid: Client, batch: Batch, make_cards: Callable[..., list[Card]]
) -> None:
    make_cards(1, page=2)
    Card.objects.update(original_name="A long folder/Another/9.tif")
    text = ingrid.get(reverse("batch_upload", args=[batch.pk])).text
    assert '<span title="A long folder/Another/9.tif#2"><bdi>9.tif#2</bdi></span>' in text


def test_what_was_taken_out_again_counts_as_added_no_more(ingrid: Client, batch: Batch) -> None:
    for file in jpegs("a.jpg", "b.jpg"):
        send(ingrid, batch, file)
    ingrid.post(reverse("card_remove", args=[batch.pk, batch.cards.first().pk]))
    text = ingrid.get(reverse("batch_upload", args=[batch.pk])).text
    assert "1 file added" in text
    assert "1 taken out again" in text
    assert '<span class="count">2</span>' in text  # of the files; both stand in the list
