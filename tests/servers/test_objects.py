"""Scans on object storage: a real S3 server in a process of its own, behind a door that can be shut."""

import io
import itertools
import os
import secrets
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.core.management.base import CommandError
from django.urls import reverse

from batches.actions import erasing, runs
from batches.drain import scheduler
from batches.intake import (
    adding,
    cache,
    connecting,
    copying,
    derive,
    moves,
    objects,
    opening,
    parts,
    store,
    strays,
    uploads,
)
from batches.intake.receiving import Refused
from batches.intake.unreachable import Unreachable
from batches.models import Attempt, Batch, Card
from batches.states import CardStatus, PauseReason
from batches.views.uploads import RAW
from cardocr_site import objects as given
from cardocr_site.doctor import storage as doctor
from cardocr_site.doctor.told import State
from cardocr_site.management.commands import serve
from ocr.errors import StorageUnreachable
from tests.conftest import FIELDS
from tests.servers import s3
from tests.servers.conftest import small_card
from tests.servers.reading import over, paused
from tests.waiting import until

pytestmark = pytest.mark.servers

_run, _numbers = secrets.token_hex(4), itertools.count(1)  # a server of somebody else keeps what earlier runs left
SOON = {"connect_timeout": 1, "read_timeout": 1, "retries": {"mode": "standard", "total_max_attempts": 1}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Door]:
    with s3.running(tmp_path_factory.mktemp("moto")) as door:
        yield door


@pytest.fixture
def door(server: s3.Door, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3.Door]:
    """The settings of the product say so: each test has a prefix of its own."""
    monkeypatch.setattr(connecting, "PATIENT", SOON)
    monkeypatch.setattr(connecting, "QUICK", SOON)
    use(settings, server, f"tests/{_run}/{next(_numbers)}")
    server.broken = server.broken_for = ""
    server.calls.clear()
    yield server
    server.broken = ""
    shutil.rmtree(django_settings.DATA_DIR / "cache", ignore_errors=True)


def use(settings: Any, server: s3.Door, prefix: str, **changes: Any) -> None:
    settings.FILES_URL = f"s3://{s3.BUCKET}/{prefix}"
    said = {"endpoint": server.url, "key_id": s3.KEY_ID, "secret": s3.SECRET, "region": "us-east-1", "path_style": True}
    scans = given.storage(given.Given(url=settings.FILES_URL, **(said | changes)))
    settings.STORAGES = django_settings.STORAGES | {"scans": scans}


def prefix_of(batch: Batch) -> str:
    return f"{django_settings.FILES_URL.removeprefix(f's3://{s3.BUCKET}/')}/{batch.uid}/"


def names(door: s3.Door, batch: Batch) -> list[str]:
    return [key.removeprefix(prefix_of(batch)) for key in door.keys(prefix_of(batch))]


def everything(door: s3.Door) -> list[str]:
    return door.keys(f"{django_settings.FILES_URL.removeprefix(f's3://{s3.BUCKET}/')}/")


@pytest.fixture
def card(door: s3.Door, batch: Batch) -> Card:
    return adding.add_file(batch, "Box 1/one.jpg", [small_card(1)]).cards[0]


def test_a_scan_is_an_object_under_its_stored_name_and_nothing_else_is_left(door, batch, card):
    assert everything(door) == [f"{prefix_of(batch)}one.jpg"]
    assert door.bytes_of(f"{prefix_of(batch)}one.jpg") == small_card(1)
    assert store.find(card).read_bytes() == small_card(1)
    assert not store.parts()


def test_what_was_fetched_once_is_not_sent_again(door, batch, card):
    shutil.rmtree(django_settings.DATA_DIR / "cache")
    first = store.find(card)
    before = len(door.calls)
    assert store.find(card) == first
    assert first.read_bytes() == small_card(1)
    assert len(door.calls) == before + 1, "one question, whether it is still the same"


def test_an_object_that_has_changed_is_fetched_anew_and_one_that_is_gone_is_gone_here_too(door, batch, card):
    first = store.find(card)
    door.client.put_object(Bucket=s3.BUCKET, Key=f"{prefix_of(batch)}one.jpg", Body=small_card(2))
    assert store.find(card).read_bytes() == small_card(2)
    assert not first.exists()
    door.client.delete_object(Bucket=s3.BUCKET, Key=f"{prefix_of(batch)}one.jpg")
    with pytest.raises(FileNotFoundError):
        store.find(card)
    assert not [path for path in (django_settings.DATA_DIR / "cache").rglob("*one*") if path.is_file()]


def test_two_files_of_one_name_are_two_objects(door, batch, card):
    second = adding.add_file(batch, "Box 2/one.jpg", [small_card(2)]).cards[0]
    assert names(door, batch) == ["one-2.jpg", "one.jpg"]
    assert store.find(second).read_bytes() == small_card(2)


@pytest.mark.parametrize("broken", ["503", "gone"])
def test_where_the_storage_takes_nothing_there_is_neither_card_nor_object(door, batch, broken):
    door.broken, door.broken_for = broken, "PUT"
    with pytest.raises((Refused, Unreachable)):
        adding.add_file(batch, "one.jpg", [small_card(1)])
    door.broken = ""
    assert (everything(door), batch.cards.count(), store.parts()) == ([], 0, [])


def test_a_scan_whose_row_is_not_written_leaves_no_object(door, batch, monkeypatch):
    def full(*_arguments: Any, **_more: Any) -> None:
        raise RuntimeError("no row")

    kept = objects.Objects.keep

    def keep(self: objects.Objects, moves: Any) -> None:
        kept(self, moves)
        full()

    monkeypatch.setattr(objects.Objects, "keep", keep)
    with pytest.raises(RuntimeError, match="no row"):
        adding.add_file(batch, "one.jpg", [small_card(1)])
    assert everything(door) == []


def test_a_large_file_goes_in_parts(door, batch, monkeypatch):
    monkeypatch.setattr(objects, "SINGLE", 1000)
    small = objects.TransferConfig(multipart_threshold=1000, multipart_chunksize=5 << 20)
    monkeypatch.setattr(objects, "_LARGE", small)
    card = adding.add_file(batch, "one.jpg", [small_card(1)]).cards[0]
    assert any("uploads" in call for call in door.calls)
    assert store.find(card).read_bytes() == small_card(1)


def test_page_and_thumbnail_are_objects_and_go_with_the_card(door, batch, card):
    derive.prepare(card)
    card.refresh_from_db()
    assert card.prepared_at is not None
    assert not card.error
    assert names(door, batch) == ["_derived/one.jpg-page-r0.jpg", "_derived/one.jpg-thumb-r0.jpg", "one.jpg"]
    prepared = derive.prepared(card, full_resolution=False, max_px=1600)
    assert prepared.path.read_bytes() == door.bytes_of(f"{prefix_of(batch)}_derived/one.jpg-page-r0.jpg")
    adding.remove([card])
    store.forget(batch, [card], [])
    assert names(door, batch) == []


def test_the_image_of_a_failed_card_is_copied_and_the_copy_goes_when_it_is_read(door, batch, card):
    Card.objects.filter(pk=card.pk).update(status=CardStatus.FAILED)
    moves.place(card)
    moves.place(card)
    assert names(door, batch) == ["_errors/one.jpg", "one.jpg"]
    Card.objects.filter(pk=card.pk).update(status=CardStatus.COMPLETED)
    moves.place(card)
    assert names(door, batch) == ["one.jpg"]


def test_a_batch_stays_where_it_is_from_its_draft_into_the_trash_and_is_erased_with_all(door, batch, card):
    Batch.objects.filter(pk=batch.pk).update(label="drawer_2026")
    moves.settle(batch)
    moves.to_trash(batch)
    assert names(door, batch) == ["one.jpg"]
    store.erase(batch)
    assert names(door, batch) == []


def test_a_page_that_does_not_come_says_nothing_about_the_scan(door, batch, card):
    shutil.rmtree(django_settings.DATA_DIR / "cache")
    door.broken = "503"
    with pytest.raises(OSError, match="503"):
        derive.prepare(card)
    card.refresh_from_db()
    assert (card.prepared_at, card.error) == (None, "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"endpoint": "http://127.0.0.1:9"}, "does not answer"),
        ({"bucket": "not-there"}, "has no bucket “not-there”"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence_without_the_secret(door, settings, changes, said):
    use(settings, door, f"tests/{_run}/{next(_numbers)}", **{k: v for k, v in changes.items() if k != "bucket"})
    if bucket := changes.get("bucket"):
        settings.STORAGES["scans"]["OPTIONS"]["bucket_name"] = bucket
    with pytest.raises(Unreachable) as caught:
        store.kept().probe()
    assert said in caught.value.message
    assert s3.SECRET not in str(caught.value)


def test_a_backup_takes_no_copies_for_the_scans(door, batch, card):
    assert list(copying.files(batch)) == []


def test_the_doctor_says_what_the_storage_answers_and_never_the_secret(door, settings):
    (told,) = doctor.scans()
    assert told.state == State.OK
    door.broken = "403"
    (told,) = doctor.scans()
    assert (told.state, "does not allow this with the key given" in told.meaning) == (State.FAILED, True)
    assert s3.SECRET not in f"{told.meaning} {told.advice}"


@pytest.mark.parametrize(("broken", "refused"), [("403", True), ("503", False)])
def test_a_start_refuses_what_only_a_person_can_mend(door, broken, refused):
    command = serve.Command(stderr=io.StringIO())
    door.broken = broken
    if refused:
        with pytest.raises(CommandError, match="does not allow this"):
            command.look_at_scans()
    else:
        command.look_at_scans()
        assert "Scans come and are read once it does" in command.stderr._out.getvalue()


def test_the_probe_leaves_nothing(door, settings):
    assert abs(store.kept().probe()) < 5
    assert door.keys(settings.FILES_URL.removeprefix(f"s3://{s3.BUCKET}/")) == []


def test_a_large_file_that_came_in_parts_is_sent_once_the_storage_is_there_again(door, batch, client, user):
    client.force_login(user)
    data = small_card(1)
    upload = parts.begin(batch, "one.jpg", len(data))
    door.broken = "503"
    with pytest.raises(Refused, match="The file was not kept"):
        parts.append(upload, 0, [data])
    door.broken = ""
    upload.refresh_from_db()
    assert (parts.offset(upload), batch.cards.count(), names(door, batch)) == (len(data), 0, [])
    parts.append(upload, len(data), [])
    assert names(door, batch) == ["one.jpg"]
    assert store.parts() == []


def test_a_container_is_opened_from_a_copy_and_its_object_goes(door, batch):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.jpg", small_card(number))
    upload = uploads.take(batch, "box.zip", [packed.getvalue()])
    assert names(door, batch) == [f"_held/{upload.pk}"]
    shutil.rmtree(django_settings.DATA_DIR / "cache")
    assert opening.go_on(upload.pk, lambda: True)
    assert names(door, batch) == ["0.jpg", "1.jpg", "2.jpg"]


def test_what_a_crash_left_on_its_way_in_goes_after_a_day(door, batch, card, monkeypatch):
    key = prefix_of(batch).replace(batch.uid, "_incoming") + "0123.part"
    door.client.put_object(Bucket=s3.BUCKET, Key=key, Body=b"half")
    store.tidy()
    assert key in door.keys(key)
    assert list(strays.folders()) == []
    monkeypatch.setattr(objects, "STALE", -5.0)
    store.tidy()
    assert (door.keys(key), names(door, batch)) == ([], ["one.jpg"])


def test_objects_that_no_card_knows_and_cards_without_their_object_are_listed(door, batch, card, monkeypatch):
    monkeypatch.setattr(strays, "SETTLED", -5.0)
    door.client.put_object(Bucket=s3.BUCKET, Key=f"{prefix_of(batch)}lost.jpg", Body=b"lost")
    door.client.put_object(Bucket=s3.BUCKET, Key=prefix_of(batch).replace(batch.uid, "0gone") + "a.jpg", Body=b"lost")
    assert [path.name for path in strays.files()] == ["lost.jpg"]
    assert [path.name for path in strays.folders()] == ["0gone"]
    assert list(strays.missing()) == []
    door.client.delete_object(Bucket=s3.BUCKET, Key=f"{prefix_of(batch)}one.jpg")
    assert list(strays.missing()) == [(batch, "one.jpg")]


def test_names_that_lead_out_of_their_folder_are_passed_over(door, batch, card, monkeypatch):
    """Whoever else writes to the bucket says nothing about this disk: what lies there is cleared away by name."""

    def pages(self: objects.Objects, *, Prefix: str, Delimiter: str = "") -> Any:
        keys = ["..", "../../cardocr.sqlite3", "a//b.part", "one.part"]
        yield {
            "Contents": [{"Key": Prefix + key} for key in keys],
            "CommonPrefixes": [{"Prefix": f"{Prefix}{name}/"} for name in ("..", ".", "", "0gone")],
        }

    monkeypatch.setattr(objects.Objects, "_pages", pages)
    assert [path.name for path in store.folders()] == ["0gone"]
    assert list(store.kept().names(store.folder(batch))) == ["one.part"]
    assert [path.name for path in store.scans(batch)] == ["one.part", "one.part"]


def test_an_image_that_cannot_be_fetched_is_a_503_with_a_sentence(door, batch, card, client, user):
    client.force_login(user)
    address = reverse("card_image", args=[batch.pk, card.pk, "full"])
    assert b"".join(body(client.get(address))) == small_card(1)
    door.broken = "503"
    answer = client.get(address)
    assert (answer.status_code, "answers with an error (503)" in answer.text) == (503, True)


def body(answer: Any) -> list[bytes]:
    if not answer.streaming:
        return [answer.content]

    async def collect() -> list[bytes]:
        return [chunk async for chunk in answer.streaming_content]

    return async_to_sync(collect)()


@pytest.mark.django_db(transaction=True)
def test_a_whole_job(door, stub, engine_of, service, user, client, settings, monkeypatch):
    """Sent, read, one card failed and tried again, looked at, exported, the storage gone in between, a card erased."""
    monkeypatch.setattr(scheduler, "LOOK_EVERY", 0.2)
    settings.PROBE_SECONDS = 0.3
    client.force_login(user)
    engine = engine_of(SimpleNamespace(url=stub.url, model="test-model", key=""))
    batch = Batch.objects.create(name="Drawer 12", owner=user, engine=engine, fields=FIELDS, options={"rotation": 0})
    for number in range(6):
        sent = {"X-File-Path": f"{number}.jpg", "X-Client-Key": f"key-{number}"}
        answer = client.post(reverse("card_add", args=[batch.pk]), small_card(number), content_type=RAW, headers=sent)
        assert answer.status_code < 300, answer.content
    stub.fail(3, "400")
    door.broken, door.broken_for = "503", "GET"
    runs.start(batch, user)
    service.wake(batch.pk)
    until(paused(batch, PauseReason.DISK))
    batch.refresh_from_db()
    assert "answers with an error (503)" in batch.pause_message
    assert (batch.failed, batch.completed, stub.calls) == (0, 0, [])
    door.broken = ""
    until(over(batch), 60)
    batch.refresh_from_db()
    assert (batch.completed, batch.failed) == (5, 1)
    until(lambda: "_errors/3.jpg" in names(door, batch) and "results/0.jpg_ocr_results.json" in names(door, batch))
    failed = batch.cards.get(filename="3.jpg")
    assert b"".join(body(client.get(reverse("card_image", args=[batch.pk, failed.pk, "page"]))))[:2] == b"\xff\xd8"
    stub.heal()
    door.broken = "gone"  # of a card that is prepared, it is noticed when it is to be read
    runs.retry_card(failed, user)
    service.wake(batch.pk)
    until(paused(batch, PauseReason.DISK))
    door.broken = ""
    until(over(batch), 60)
    assert batch.cards.exclude(status=CardStatus.COMPLETED).count() == 0
    assert not Attempt.objects.filter(card=failed, error=StorageUnreachable.reason).exists(), "no call was made"
    until(lambda: "_errors/3.jpg" not in names(door, batch) and "results/3.jpg_ocr_results.txt" in names(door, batch))
    assert "batch.json" in " ".join(names(door, batch))
    table = client.get(reverse("batch_download", args=[batch.pk]), {"format": "csv"})
    assert b"3.jpg" in b"".join(body(table))
    erasing.erase(failed, user)
    assert not [name for name in names(door, batch) if "3.jpg" in name]
    assert not list((django_settings.DATA_DIR / "cache").rglob("3.jpg*"))


def copies(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".tidy")


def test_the_copies_keep_to_their_size_and_none_goes_that_was_just_given_out(tmp_path):
    kept = cache.Cache(tmp_path / "cache", tmp_path / "parts", 1000)
    made = []
    for number in range(5):
        part = kept.part()
        part.write_bytes(bytes(300))
        made.append(kept.take(tmp_path / "cache" / f"{number}.jpg", '"tag"', part, time.time()))
    assert copies(tmp_path / "cache") == made
    for number, copy in enumerate(made):
        os.utime(copy, (time.time() - 3000 + number, time.time()))
    kept.tidy()
    assert copies(tmp_path / "cache") == made[-2:]
    assert kept.find(tmp_path / "cache" / "4.jpg") == (made[-1], "tag")
    assert kept.find(tmp_path / "cache" / "0.jpg") is None
