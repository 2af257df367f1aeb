"""Files follow the rows: result files beside the scans, images of failed cards in `_errors/`."""

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from batches.drain import files
from batches.intake import store
from batches.models import Card, CardResult
from batches.states import CardStatus

log = logging.getLogger(__name__)

_WAITS = {CardStatus.PENDING, CardStatus.PROCESSING}
AT_ONCE = 100
WRITERS = 4  # the disk is waited for, not the processor


def file_due(batch_id: int | None = None, stopping: Callable[[], bool] = lambda: False) -> int:
    """Bring the files of all cards that are due in line with their rows; return for how many."""
    filed = 0
    after = 0
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="file") as writers:
        while not stopping():
            due = Card.objects.filter(files_due=True, pk__gt=after, batch__deleted_at=None).exclude(batch__label=None)
            if batch_id is not None:
                due = due.filter(batch=batch_id)
            cards = list(files.with_all(due).order_by("pk")[:AT_ONCE])
            written = list(writers.map(_write, cards))
            filed += sum(done and _place(card) for card, done in zip(cards, written, strict=True))
            if len(cards) < AT_ONCE:
                break
            after = cards[-1].pk
    return filed


def _write(card: Card) -> bool:
    """Without the database: in a thread of its own. False: a later round tries again."""
    try:
        _write_results(card)
    except OSError as error:
        log.warning("Card %s: its result files could not be written: %s", card.pk, error)
        return False
    return True


def _place(card: Card) -> bool:
    try:
        if card.status == CardStatus.FAILED or card.page or _lies_among_errors(card):
            store.place(card)
    except OSError as error:
        log.warning("Card %s: its image could not be moved: %s", card.pk, error)
        return False
    # A change since then (a higher version) leaves it due.
    return bool(Card.objects.filter(pk=card.pk, version=card.version).update(files_due=False))


def _lies_among_errors(card: Card) -> bool:
    try:
        return store.find(card).parent.name == store.ERRORS
    except FileNotFoundError:
        return False


def _write_results(card: Card) -> None:
    """A card that is read again keeps its files until then. A second reading has files of its own."""
    stands = card.status == CardStatus.COMPLETED or (card.status in _WAITS and card.result is not None)
    seconds: list[CardResult] = getattr(card, "seconds", [])
    _write_result(card, card.result if stands else None, "")
    if seconds:
        _write_result(card, seconds[-1] if stands else None, "_2")


def _write_result(card: Card, result: CardResult | None, suffix: str) -> None:
    folder = store.results_folder(card.batch)
    as_json = folder / f"{card.filename}_ocr_results{suffix}.json"
    as_text = folder / f"{card.filename}_ocr_results{suffix}.txt"
    if result is None:
        as_json.unlink(missing_ok=True)
        as_text.unlink(missing_ok=True)
        return
    content = json.dumps(files.of_card(card, result), ensure_ascii=False, indent=2)
    store.write_atomic(as_json, content.encode("utf-8", "replace"))
    store.write_atomic(as_text, files.as_text(card, result).encode("utf-8", "replace"))
