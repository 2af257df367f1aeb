"""A table for spreadsheets and catalogues: one row a card (or an entry), UTF-8, RFC 4180."""

import csv
import io
import re
from collections.abc import Iterator

from batches.exports import rows
from batches.models import Batch, Card

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
    """Where a card may hold several entries, each has a row of its own, in which what is the card's is repeated."""
    table = Table(batch, options)
    yield _line(table.head(), options.delimiter, BOM if options.bom else "")
    for card in rows.cards(batch):
        for entry in (rows.entries(card) or [0]) if table.several else [1]:
            yield _line(table.row(card, entry), options.delimiter)


def _line(cells: list[str], delimiter: str, start: str = "") -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerow(cells)
    return (start + buffer.getvalue()).encode()


class Table:
    def __init__(self, batch: Batch, options: rows.Options) -> None:
        self.several: bool = batch.option("multiple_entries")
        self._specs = batch.specs()
        self._options = options
        texts = {"pictures": batch.option("describe_pictures"), "summary": batch.option("summarize")}
        self._texts = ["transcription", *(name for name, asked in texts.items() if asked)]

    def head(self) -> list[str]:
        head = ["card_id", "file", *(["entry"] if self.several else []), "status", "error"]
        for spec in self._specs:
            head.append(safe(spec.label))
            if self._options.form == "both":
                head.append(safe(f"{spec.label} (as on the card)"))
        return [*head, "confidence", *self._texts, *(["checked_by"] if self._options.checked else [])]

    def row(self, card: Card, entry: int) -> list[str]:
        """`entry` 0: there is none."""
        row = [str(card.pk), safe(card.display_name)]
        row += [str(entry or "")] if self.several else []
        row += [card.status, safe(rows.error_text(card))]
        for spec in self._specs:
            if self._options.form != "verbatim":
                row.append(safe(rows.value(card, spec.key, entry or 1)))
            if self._options.form != "value":
                row.append(safe(rows.verbatim(card, spec.key, entry or 1)))
        confidence = card.result.confidence if card.result else None
        row.append("" if confidence is None else f"{confidence:.2f}")
        row += [safe(getattr(card.result, name, "")) for name in self._texts]
        return [*row, safe(rows.checked_by(card))] if self._options.checked else row
