"""The text of each card, for full-text search and for reading: cards apart by a line that names them."""

from collections.abc import Iterator

from batches.exports import rows
from batches.exports.options import Options
from batches.models import Batch, Card
from ocr.fields import FieldSpec


def write(batch: Batch, options: Options) -> Iterator[bytes]:
    if options.bom:
        yield "\N{ZERO WIDTH NO-BREAK SPACE}".encode()
    specs = batch.specs()
    for card in rows.cards(batch, options):
        yield _card(card, specs).encode()


def _card(card: Card, specs: list[FieldSpec]) -> str:
    """The whole text where it was asked for, otherwise the values field by field."""
    text = card.result.transcription.strip() if card.result else ""
    parts = [f"=== {card.display_name} (card {card.pk}, version {card.version}) ==="]
    parts += [text] if text else []
    for entry in rows.entries(card):
        values = [(spec.label, rows.value(card, spec.key, entry)) for spec in specs]
        parts += [f"{label}: {value}" for label, value in values if value]
    return "\n".join(parts) + "\n\n"
