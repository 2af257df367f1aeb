import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
from django.db import connections
from PIL import Image

from batches import changes
from batches.intake import decoders, derive, moves, sandbox, store
from batches.models import Batch, Card
from batches.states import CardStatus
from ocr.errors import UnreadableImage
from tests.batches.intake import odd, pdfs, pictures

Add = Callable[..., list[Card]]


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def version(batch: Batch) -> int:
    return Batch.objects.get(pk=batch.pk).version


def test_page_and_thumbnail_are_made(batch: Batch, add: Add):
    (card,) = add("card.jpg", pictures.jpeg((4000, 3000)))
    derive.prepare(card)
    assert size(store.derived(card, "page")) == (1600, 1200)
    assert size(store.derived(card, "thumb")) == (320, 240)
    assert store.derived(card, "page").name == "card.jpg-page-r0.jpg"
    fresh = Card.objects.get()
    assert fresh.prepared_at is not None
    assert card.prepared_at == fresh.prepared_at
    assert (fresh.error, fresh.version, version(batch)) == ("", 2, 2)


def test_again_is_harmless_and_changes_no_row(batch: Batch, scan: Card):
    derive.prepare(scan)
    before, page = version(batch), store.derived(scan, "page")
    made = page.stat().st_mtime_ns
    derive.prepare(scan)
    assert (version(batch), page.stat().st_mtime_ns) == (before, made)
    page.unlink()
    derive.prepare(scan)
    assert page.is_file()
    assert version(batch) == before


def test_a_crash_between_files_and_row_is_made_up_for(batch: Batch, scan: Card, monkeypatch: pytest.MonkeyPatch):
    def cut(batch: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(changes, "locked", cut)
        with pytest.raises(KeyboardInterrupt):
            derive.prepare(scan)
    assert Card.objects.get().prepared_at is None
    derive.prepare(scan)
    assert Card.objects.get().prepared_at is not None


def test_many_cards_are_one_change(batch: Batch, add: Add):
    cards = [add(f"{n}.jpg")[0] for n in range(5)] + add("ledger.tif", pictures.tiff([(60, 40), (30, 80)]))
    before = version(batch)
    derive.prepare_many(cards)
    assert version(batch) == before + 1
    assert not batch.cards.filter(prepared_at=None).exists()
    assert size(store.derived(cards[-1], "page")) == (30, 80)
    derive.prepare_many([])


def test_an_unreadable_scan_says_why_and_the_others_are_prepared(batch: Batch, add: Add):
    bad = add("bad.jpg", pictures.truncated(pictures.jpeg((900, 600), quality=95), 0.6))[0]
    good = add("good.jpg")[0]
    derive.prepare_many([bad, good])
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.error, bad.error_message) == ("unreadable_image", "The file is cut off: its end is missing.")
    assert (bool(bad.prepared_at), bad.width, bad.height) == (True, 0, 0)
    assert (good.error, bad.status) == ("", CardStatus.PENDING)
    for full, max_px in ((False, 300), (False, 1200), (True, 1600)):
        with pytest.raises(UnreadableImage, match="cut off"):
            derive.prepared(bad, full_resolution=full, max_px=max_px)
    assert store.parts() == []


def test_a_scan_that_was_mended_loses_its_error(batch: Batch, add: Add):
    (card,) = add("bad.jpg", pictures.truncated(pictures.jpeg(), 0.6))
    derive.prepare(card)
    store.find(card).write_bytes(pictures.jpeg())
    derive.prepare(card)
    assert Card.objects.get().error == ""


def test_a_card_that_moved_on_keeps_its_own_error(batch: Batch, scan: Card):
    changes.move_cards(batch, batch.cards.all(), CardStatus.PROCESSING)
    changes.move_cards(batch, batch.cards.all(), CardStatus.FAILED, error="reply_invalid")
    store.find(scan).write_bytes(b"text")
    derive.prepare(scan)
    card = Card.objects.get()
    assert (card.error, card.prepared_at is not None) == ("reply_invalid", True)


def test_a_missing_file_is_an_unreadable_scan(scan: Card):
    store.find(scan).unlink()
    derive.prepare(scan)
    assert Card.objects.get().error_message == "The file is missing."
    for full in (True, False):
        with pytest.raises(UnreadableImage, match="missing"):
            derive.prepared(scan, full_resolution=full, max_px=1600)


def test_a_full_disk_says_nothing_about_the_scan(
    batch: Batch, scan: Card, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(store, "part", lambda: tmp_path / "missing" / "x.part")
    with pytest.raises(decoders.StorageFailed):
        derive.prepare(scan)
    card = Card.objects.get()
    assert (card.prepared_at, card.error) == (None, "")


def test_a_card_removed_meanwhile_is_left_out(batch: Batch, add: Add):
    gone, kept = add("1.jpg")[0], add("2.jpg")[0]
    Card.objects.filter(pk=gone.pk).delete()
    derive.prepare_many([gone, kept])
    assert Card.objects.get().prepared_at


def test_a_row_without_a_size_gets_one(batch: Batch, scan: Card):
    Card.objects.update(width=0, height=0)
    card = Card.objects.get()
    derive.prepare(card)
    card.refresh_from_db()
    assert (card.width, card.height) == (600, 400)


def test_another_turn_has_files_of_its_own(scan: Card):
    derive.prepare(scan)
    derive.turn(scan, 270)
    assert store.derived(scan, "page").is_file()
    scan.rotation = 270
    assert store.derived(scan, "page").name == "card.jpg-page-r270.jpg"
    assert size(store.derived(scan, "thumb")) == (213, 320)
    with Image.open(store.derived(scan, "page")) as image:
        assert pictures.dark_corner(image) == "bottom left"


def test_the_local_engine_gets_a_plain_scan_as_it_is(scan: Card):
    image = derive.prepared(scan, full_resolution=True, max_px=1600)
    assert image.path == store.find(scan)
    assert (image.media_type, image.width, image.height, image.rotation) == ("image/jpeg", 600, 400, None)
    scan.rotation = 90
    assert derive.prepared(scan, full_resolution=True, max_px=1600).rotation == 90


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pictures.turned_by_exif(6, (2400, 1800)), (1800, 2400)),
        (pictures.encoded(pictures.marked((2400, 1800), "P"), "PNG"), (2400, 1800)),
        (pictures.tiff([(2400, 1800)]), (2400, 1800)),
        (odd.heic(pictures.marked((600, 400))), (600, 400)),
        (pictures.encoded(pictures.marked((600, 400)), "JPEG2000"), (600, 400)),
        (pictures.encoded(pictures.marked((600, 400)), "GIF"), (600, 400)),
        (pdfs.pages([pdfs.block()]), (1242, 1750)),
    ],
)
def test_other_scans_are_made_readable_at_their_full_size(add: Add, data: bytes, expected: tuple[int, int]):
    (card,) = add("card", data)
    image = derive.prepared(card, full_resolution=True, max_px=1600)
    assert image.path.parent.name == "_derived"
    assert (image.width, image.height) == size(image.path) == expected
    made = image.path.stat().st_mtime_ns
    assert derive.prepared(card, full_resolution=True, max_px=1600).path.stat().st_mtime_ns == made


def test_the_size_of_a_drawn_page_is_noted(batch: Batch, add: Add):
    first, second = add("ledger.pdf", pdfs.pages([pdfs.block()] * 2))
    assert (first.filename, second.page, second.width, second.media_type) == (
        *("ledger-p001.pdf", 2, 0),
        "application/pdf",
    )
    derive.prepare_many([first, second])
    second.refresh_from_db()
    assert (second.width, second.height, second.error) == (1242, 1750, "")
    assert size(store.derived(second, "page")) == (1136, 1600)
    image = derive.prepared(second, full_resolution=True, max_px=1600)
    assert (image.media_type, image.width, image.height) == ("image/jpeg", 1242, 1750)
    image = derive.prepared(second, full_resolution=False, max_px=1600)
    assert (image.path, image.width, image.height) == (store.derived(second, "page"), 1136, 1600)


def test_the_right_page_is_read(add: Add):
    _first, second = add("ledger.tif", pictures.tiff([(60, 40), (30, 80)]))
    assert size(derive.prepared(second, full_resolution=True, max_px=1600).path) == (30, 80)
    store.find(second).write_bytes(pictures.tiff([(60, 40)]))
    store.full_size(second).unlink()
    with pytest.raises(UnreadableImage, match="does not have this page"):
        derive.prepared(second, full_resolution=True, max_px=1600)


def test_an_endpoint_gets_a_jpeg_that_fits_as_it_is(scan: Card):
    image = derive.prepared(scan, full_resolution=False, max_px=1600)
    assert image.path.samefile(store.find(scan))
    assert image.rotation is None


def test_what_was_prepared_is_neither_opened_nor_looked_for_again(scan: Card, monkeypatch: pytest.MonkeyPatch):
    derive.prepare(scan)
    monkeypatch.setattr(decoders, "pool", None)
    store.find(scan).unlink()
    assert size(derive.prepared(scan, full_resolution=False, max_px=1600).path) == (600, 400)


def test_where_nothing_can_be_linked_a_scan_that_fits_is_copied(scan: Card, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_paths: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    target = asdict(decoders.Target(str(store.derived(scan, "page")), str(store.part()), 1600))
    store.derived(scan, "page").parent.mkdir()
    sandbox.derive(str(store.find(scan)), 1, [target], 2000, 60_000_000)
    assert store.derived(scan, "page").read_bytes() == store.find(scan).read_bytes()
    assert not store.derived(scan, "page").samefile(store.find(scan))


def test_an_endpoint_gets_the_page_image_or_one_of_the_size_asked_for(add: Add):
    (card,) = add("card.png", pictures.encoded(pictures.marked((3000, 2000)), "PNG"))
    derive.prepare(card)
    page = derive.prepared(card, full_resolution=False, max_px=1600)
    assert page.path == store.derived(card, "page")
    smaller = derive.prepared(card, full_resolution=False, max_px=900)
    assert size(smaller.path) == (smaller.width, smaller.height) == (900, 600)
    assert smaller.media_type == "image/jpeg"


def test_an_endpoint_gets_a_card_the_right_way_up(scan: Card):
    scan.rotation = 90
    image = derive.prepared(scan, full_resolution=False, max_px=1600)
    assert (image.width, image.height, image.rotation) == (400, 600, 0)
    with Image.open(image.path) as upright:
        assert upright.size == (400, 600)
        assert pictures.dark_corner(upright) == "top right"


def test_a_size_that_nobody_noted_is_looked_up(scan: Card):
    scan.width = scan.height = 0
    scan.rotation = 180
    image = derive.prepared(scan, full_resolution=False, max_px=300)
    assert (image.width, image.height) == (300, 200)


def test_a_retried_scan_is_read_where_it_will_stay(batch: Batch, scan: Card):
    changes.move_cards(batch, batch.cards.all(), CardStatus.PROCESSING)
    changes.move_cards(batch, batch.cards.all(), CardStatus.FAILED)
    moves.place(scan)
    changes.move_cards(batch, batch.cards.all(), CardStatus.PENDING)
    image = derive.prepared(scan, full_resolution=True, max_px=1600)
    moves.place(scan)  # the filer, late
    assert image.path.is_file()


@pytest.mark.django_db(transaction=True)
def test_several_threads_prepare_at_once(batch: Batch, add: Add):
    cards = [add(f"{n}.jpg")[0] for n in range(8)]

    def prepare(card: Card) -> None:
        try:
            derive.prepare(card)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(prepare, [*cards, *cards]))
    assert not batch.cards.filter(prepared_at=None).exists()
    assert version(batch) == 16  # eight added, each prepared once
    assert store.parts() == []
    assert len(list((store.folder(batch) / "_derived").iterdir())) == 16
