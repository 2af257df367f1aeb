"""Files follow the rows: result files beside the scans, images of failed cards in `_errors/`."""

import json
import logging
from collections.abc import Callable
from typing import Any

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
        cards = list(due.select_related("batch__engine", "result", "reviewed_by").order_by("pk")[:AT_ONCE])
        for card in cards:
            filed += _file(card)
            after = card.pk
        if len(cards) < AT_ONCE:
            break
    return filed


def _file(card: Card) -> bool:
    """True where it worked; otherwise the card stays due and a later round tries again."""
    try:
        _write_results(card)
        store.place(card)
    except OSError as error:
        log.warning("Card %s: its files could not be brought in line: %s", card.pk, error)
        return False
    # A change since then (a higher version) leaves it due.
    return bool(Card.objects.filter(pk=card.pk, version=card.version).update(files_due=False))


def _write_results(card: Card) -> None:
    folder = store.results_folder(card.batch)
    as_json = folder / f"{card.filename}_ocr_results.json"
    as_text = folder / f"{card.filename}_ocr_results.txt"
    if card.status != CardStatus.COMPLETED or card.result is None:
        as_json.unlink(missing_ok=True)
        as_text.unlink(missing_ok=True)
        return
    content = json.dumps(_as_json(card, card.result), ensure_ascii=False, indent=2)
    store.write_atomic(as_json, content.encode("utf-8", "replace"))
    store.write_atomic(as_text, _as_text(card, card.result).encode("utf-8", "replace"))


def _as_json(card: Card, result: CardResult) -> dict[str, Any]:
    return {
        "card_id": card.pk,
        "file": card.display_name,
        "stored_name": card.filename,
        "batch": card.batch.label,
        "position": card.position,
        "status": card.status,
        "values": result.values,
        "machine_reading": result.fields,
        "confidence": result.confidence,
        "transcription": result.transcription,
        "to_check": card.to_check,
        "reviewed": card.reviewed,
        "reviewed_by": card.reviewed_by.get_username() if card.reviewed_by else None,
        "by_hand": result.by_hand,
        "engine": result.engine_name,
        "model": result.model,
        "duration_seconds": card.duration,
        "finished_at": card.finished_at.isoformat() if card.finished_at else None,
    }


def _as_text(card: Card, result: CardResult) -> str:
    lines = [f"{spec.label}: {result.values.get(spec.key) or ''}".rstrip() for spec in card.batch.specs()]
    if result.transcription:
        lines += ["", result.transcription]
    return "\n".join(lines) + "\n"
