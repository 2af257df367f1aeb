"""Cards that were read, made as rows: for tests of what comes after reading."""

from collections.abc import Mapping, Sequence
from typing import Any

from batches.models import Batch, Card, CardResult
from batches.models.folding import fold
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User


def stored(
    value: str | None, *, verbatim: str | None = None, confidence: float | None = 0.95, **more: Any
) -> dict[str, Any]:
    """A field as CardResult.fields holds it."""
    state = "absent" if value is None else "value"
    return {
        "verbatim": value if verbatim is None else verbatim,
        "value": value,
        "state": state,
        "confidence": confidence,
        "regions": [],
        "issues": [],
    } | more


def give_result(card: Card, fields: Mapping[str, Mapping[str, Any]], **more: Any) -> CardResult:
    """Give a completed card a machine's reading."""
    values = {key: field["value"] for key, field in fields.items()}
    certain = [field["confidence"] for field in fields.values() if field["confidence"] is not None]
    result = CardResult.objects.create(
        card=card,
        engine_name="local",
        fields=dict(fields),
        values=values,
        confidence=min(certain, default=None),
        search=fold(" ".join(filter(None, [*values.values(), more.get("transcription", "")]))),
        **more,
    )
    Card.objects.filter(pk=card.pk).update(result=result)
    card.result = result
    return result


def read_batch(owner: User, name: str, cards: Sequence[Mapping[str, Mapping[str, Any]]], **more: Any) -> Batch:
    """A batch of the collection Music, its cards read with these fields."""
    batch = Batch.objects.create(
        name=name, owner=owner, **({"collection": "Music", "status": BatchStatus.COMPLETED} | more)
    )
    for position, fields in enumerate(cards, 1):
        card = Card.objects.create(
            batch=batch,
            position=position,
            filename=f"{position}.jpg",
            source=f"{position}.jpg",
            original_name=f"{name} {position}.jpg",
            status=CardStatus.COMPLETED,
        )
        give_result(card, fields)
    Batch.objects.filter(pk=batch.pk).update(total=len(cards), completed=len(cards))
    batch.refresh_from_db()
    return batch


def read_card(batch: Batch, cards: list[Card], **values: Any) -> Card:
    """The first of the cards, read with these values (author, title, year)."""
    fields = {key: value if isinstance(value, dict) else stored(value) for key, value in values.items()}
    give_result(cards[0], fields)
    assert cards[0].status == CardStatus.COMPLETED
    return cards[0]
