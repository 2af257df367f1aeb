"""What lies in the data folder without a row, and rows whose scan is gone: told to a person, deleted by nobody."""

import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet

from batches.intake import store
from batches.models import Batch, Card, CardScan

SETTLED = 600.0  # seconds; what is younger may be a file whose row is being written


def folders() -> list[Path]:
    """Folders of batches that no row knows, wherever batches lie."""
    known = {place.name for batch in Batch.objects.only("uid", "label") for place in store.places(batch)}
    return [path for path in store.folders() if path.name not in known and (settings.FILES_URL or _is_settled(path))]


def files() -> Iterator[Path]:
    """Scans that no card has."""
    for batch in _batches():
        beside = CardScan.objects.filter(card__batch=batch)
        sources = {*batch.cards.values_list("source", flat=True), *beside.values_list("source", flat=True)}
        filenames = (*batch.cards.values_list("filename", flat=True), *beside.values_list("filename", flat=True))
        copies = {f"{Path(name).stem}--page.jpg" for name in filenames}
        for path in store.scans(batch):
            if path.name not in sources and path.name not in copies and _is_settled(path):
                yield path


def missing() -> Iterator[tuple[Batch, str]]:
    """Cards whose scan is not where it should be: the batch, and the file's name."""
    for batch in _batches():
        there = {path.name for path in store.scans(batch)}
        cards = Card.objects.filter(batch=batch).order_by("source").values_list("source", flat=True).distinct()
        beside = CardScan.objects.filter(card__batch=batch).values_list("source", flat=True)
        for source in dict.fromkeys((*cards, *beside)):
            if source not in there:
                yield batch, source


def _batches() -> QuerySet[Batch]:
    return Batch.objects.only("uid", "label", "deleted_at", "name").order_by("pk")


def _is_settled(path: Path) -> bool:
    try:
        return time.time() - store.kept().dated(path) > SETTLED
    except FileNotFoundError:  # moved this moment
        return False
