"""A table for spreadsheets and catalogues: one row a card, UTF-8, RFC 4180."""

import csv
import io
import re
from collections.abc import Iterator

from batches.exports import rows
from batches.models import Batch, Card
from ocr.fields import FieldSpec

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # what Excel needs to see UTF-8
_FORMULA = re.compile(r"\s*[=+\-@\t\r|%]")
_NUMBER = re.compile(r"[+-]?\d[\d.,\s]*")


def safe(text: str | None) -> str:
    """What no spreadsheet takes for a formula. Numbers stay numbers; anything else that starts like one gets a '."""
    if not text:
        return ""
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def write(batch: Batch, options: rows.Options) -> Iterator[bytes]:
    specs = batch.specs()
    yield _line(_head(specs, options), options.delimiter, BOM if options.bom else "")
    for card in rows.cards(batch):
        yield _line(_row(card, specs, options), options.delimiter)


def _line(cells: list[str], delimiter: str, start: str = "") -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerow(cells)
    return (start + buffer.getvalue()).encode()


def _head(specs: list[FieldSpec], options: rows.Options) -> list[str]:
    head = ["card_id", "file", "status", "error"]
    for spec in specs:
        head.append(safe(spec.label))
        if options.form == "both":
            head.append(safe(f"{spec.label} (as on the card)"))
    return [*head, "confidence", "transcription", *(["checked_by"] if options.checked else [])]


def _row(card: Card, specs: list[FieldSpec], options: rows.Options) -> list[str]:
    row = [str(card.pk), safe(card.display_name), card.status, safe(rows.error_text(card))]
    for spec in specs:
        if options.form != "verbatim":
            row.append(safe(rows.value(card, spec.key)))
        if options.form != "value":
            row.append(safe(rows.verbatim(card, spec.key)))
    confidence = card.result.confidence if card.result else None
    transcription = card.result.transcription if card.result else ""
    row += ["" if confidence is None else f"{confidence:.2f}", safe(transcription)]
    return [*row, safe(rows.checked_by(card))] if options.checked else row
