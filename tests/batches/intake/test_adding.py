import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections
from django.db.models import CharField, Value
from django.db.models.functions import Cast, Concat
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches import changes
from batches.intake import adding, derive, durable, free_names, order, store
from batches.models import Batch, Card
from batches.states import BatchStatus
from tests.batches.intake import pictures

Add = Callable[..., list[Card]]


def files(batch: Batch) -> list[str]:
    base = store.folder(batch)
    return sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())


def refused(add: Add, *arguments: object, **options: str) -> adding.Refused:
    with pytest.raises(adding.Refused) as caught:
        add(*arguments, **options)
    assert store.parts() == []
    return caught.value


def test_a_scan_becomes_a_card(batch: Batch, add: Add):
    data = pictures.turned_by_exif(6)
    (card,) = add("Drawer 12/Card 7.JPEG", data)
    assert card.original_name == "Drawer 12/Card 7.JPEG"
    assert (card.filename, card.source, card.page) == ("Card-7.jpg", "Card-7.jpg", 0)
    assert (card.width, card.height, card.media_type) == (400, 600, "image/jpeg")
    assert (card.size, card.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert store.find(card).read_bytes() == data
    batch.refresh_from_db()
    assert (batch.total, batch.pending, batch.version, card.version) == (1, 1, 1, 1)
    assert store.parts() == []


def test_the_extension_follows_the_content(add: Add):
    assert add("card.jpg", pictures.encoded(pictures.marked(), "PNG"))[0].filename == "card.png"


def test_each_page_of_a_tiff_becomes_a_card(batch: Batch, add: Add):
    cards = add("ledger.tif", pictures.tiff([(60, 40), (30, 80)]))
    assert [(card.filename, card.source, card.page) for card in cards] == [
        ("ledger-p001.tif", "ledger.tif", 1),
        ("ledger-p002.tif", "ledger.tif", 2),
    ]
    assert [(card.width, card.height, card.position) for card in cards] == [(60, 40, 1), (30, 80, 2)]
    assert files(batch) == ["ledger.tif"]
    assert add("single.tif", pictures.tiff([(60, 40)]))[0].page == 0


def test_the_same_name_again_in_whatever_case_is_kept_apart(batch: Batch, add: Add):
    names = [add(name)[0].filename for name in ("A/card.jpg", "B/Card.JPG", "card.jpg", "card-2.jpg")]
    assert names == ["card.jpg", "Card-2.jpg", "card-3.jpg", "card-2-2.jpg"]
    assert len({name.lower() for name in files(batch)}) == 4


def test_a_file_without_a_row_is_never_written_over(batch: Batch, add: Add):
    (store.make(batch) / "card.jpg").write_bytes(b"left by a crash")
    assert add("card.jpg")[0].filename == "card-2.jpg"
    assert (store.folder(batch) / "card.jpg").read_bytes() == b"left by a crash"


def test_the_same_key_gives_the_same_cards(batch: Batch, add: Add):
    first = add("ledger.tif", pictures.tiff([(60, 40), (30, 80)]), client_key="k1")
    again = add("ledger.tif", pictures.tiff([(60, 40), (30, 80)]), client_key="k1")
    assert [card.pk for card in again] == [card.pk for card in first]
    assert files(batch) == ["ledger.tif"]
    batch.refresh_from_db()
    assert batch.total == 2


def test_the_same_key_that_arrives_meanwhile_leaves_one_file(batch: Batch, add: Add):
    def chunks() -> Iterator[bytes]:
        add("card.jpg", client_key="k1")
        yield pictures.jpeg()

    (card,) = adding.add_file(batch, "card.jpg", chunks(), client_key="k1").cards
    assert (card.filename, files(batch), store.parts()) == ("card.jpg", ["card.jpg"], [])


def test_file_and_folder_reach_the_disk_before_the_rows(batch: Batch, add: Add, monkeypatch: pytest.MonkeyPatch):
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        assert not Card.objects.exists() or batch.cards.count() == 1  # rows only inside the open transaction
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    add()
    assert synced[0].endswith(".part")
    assert synced[-1] == batch.uid


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"Shelfmark;Author\n" * 200, "not an image"),
        (b"short text", "not an image"),
        (b"7z\xbc\xaf" + b" " * 2000, "7-Zip files are not read. Send JPEG, PNG"),
        (b"%PDF-1.7" + b" " * 2000, "damaged"),
        (b"\0\0\0\x18ftypheic" + b" " * 2000, "damaged"),
        (b"\xff\xd8\xff" + b"\0" * 2000, "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
    ],
)
def test_what_is_no_image_is_refused_with_a_sentence(batch: Batch, add: Add, data: bytes, words: str):
    refusal = refused(add, "card.jpg", data)
    assert refusal.code == "FILE_TYPE_INVALID"
    assert words in refusal.message
    assert not batch.cards.exists()
    assert files(batch) == []


def test_a_large_file_is_refused_while_it_comes(batch: Batch, settings):
    settings.MAX_IMAGE_BYTES = 100_000
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        yield pictures.jpeg()
        for number in range(100):
            taken.append(number)
            yield b"\0" * 50_000

    with pytest.raises(adding.Refused) as caught:
        adding.add_file(batch, "card.jpg", chunks())
    assert caught.value.code == "FILE_TOO_LARGE"
    assert len(taken) <= 3
    assert store.parts() == []


def test_too_many_pixels_are_refused(add: Add):
    refusal = refused(add, "card.png", pictures.png_bomb())
    assert (refusal.code, refusal.message) == (
        "FILE_TOO_LARGE",
        "The image has 2500 million pixels; at most 60 million are read.",
    )


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_formats_that_take_much_memory_have_a_limit_of_their_own(add: Add, settings, kind: str):
    settings.MAX_WEBP_PIXELS = 1_000_000
    large = pictures.marked((1200, 1000))
    refusal = refused(add, "card.img", pictures.encoded(large, kind))
    assert refusal.code == "FILE_TOO_LARGE"
    assert "has 2 million pixels; of WebP and AVIF at most 1 million" in refusal.message
    assert add("card.img", pictures.encoded(pictures.marked((1000, 900)), kind))
    assert add("card.img", pictures.encoded(large, "JPEG"))


def test_a_thin_image_is_taken(add: Add):
    from PIL import Image

    card = add("strip.png", pictures.encoded(Image.new("L", (1, 70_000)), "PNG"))[0]
    assert (card.width, card.height) == (1, 70_000)


def test_too_many_pages_are_refused(batch: Batch, add: Add, settings):
    settings.MAX_FILE_PAGES = 3
    assert refused(add, "ledger.tif", pictures.tiff([(8, 8)] * 5)).code == "FILE_TOO_LARGE"
    assert not batch.cards.exists()


def test_a_batch_takes_no_more_than_its_limit(batch: Batch, add: Add, settings):
    settings.MAX_BATCH_CARDS = 2
    add("one.jpg")
    assert refused(add, "ledger.tif", pictures.tiff([(8, 8)] * 2)).code == "VALIDATION_ERROR"
    add("two.jpg")
    assert files(batch) == ["one.jpg", "two.jpg"]


def test_a_started_batch_takes_nothing_and_gives_nothing_up(batch: Batch, add: Add, scan: Card):
    changes.move_batch(batch, BatchStatus.QUEUED)
    assert refused(add, "late.jpg").code == "BATCH_LOCKED"  # the object still says draft
    batch.refresh_from_db()
    assert refused(add, "later.jpg").code == "BATCH_LOCKED"
    with pytest.raises(adding.Refused, match="has been started"):
        adding.remove([scan])
    assert files(batch) == ["card.jpg"]


def test_a_batch_in_the_trash_takes_nothing(batch: Batch, add: Add):
    Batch.objects.update(deleted_at=timezone.now())
    refusal = refused(add)
    assert (refusal.code, refusal.message) == ("BATCH_LOCKED", "This batch lies in the trash.")


@pytest.mark.parametrize(
    ("error", "seen"),
    [(OSError(errno.ENOSPC, "full"), adding.Refused), (OSError(errno.EIO, "broken"), OSError), (KeyError, KeyError)],
)
def test_a_failure_before_the_commit_leaves_nothing(
    batch: Batch, add: Add, monkeypatch: pytest.MonkeyPatch, error: Exception, seen: type[Exception]
):
    def fail(path: Path) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(durable, "sync_folder", fail)
        with pytest.raises(seen):
            add()
    assert (files(batch), store.parts(), batch.cards.count()) == ([], [], 0)
    assert add()[0].filename == "card.jpg"


def test_positions_go_on_after_the_last(add: Add):
    assert [add(f"{n}.jpg")[0].position for n in range(3)] == [1, 2, 3]


def test_the_start_puts_cards_into_natural_order(batch: Batch, add: Add):
    add("b/10.jpg")
    add("b/ledger.tif", pictures.tiff([(8, 8)] * 2))
    add("b/2.jpg")
    add("A/11.jpg")
    with changes.locked(batch) as change:
        order.settle(change)
    assert [card.display_name for card in batch.cards.all()] == [
        "A/11.jpg", "b/2.jpg", "b/10.jpg", "b/ledger.tif#1", "b/ledger.tif#2",
    ]  # fmt: skip
    assert [card.position for card in batch.cards.all()] == [1, 2, 3, 4, 5]
    batch.refresh_from_db()
    assert batch.reload_after == batch.version


def test_an_order_that_is_right_is_left_alone(batch: Batch, add: Add):
    add("1.jpg")
    add("2.jpg")
    with changes.locked(batch) as change:
        order.settle(change)
        assert not change.visible


def test_no_page_takes_the_name_of_another_file(batch: Batch, add: Add):
    add("ledger-P002.tif", pictures.tiff([(50, 40)]))
    first, second = add("ledger.tiff", pictures.tiff([(60, 40), (30, 80)]))
    assert (first.source, second.filename) == ("ledger-2.tif", "ledger-2-p002.tif")


def test_a_name_that_is_free_is_found_by_indexes_and_in_a_few_looks(batch: Batch, make_cards: Callable[..., object]):
    make_cards(40)
    name = Concat(Value("card-"), Cast("position", CharField()), Value(".jpg"))
    Card.objects.update(source=name, filename=name)
    Card.objects.filter(position=1).update(source="Card.jpg", filename="Card.jpg")
    folder = store.make(batch)
    with CaptureQueriesContext(connection) as asked:
        assert free_names.find(batch, folder, "card.jpg", ".jpg", 1) == ("card-41.jpg", ["card-41.jpg"])
    assert len(asked) < 40
    for query in asked if connection.vendor == "sqlite" else ():
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            assert "_low" in " ".join(row[3] for row in cursor.fetchall())


def test_removing_takes_rows_and_then_files(batch: Batch, add: Add, django_capture_on_commit_callbacks):
    one, two = add("one.jpg")[0], add("two.jpg")[0]
    derive.prepare_many([one, two])
    with django_capture_on_commit_callbacks(execute=True):
        adding.remove([one])
        assert "one.jpg" in files(batch)  # until the commit
    assert files(batch) == ["_derived/two.jpg-page-r0.jpg", "_derived/two.jpg-thumb-r0.jpg", "two.jpg"]
    assert list(batch.cards.all()) == [two]
    with django_capture_on_commit_callbacks(execute=True):
        adding.remove([one])  # gone already
    batch.refresh_from_db()
    assert (batch.total, batch.pending) == (1, 1)


def test_however_many_are_removed_their_images_are_looked_for_once(
    batch: Batch, add: Add, django_capture_on_commit_callbacks, monkeypatch: pytest.MonkeyPatch
):
    cards, looks = [add(f"{number}.jpg", pictures.jpeg((60 + number, 40)))[0] for number in range(3)], []
    derive.prepare_many(cards)
    really = os.scandir
    monkeypatch.setattr("batches.intake.store.os.scandir", lambda path: looks.append(path) or really(path))
    with django_capture_on_commit_callbacks(execute=True):
        adding.remove(cards)
    monkeypatch.undo()
    assert len(looks) == 1
    assert files(batch) == []


def test_a_shared_file_goes_with_its_last_page(batch: Batch, add: Add, django_capture_on_commit_callbacks):
    first, second = add("ledger.tif", pictures.tiff([(60, 40), (30, 80)]))
    with django_capture_on_commit_callbacks(execute=True):
        adding.remove([first])
    assert files(batch) == ["ledger.tif"]
    with django_capture_on_commit_callbacks(execute=True):
        adding.remove([second])
    assert files(batch) == []


@pytest.mark.django_db(transaction=True)
def test_many_at_once_lose_nothing(batch: Batch, add: Add):
    def one(number: int) -> str:
        try:
            return add("same name.jpg", pictures.jpeg((100 + number, 50)))[0].filename
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        names = list(threads.map(one, range(24)))
    assert len(set(names)) == 24
    cards = list(batch.cards.all())
    assert [card.position for card in cards] == list(range(1, 25))
    assert all(store.find(card).stat().st_size == card.size for card in cards)
    batch.refresh_from_db()
    assert (batch.total, batch.version) == (24, 24)


def test_the_sample_cards_are_added_once(batch: Batch):
    cards = adding.add_samples(batch)
    assert len(cards) == 12
    assert [card.pk for card in adding.add_samples(batch)] == [card.pk for card in cards]
    assert Path(settings.DATA_DIR) in store.find(cards[0]).parents
