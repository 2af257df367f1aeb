"""Files follow the rows: result files beside the scans, images of failed cards in `_errors/`.

One process at a time in a batch, from reading the rows to noting them: of two, the slower would write what held before
over what holds now, and nobody would write it again.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from django.db import connection, transaction

from batches.drain import files
from batches.intake import moves, store
from batches.intake.alone import alone
from batches.models import Batch, Card, CardResult
from batches.states import CardStatus
from cardocr_site import log_context

log = logging.getLogger(__name__)

AT_ONCE = 100
LOCKS = 16  # batches share them


def file_due(batch_id: int | None = None, stopping: Callable[[], bool] = lambda: False) -> int:
    """Bring the files of all cards that are due in line with their rows; return for how many."""
    filed = 0
    after = 0
    while not stopping():
        due = Card.objects.filter(files_due=True, pk__gt=after, batch__deleted_at=None).exclude(batch__label=None)
        if batch_id is not None:
            due = due.filter(batch=batch_id)
        found = list(due.order_by("pk").values_list("batch_id", "pk")[:AT_ONCE])
        for of, keys in groupby(sorted(found), itemgetter(0)):
            with log_context.of(batch=of), alone(store.lock(f"file-{of % LOCKS}")) as mine:
                if mine:
                    filed += _file(files.load([pk for _of, pk in keys]))
        if len(found) < AT_ONCE:
            break
        after = found[-1][1]
    return filed


def _file(cards: Sequence[Card]) -> int:
    """Those of one batch."""
    if not cards:  # removed meanwhile
        return 0
    among_errors = _among_errors(cards[0].batch)
    with store.writing(cards[0].batch):  # moved meanwhile, a file would be left at the old place
        in_line = _written(cards)
    return _note([card for card in in_line if _placed(card, among_errors)])


def _written(cards: Sequence[Card]) -> Sequence[Card]:
    """Those of a batch's cards whose result files are in line; a later round tries the others again."""
    folder = store.results_folder(cards[0].batch)
    wanted = {card.pk: dict(_files(card, folder)) for card in cards}
    try:
        _write([entry for entries in wanted.values() for entry in entries.items()])
    except OSError:  # no card suffers for another's file
        return [card for card in cards if _written_alone(card, wanted[card.pk])]
    return cards


def _written_alone(card: Card, wanted: Mapping[Path, bytes | None]) -> bool:
    try:
        _write(wanted.items())
    except OSError as error:
        log.warning("Card %s: its result files could not be written: %s", card.pk, error)
        return False
    return True


def _write(wanted: Iterable[tuple[Path, bytes | None]]) -> None:
    """None: there is to be no such file."""
    files = dict(wanted)
    store.kept().remove([path for path, content in files.items() if content is None])
    store.write_together({path: content for path, content in files.items() if content is not None})


def _note(cards: Sequence[Card]) -> int:
    """These are filed. A change since they were read (a higher version) leaves a card due."""
    with transaction.atomic(), connection.cursor() as cursor:
        free = _not_being_written(cards)
        cursor.executemany(
            "UPDATE batches_card SET files_due = %s WHERE id = %s AND version = %s",
            [(False, card.pk, card.version) for card in free],
        )
        return max(0, int(cursor.rowcount)) if free else 0


def _not_being_written(cards: Sequence[Card]) -> Sequence[Card]:
    """No batch is locked here. Who writes several cards this moment would wait for this, and this for them; those stay
    due. SQLite has one who writes.
    """
    if connection.vendor == "sqlite":
        return cards
    free = Card.objects.select_for_update(skip_locked=True, no_key=True).filter(pk__in=[card.pk for card in cards])
    keys = set(free.order_by().values_list("pk", flat=True))
    return [card for card in cards if card.pk in keys]


def _placed(card: Card, among_errors: Collection[str]) -> bool:
    try:
        if card.status == CardStatus.FAILED or any(s.shares_source or s.source in among_errors for s in card.sides):
            moves.place(card)
    except OSError as error:
        log.warning("Card %s: its image could not be moved: %s", card.pk, error)
        return False
    return True


def _among_errors(batch: Batch) -> Collection[str]:
    """The names of the images that lie there."""
    return frozenset(store.kept().names(store.folder(batch) / store.ERRORS))


def _files(card: Card, folder: Path) -> Iterator[tuple[Path, bytes | None]]:
    """A card that is read again keeps its files until then. A second reading has files of its own."""
    stands = card.is_read
    second: CardResult | None = vars(card)["second"]
    yield from _files_of(card, card.result if stands else None, folder, "")
    if second is not None:
        yield from _files_of(card, second if stands else None, folder, "_2")


def _files_of(card: Card, result: CardResult | None, folder: Path, number: str) -> Iterator[tuple[Path, bytes | None]]:
    as_json = as_text = None
    if result is not None:
        as_json = files.as_json(files.of_card(card, result)).encode("utf-8", "replace")
        as_text = files.as_text(card, result).encode("utf-8", "replace")
    yield folder / f"{card.filename}_ocr_results{number}.json", as_json
    yield folder / f"{card.filename}_ocr_results{number}.txt", as_text
