"""Large files in parts, by the tus protocol."""

import base64
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from batches.drain.sweeper import clean_parts
from batches.intake import parts, store, uploads
from batches.models import Batch, Upload
from batches.states import BatchStatus, UploadStatus
from cardocr_site.accounts.models import User
from tests.batches.intake import pictures

TUS = {"Tus-Resumable": "1.0.0"}


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def begin(client: Client, batch: Batch, size: int, name: str = "Kasten 1/ledger.jpg", key: str = "k") -> HttpResponse:
    about = f"filename {coded(name)},client_key {coded(key)}"
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": about}
    return client.post(reverse("part_create", args=[batch.pk]), headers=headers)


def patch(client: Client, address: str, offset: int, data: bytes, **headers: str) -> HttpResponse:
    kind = "application/offset+octet-stream"
    given = {**TUS, "Upload-Offset": str(offset), "Content-Type": kind, **headers}
    return client.patch(address, data, content_type=kind, headers=given)


def head(client: Client, address: str) -> HttpResponse:
    return client.head(address, headers=TUS)


def test_a_file_comes_in_parts(ingrid: Client, batch: Batch):
    data = pictures.jpeg()
    made = begin(ingrid, batch, len(data))
    address = made["Location"]
    assert (made.status_code, head(ingrid, address)["Upload-Offset"]) == (201, "0")

    first = patch(ingrid, address, 0, data[:2000])
    assert (first.status_code, first["Upload-Offset"]) == (204, "2000")
    told = head(ingrid, address)
    assert (told["Upload-Offset"], told["Upload-Length"], told["Cache-Control"]) == ("2000", str(len(data)), "no-store")
    assert "Not complete" in ingrid.get(reverse("batch_upload", args=[batch.pk])).text

    assert patch(ingrid, address, 2000, data[2000:])["Upload-Offset"] == str(len(data))
    card = batch.cards.get()
    assert card.original_name == "Kasten 1/ledger.jpg"
    assert store.find(card).read_bytes() == data
    assert store.parts() == []
    assert 'data-status="done"' in ingrid.get(address).text
    assert patch(ingrid, address, len(data), b"")["Upload-Offset"] == str(len(data))  # its answer was lost
    assert batch.cards.count() == 1


def test_begun_again_it_goes_on_where_it_stopped(ingrid: Client, batch: Batch):
    address = begin(ingrid, batch, 9000)["Location"]
    patch(ingrid, address, 0, pictures.jpeg()[:2000])
    assert begin(ingrid, batch, 9000)["Location"] == address
    assert head(ingrid, address)["Upload-Offset"] == "2000"


def test_what_was_written_and_not_answered_is_cut_off(ingrid: Client, batch: Batch):
    data = pictures.jpeg()
    address = begin(ingrid, batch, len(data))["Location"]
    patch(ingrid, address, 0, data[:2000])
    with store.part_of(batch.uploads.get()).open("ab") as file:
        file.write(b"half a part")
    assert head(ingrid, address)["Upload-Offset"] == "2000"
    patch(ingrid, address, 2000, data[2000:])
    assert store.find(batch.cards.get()).read_bytes() == data


def test_what_is_gone_from_the_disk_is_not_taken_for_there(ingrid: Client, batch: Batch):
    data = pictures.jpeg()
    address = begin(ingrid, batch, len(data))["Location"]
    patch(ingrid, address, 0, data[:2000])
    store.part_of(batch.uploads.get()).unlink()
    assert patch(ingrid, address, 2000, data[2000:]).status_code == 409  # not zeros, and the rest behind them
    assert head(ingrid, address)["Upload-Offset"] == "0"
    patch(ingrid, address, 0, data)
    assert store.find(batch.cards.get()).read_bytes() == data


@pytest.mark.parametrize("moment", ["batches.intake.adding.refuse_unless_open", "batches.intake.parts.refuse_if_full"])
def test_taken_off_the_list_while_a_part_comes_it_is_gone(
    ingrid: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch, moment: str
):
    data = pictures.jpeg()
    address = begin(ingrid, batch, len(data))["Location"]
    patch(ingrid, address, 0, data[:2000])

    def dismiss(*_arguments: Any) -> None:
        uploads.dismiss(batch.uploads.all())

    monkeypatch.setattr(moment, dismiss)
    assert patch(ingrid, address, 2000, data[2000:]).status_code == 409
    assert head(ingrid, address).status_code == 404
    assert (store.parts(), batch.cards.count()) == ([], 0)


def test_a_kill_before_the_last_answer_is_no_loss(ingrid: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch):
    data = pictures.jpeg()
    address = begin(ingrid, batch, len(data))["Location"]

    def die(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parts, "_finish", die)
    with pytest.raises(KeyboardInterrupt):
        patch(ingrid, address, 0, data)
    monkeypatch.undo()
    assert head(ingrid, address)["Upload-Offset"] == str(len(data))
    assert patch(ingrid, address, len(data), b"").status_code == 204
    assert store.find(batch.cards.get()).read_bytes() == data


def test_a_part_at_another_place_is_not_taken(ingrid: Client, batch: Batch):
    address = begin(ingrid, batch, 9000)["Location"]
    assert patch(ingrid, address, 100, b"x").status_code == 409
    with parts._opened(batch.uploads.get()):  # another tab sends the same file
        assert patch(ingrid, address, 0, b"x").status_code == 409
    assert head(ingrid, address)["Upload-Offset"] == "0"


def test_what_is_no_scan_is_refused_with_its_first_part(ingrid: Client, batch: Batch):
    address = begin(ingrid, batch, 9_000_000, name="film.mp4")["Location"]
    assert patch(ingrid, address, 0, b"\0\0\0\x18ftypisom" + b"\0" * 5000).status_code == 415
    upload = batch.uploads.get()
    assert (upload.status, upload.code) == (UploadStatus.REFUSED, "FILE_TYPE_INVALID")
    assert store.parts() == []
    assert ingrid.get(address).status_code == 415


def test_more_than_was_announced_is_refused(ingrid: Client, batch: Batch):
    address = begin(ingrid, batch, 3000)["Location"]
    assert patch(ingrid, address, 0, pictures.jpeg()).status_code == 422


def test_too_large_a_file_is_refused_before_it_is_sent(ingrid: Client, batch: Batch, settings: Any):
    settings.MAX_CONTAINER_BYTES = 1000
    assert begin(ingrid, batch, 1001).status_code == 413
    assert batch.uploads.get().code == "FILE_TOO_LARGE"


def test_without_room_it_is_not_begun(ingrid: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("batches.intake.room.free", lambda: 5000)
    assert begin(ingrid, batch, 9000).status_code == 507
    assert begin(ingrid, batch, 4000).status_code == 201


def test_a_started_batch_takes_no_parts(ingrid: Client, batch: Batch):
    address = begin(ingrid, batch, 9000)["Location"]
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    assert begin(ingrid, batch, 9000).status_code == 409
    assert patch(ingrid, address, 0, b"x").status_code == 409


def test_it_can_be_given_up(ingrid: Client, batch: Batch):
    address = begin(ingrid, batch, 9000)["Location"]
    patch(ingrid, address, 0, pictures.jpeg()[:2000])
    assert ingrid.delete(address, headers=TUS).status_code == 204
    assert head(ingrid, address).status_code == 404
    assert store.parts() == []


def test_what_a_day_has_not_completed_goes(ingrid: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch):
    address = begin(ingrid, batch, 9000)["Location"]
    patch(ingrid, address, 0, pictures.jpeg()[:2000])
    Upload.objects.update(created_at="2026-01-01T00:00Z")
    upload = batch.uploads.get()
    store._area("temp", "_parts").mkdir(parents=True, exist_ok=True)
    store.part_of(upload).write_bytes(b"new")
    parts.forget_old()
    assert batch.uploads.exists()  # a part came a moment ago
    monkeypatch.setattr(parts, "KEEP", parts.timedelta(seconds=-1))
    parts.forget_old()
    clean_parts()
    assert not batch.uploads.exists()
    assert not store.part_of(upload).exists()


def test_other_words_than_the_protocols_are_told_apart(ingrid: Client, batch: Batch):
    address = begin(ingrid, batch, 9000)["Location"]
    create = reverse("part_create", args=[batch.pk])
    assert ingrid.post(create, headers={"Upload-Length": "5"}).status_code == 412
    assert ingrid.post(create, headers={**TUS, "Upload-Length": "-5"}).status_code == 400
    assert ingrid.patch(address, b"x", content_type="image/jpeg", headers=TUS).status_code == 415
    assert patch(ingrid, address, 0, b"x", **{"Upload-Offset": "one"}).status_code == 400
    assert ingrid.options(create)["Tus-Extension"] == "creation,termination"


def test_others_do_not_reach_it(client: Client, other_user: User, batch: Batch, user: User):
    client.force_login(user)
    address = begin(client, batch, 9000)["Location"]
    client.force_login(other_user)
    assert begin(client, batch, 9000).status_code == 404
    assert {head(client, address).status_code, patch(client, address, 0, b"x").status_code} == {404}
