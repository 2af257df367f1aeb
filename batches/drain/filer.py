"""Files follow the rows: result files beside the scans, images of failed cards in `_errors/`."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from django.db import transaction

from batches.drain import files
from batches.intake import store
from batches.models import Card, CardResult
from batches.states import CardStatus

log = logging.getLogger(__name__)

AT_ONCE = 100


def file_due(batch_id: int | None = None, stopping: Callable[[], bool] = lambda: False) -> int:
    """Bring the files of all cards that are due in line with their rows; return for how many."""
    filed = 0
    after = 0
    while not stopping():
        due = Card.objects.filter(files_due=True, pk__gt=after, batch__deleted_at=None).exclude(batch__label=None)
        if batch_id is not None:
            due = due.filter(batch=batch_id)
        cards = list(files.with_all(due).order_by("pk")[:AT_ONCE])
        filed += _file(cards)
        if len(cards) < AT_ONCE:
            break
        after = cards[-1].pk
    return filed


def _file(cards: Sequence[Card]) -> int:
    written: list[Card] = []
    for _batch_id, group in groupby(sorted(cards, key=attrgetter("batch_id")), attrgetter("batch_id")):
        written += _written(list(group))
    return _note([card for card in written if _placed(card)])


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
    kept = {}
    for path, content in wanted:
        if content is None:
            path.unlink(missing_ok=True)
        else:
            kept[path] = content
    store.write_together(kept)


def _note(cards: Iterable[Card]) -> int:
    """These are filed. A change since they were read (a higher version) leaves a card due."""
    by_version: dict[int, list[int]] = {}
    for card in cards:
        by_version.setdefault(card.version, []).append(card.pk)
    with transaction.atomic():
        return sum(
            Card.objects.filter(pk__in=keys, version=version).update(files_due=False)
            for version, keys in by_version.items()
        )


def _placed(card: Card) -> bool:
    try:
        if card.status == CardStatus.FAILED or any(s.shares_source or _lies_among_errors(s) for s in card.sides):
            store.place(card)
    except OSError as error:
        log.warning("Card %s: its image could not be moved: %s", card.pk, error)
        return False
    return True


def _lies_among_errors(scan: store.AnyScan) -> bool:
    return (store.folder(scan.batch) / store.ERRORS / scan.source).is_file()


def _files(card: Card, folder: Path) -> Iterator[tuple[Path, bytes | None]]:
    """A card that is read again keeps its files until then. A second reading has files of its own."""
    stands = card.is_read
    seconds: list[CardResult] = getattr(card, "seconds", [])
    yield from _files_of(card, card.result if stands else None, folder / f"{card.filename}_ocr_results")
    if seconds:
        yield from _files_of(card, seconds[-1] if stands else None, folder / f"{card.filename}_ocr_results_2")


def _files_of(card: Card, result: CardResult | None, path: Path) -> Iterator[tuple[Path, bytes | None]]:
    as_json = as_text = None
    if result is not None:
        as_json = files.as_json(files.of_card(card, result)).encode("utf-8", "replace")
        as_text = files.as_text(card, result).encode("utf-8", "replace")
    yield path.with_name(f"{path.name}.json"), as_json
    yield path.with_name(f"{path.name}.txt"), as_text
