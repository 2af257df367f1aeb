"""What the result files say: rows in, JSON and text out. Nothing here touches a disk."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F

from batches import rows
from batches.models import Attempt, Batch, Card, CardResult, CardScan, Scan
from ocr import checking
from ocr.fields import FieldSpec
from templates_app.models import FieldTemplateVersion

_COUNTS = (
    *("total", "pending", "processing", "completed", "failed", "skipped", "blank", "not_chosen", "cancelled"),
    *("to_check", "nothing_found", "reviewed"),
)
_TOKENS = ("tokens_in", "tokens_cached", "tokens_out", "tokens_thinking")
_OF_CALLS = ("result_id", "started_at", "duration", "cost", *_TOKENS)


def load(keys: Sequence[int]) -> list[Card]:
    """The cards with all that `of_card` and `as_text` look at, in a few statements, however many there are.

    A result's `call` is the one that it came of. A card's `second` is the reading beside the one that holds, where
    scans that were read before are read again and both kept.
    """
    cards = rows.fetch(Card, keys)
    batches = Batch.objects.in_bulk({card.batch_id for card in cards.values()})
    people = get_user_model().objects.in_bulk({card.reviewed_by_id for card in cards.values() if card.reviewed_by_id})
    backs = rows.fetch(CardScan, [card.back_id for card in cards.values() if card.back_id])
    found = rows.fetch(CardResult, [card.result_id for card in cards.values() if card.result_id])
    both = [pk for pk, card in cards.items() if batches[card.batch_id].option("on_duplicate") == "suffix"]
    seconds = _seconds(both) if both else {}
    for card in cards.values():
        card.batch = batches[card.batch_id]
        card.reviewed_by = people.get(card.reviewed_by_id or 0)
        card.back = backs.get(card.back_id or 0)
        card.result = found.get(card.result_id or 0)
        vars(card)["second"] = seconds.get(card.pk)
    _add_means([*found.values(), *seconds.values()])
    return [cards[key] for key in keys if key in cards]


def _seconds(cards: Sequence[int]) -> dict[int, CardResult]:
    beside = CardResult.objects.filter(card__in=cards, rereading=None).exclude(card__result=F("pk"))
    return {result.card_id: result for result in beside.order_by("pk")}


def _add_means(results: Sequence[CardResult]) -> None:
    versions = FieldTemplateVersion.objects.in_bulk({r.template_version_id for r in results if r.template_version_id})
    calls = rows.fetch(Attempt, [result.pk for result in results], _OF_CALLS, by="result_id")
    last = {calls[pk].result_id: calls[pk] for pk in sorted(calls)}
    for result in results:
        result.template_version = versions.get(result.template_version_id or 0)
        vars(result)["call"] = last.get(result.pk)


def as_json(told: Mapping[str, Any]) -> str:
    """A line for each entry. Indented as well it takes ten times as long: json does that in Python, not in C."""
    return json.dumps(told, ensure_ascii=False, separators=(",\n", ": "))


def of_card(card: Card, result: CardResult) -> dict[str, Any]:
    """A card that was read: the machine's reading, what holds now, and how it was come by."""
    return {
        "card_id": card.pk,
        "file": card.display_name,
        "stored_name": card.filename,
        "batch": card.batch.label,
        "position": card.position,
        "status": card.status,
        "image": image(card),
        **({"back": image(card.back)} if card.back else {}),
        "values": result.values,
        "machine_reading": result.fields,
        "entries": entries(result),
        "issues": issues(card.batch, result.fields),
        "confidence": result.confidence,
        "transcription": result.transcription,
        "pictures": result.pictures,
        "summary": result.summary,
        "to_check": card.to_check,
        "reviewed": card.reviewed,
        "reviewed_by": card.reviewed_by.get_username() if card.reviewed_by else None,
        "by_hand": result.by_hand,
        **_means(result),
        **_call(card, result),
        "finished_at": _when(card.finished_at),
    }


def image(scan: Scan) -> dict[str, Any]:
    """What was read: all of a page, or what was cut out of it."""
    told = {
        "sha256": scan.sha256,
        "page": scan.page or None,
        "width": scan.width,
        "height": scan.height,
        "rotation": scan.rotation,
    }
    return told | ({"source": scan.source, "region": scan.crop} if scan.crop else {})


def entries(result: CardResult) -> list[dict[str, Any]] | None:
    """Where several were asked for: of each, the values that hold now and the machine's reading."""
    if result.entries is None and result.arranged is None:
        return None
    return [
        {"values": now, "machine_reading": result.machine_of(number)}
        for number, now in enumerate(result.values_of_entries(), 1)
    ]


def _means(result: CardResult) -> dict[str, Any]:
    return {
        "engine": result.engine_name,
        "model": result.model,
        "revision": result.revision,
        "prompt_sha256": result.prompt_hash,
        "schema_sha256": result.schema_hash,
        "template_version": result.template_version.number if result.template_version else None,
        "taken_over_from_result": result.taken_from_id,
    }


def _call(card: Card, result: CardResult) -> dict[str, Any]:
    """The call that the reading came of; without one where it was entered by hand or taken over."""
    call: Attempt | None = vars(result)["call"]
    usage = {name: getattr(call, name, None) for name in _TOKENS}
    cost = call.cost if call else None
    return {
        "started_at": _when(call.started_at) if call else None,
        "duration_seconds": call.duration if call else card.duration,
        "tries": card.tries,
        "usage": {**usage, "cost": _money(cost), "currency": card.batch.currency or None},
    }


def issues(batch: Batch, fields: Mapping[str, Any]) -> dict[str, list[str]]:
    """Of each field that deserves a look: why."""
    found = {spec.key: checking.doubts(spec, fields[spec.key]) for spec in _specs(batch) if spec.key in fields}
    return {key: [str(issue) for issue in issues] for key, issues in found.items() if issues}


def _specs(batch: Batch) -> list[FieldSpec]:
    """Made once for all cards of a batch: they are frozen."""
    specs: list[FieldSpec] = vars(batch).setdefault("specs_of_files", None) or batch.specs()
    vars(batch)["specs_of_files"] = specs
    return specs


def as_text(card: Card, result: CardResult) -> str:
    """The values by label, then whatever else was asked for; for people."""
    specs = _specs(card.batch)
    lines = [f"{spec.label}: {result.values.get(spec.key) or ''}".rstrip() for spec in specs]
    for number, read in enumerate(result.values_of_entries()[1:], 2):
        lines += ["", f"[{number}]", *(f"{spec.label}: {read.get(spec.key) or ''}".rstrip() for spec in specs)]
    for text in (result.summary, result.pictures, result.transcription):
        if text:
            lines += ["", text]
    return "\n".join(lines) + "\n"


def of_batch(batch: Batch) -> dict[str, Any]:
    """What all cards of a started batch share, and how far it is."""
    version = batch.template_version
    return {
        "uid": batch.uid,
        "name": batch.name,
        "label": batch.label,
        "collection": batch.collection,
        "owner": batch.owner.get_username(),
        "status": batch.status,
        "pause_reason": batch.pause_reason or None,
        "version": batch.version,
        "started_at": _when(batch.started_at),
        "finished_at": _when(batch.finished_at),
        "template": {"name": version.template.name, "version": version.number} if version else None,
        "fields": batch.fields,
        "instruction": batch.instruction,
        "prompt": batch.prompt,
        "engine": batch.engine.name if batch.engine else None,
        "model": batch.model,
        "options": batch.options,
        "cards": {name: getattr(batch, name) for name in _COUNTS},
        "usage": {
            **{name: getattr(batch, name) for name in _TOKENS},
            "calls": batch.calls,
            "calls_of_unknown_cost": batch.unpriced,
            "cost": _money(batch.cost),
            "currency": batch.currency or None,
        },
    }


def _when(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _money(amount: Decimal | None) -> str | None:
    """As text: a number of JSON would round it."""
    return None if amount is None else f"{amount:f}"
