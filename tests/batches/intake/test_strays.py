"""Files that no row knows, and rows whose file is gone."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from batches.intake import adding, moves, store, strays
from batches.models import Batch, Card


def old(path: Path) -> Path:
    an_hour_ago = time.time() - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))
    return path


@pytest.fixture
def kept(batch: Batch, jpeg: bytes) -> Card:
    card = adding.add_file(batch, "one.jpg", [jpeg]).cards[0]
    old(store.find(card))
    return card


def test_what_is_known_is_no_stray(kept: Card) -> None:
    old(store.folder(kept.batch))
    assert strays.folders() == []
    assert list(strays.files()) == []
    assert list(strays.missing()) == []


def test_a_scan_without_a_card_is_told(kept: Card) -> None:
    stray = store.folder(kept.batch) / "two.jpg"
    stray.write_bytes(b"x")
    assert list(strays.files()) == []  # its row may be written this moment
    old(stray)
    assert list(strays.files()) == [stray]


def test_a_folder_without_a_batch_is_told_wherever_it_lies(kept: Card) -> None:
    base = store.folder(kept.batch).parent
    lost = [base / "aaaaaaaaaa", base.parent / "batches" / "Drawer_1", base.parent / "trash" / "bbbbbbbbbb"]
    for folder in lost:
        folder.mkdir(parents=True)
        old(folder)
    assert sorted(strays.folders()) == sorted(lost)


def test_the_folder_of_a_deleted_batch_is_known_until_it_is_emptied(kept: Card) -> None:
    batch = kept.batch
    Batch.objects.filter(pk=batch.pk).update(deleted_at="2026-11-01T00:00Z")
    batch.refresh_from_db()
    moves.to_trash(batch)
    old(store.folder(batch))
    assert strays.folders() == []
    assert list(strays.missing()) == []


def test_a_card_whose_scan_is_gone_is_told(kept: Card) -> None:
    store.find(kept).unlink()
    assert [(batch.pk, source) for batch, source in strays.missing()] == [(kept.batch_id, kept.source)]


def test_a_failed_cards_scan_is_there_too(kept: Card) -> None:
    Card.objects.filter(pk=kept.pk).update(status="failed")
    moves.place(kept)
    assert "_errors" in str(store.find(kept))
    assert list(strays.missing()) == []
    old(store.find(kept))
    assert list(strays.files()) == []


def test_a_card_that_has_no_file_at_all_is_told(make_cards: Callable[..., list[Card]]) -> None:
    cards = make_cards(2)
    assert [source for _batch, source in strays.missing()] == [card.source for card in cards]
