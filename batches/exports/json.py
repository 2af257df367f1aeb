"""Everything that is known of each card, for programs: one JSON object with the batch and its cards."""

import json
from collections.abc import Iterator
from typing import Any

from batches.drain import files
from batches.exports import rows
from batches.exports.options import Form, Options
from batches.models import Batch, Card
from ocr.fields import FieldSpec


def write(batch: Batch, options: Options) -> Iterator[bytes]:
    """Both forms of a value stand in `fields`, so only `values` heeds the options."""
    head = _dump(_batch(batch))
    yield f'{{"batch": {head}, "cards": ['.encode()
    specs = batch.specs()
    start = "\n"
    for card in rows.cards(batch, options):
        yield (start + _dump(_card(card, specs, options.form))).encode()
        start = ",\n"
    yield b"\n]}\n"


def write_lines(batch: Batch, options: Options) -> Iterator[bytes]:
    """One card on a line, each an object of its own, with the batch's id and name."""
    specs = batch.specs()
    head = {"batch_id": batch.pk, "batch": batch.name}
    for card in rows.cards(batch, options):
        yield (_dump(head | _card(card, specs, options.form)) + "\n").encode()


def _dump(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False)


def _batch(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.pk,
        "name": batch.name,
        "label": batch.label,
        "collection": batch.collection,
        "tags": [tag.name for tag in batch.tags.all()],
        "status": batch.status,
        "version": batch.version,
        "started_at": batch.started_at.isoformat() if batch.started_at else None,
        "finished_at": batch.finished_at.isoformat() if batch.finished_at else None,
        "engine": batch.engine.name if batch.engine else None,
        "model": batch.model,
        "usage": {
            "tokens_in": batch.tokens_in,
            "tokens_cached": batch.tokens_cached,
            "tokens_out": batch.tokens_out,
            "tokens_thinking": batch.tokens_thinking,
            "calls": batch.calls,
            "calls_of_unknown_cost": batch.unpriced,
            "cost": f"{batch.cost:f}",  # as text: a number of JSON would round it
            "currency": batch.currency or None,
        },
        "fields": batch.fields,
        "options": batch.options,
    }


def _card(card: Card, specs: list[FieldSpec], form: Form) -> dict[str, Any]:
    result = card.result
    take = rows.verbatim if form == "verbatim" else rows.value
    stored: dict[str, Any] = rows.fields(card, specs)
    return {
        "card_id": card.pk,
        "filename": card.filename,
        "original_name": card.display_name,
        "image": files.image(card),
        "back": files.image(card.back) if card.back else None,
        "position": card.position,
        "version": card.version,
        "status": card.status,
        "skip_reason": card.skip_reason or None,
        "to_check": card.to_check,
        "candidates": card.candidates,
        "template_version": result.template_version.number if result and result.template_version else None,
        "values": {spec.key: take(card, spec.key) for spec in specs},
        "fields": stored,
        "confidence": {key: field.get("confidence") for key, field in stored.items()},
        "confidence_overall": result.confidence if result else None,
        "entries": _entries(card, specs, form),
        "transcription": result.transcription if result else "",
        "pictures": result.pictures if result else "",
        "summary": result.summary if result else "",
        "reviewed": card.reviewed,
        "reviewed_by": card.reviewed_by.username if card.reviewed_by else None,
        "error": {"code": card.error, "message": rows.error_text(card)} if card.error else None,
        "attempts": card.tries,
        "engine": result.engine_name if result else None,
        "model": result.model if result else None,
        "duration_seconds": card.duration,
        "finished_at": card.finished_at.isoformat() if card.finished_at else None,
    }


def _entries(card: Card, specs: list[FieldSpec], form: Form) -> list[dict[str, Any]] | None:
    """Where several were asked for; the first one's values are the card's."""
    result = card.result
    if result is None or (result.entries is None and result.arranged is None):
        return None
    take = rows.verbatim if form == "verbatim" else rows.value
    return [
        {"values": {spec.key: take(card, spec.key, entry) for spec in specs}, "fields": result.machine_of(entry)}
        for entry in rows.entries(card)
    ]
