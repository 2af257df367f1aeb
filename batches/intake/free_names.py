"""Names for files in a batch's folder that no row and no file has. The caller holds the batch's lock."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from django.db import connection

from batches import rows
from batches.intake import names, store
from batches.intake.receiving import Received
from batches.models import Batch, Card, CardScan, Sheet

_NAMES = ('"filename"', '"source"')


def source(batch: Batch, name: str, received: Received) -> str:
    """A stored name for one more file."""
    return find(batch, store.folder(batch), name, received.format.extension, 1)[0]


def find(batch: Batch, folder: Path, name: str, extension: str, pages: int) -> tuple[str, list[str]]:
    """Names that no row and no file has."""

    def is_free(number: int) -> bool:
        source, filenames = names.stored(name, extension, pages, number)
        # A file without a row was left by a crash before its commit: a person decides about it.
        return not taken(batch, {source, *filenames}) and not store.kept().has(folder / source)

    return names.stored(name, extension, pages, _first(is_free))


def of_cuts(batch: Batch, sheet: Sheet, cuts: int) -> list[str]:
    """Names for the cards that a sheet is cut into."""
    parts = [names.part_of(sheet.filename, cut) for cut in range(1, cuts + 1)]
    if not taken(batch, parts, but=sheet):
        return parts

    def part(cut: int) -> str:
        first = _first(lambda number: not taken(batch, [names.part_of(sheet.filename, cut, number)], but=sheet))
        return names.part_of(sheet.filename, cut, first)

    return [part(cut) for cut in range(1, cuts + 1)]


def _first(is_free: Callable[[int], bool]) -> int:
    """Of a thousand files with one name the next is found in a few looks."""
    last, number = 0, 1
    while not is_free(number):
        last, number = number, 2 * number
    while number - last > 1:
        middle = (last + number) // 2
        if is_free(middle):
            number = middle
        else:
            last = middle
    return number


def taken(batch: Batch, wanted: Collection[str], *, but: Sheet | None = None) -> bool:
    """Whether a row has one of these names, in whatever case: the folder may be copied to a disk that sees none."""
    cards, scans = rows.table(Card).quoted, rows.table(CardScan).quoted
    low = ", ".join(["LOWER(%s)"] * len(wanted))
    besides = "" if but is None else " AND (sheet_id IS NULL OR sheet_id <> %s)"
    # A column is asked for that no index holds: SQLite would walk through one that holds the names as they are.
    looks = [
        f"SELECT {table}.size FROM {join} WHERE batch_id = %s AND LOWER({table}.{name}) IN ({low}){more}"  # noqa: S608
        for table, join, more in ((cards, cards, besides), (scans, f"{scans} JOIN {cards} ON {cards}.id = card_id", ""))
        for name in _NAMES
    ]
    once: list[Any] = [batch.pk, *wanted]
    own: list[Any] = [*once, *([] if but is None else [but.pk])]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {' OR '.join(f'EXISTS({look})' for look in looks)}", [*own, *own, *once, *once])
        return bool(cursor.fetchone()[0])
