"""The table that CSV, Excel and the preview show: one row a card, or an entry."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.timezone import localtime

from batches.exports import rows
from batches.exports.options import Options
from batches.models import Batch, Card
from ocr.fields import FieldSpec

JOINT = " | "  # between the entries of a card in one cell
UNREADABLE = "[?]"
_FORMULA = re.compile(r"\s*[=+\-@\t\r|%]")
_NUMBER = re.compile(r"[+-]?\d[\d.,\s]*")


def safe(text: str | None) -> str:
    """What no spreadsheet takes for a formula. Numbers stay numbers; anything else that starts like one gets a '."""
    if not text:
        return ""
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


@dataclass(frozen=True, slots=True)
class Column:
    spec: FieldSpec
    form: str  # value, verbatim, machine


class Table:
    """Where a card may hold several entries, each has a row of its own, in which what is the card's is repeated."""

    def __init__(self, batch: Batch, options: Options) -> None:
        self._batch, self._options = batch, options
        self.several: bool = batch.option("multiple_entries") and not options.joined
        forms = ["value", "verbatim"]
        self.columns = [Column(spec, form) for spec in batch.specs() for form in forms if options.wants(spec.key, form)]
        self._machine = [Column(spec, "machine") for spec in batch.specs()] if "machine" in options.besides else []
        texts = {"pictures": batch.option("describe_pictures"), "summary": batch.option("summarize")}
        self._texts = ["transcription", *(name for name, asked in texts.items() if asked)]

    def head(self) -> list[str]:
        besides = self._options.besides
        head = ["card_id", "version", *(["file"] if "file" in besides else [])]
        head += ["entry"] if self.several else []
        head += ["status", "error"] if "status" in besides else []
        head += [self._name(column) for column in self.columns]
        head += ["confidence"] if "confidence" in besides else []
        head += ["engine", "model"] if "engine" in besides else []
        head += self._texts if "text" in besides else []
        head += [self._name(column) for column in self._machine]
        head += ["checked", "checked_by"] if "checked" in besides else []
        return head

    def status_column(self) -> int | None:
        """The place of a card's status in a row: a field may be called so, too."""
        return self.head().index("status") if "status" in self._options.besides else None

    def names(self) -> list[tuple[Column, str]]:
        return [(column, self._name(column)) for column in (*self.columns, *self._machine)]

    def rows(self) -> Iterator[list[str]]:
        for card in rows.cards(self._batch, self._options):
            yield from self.of_card(card)

    def of_card(self, card: Card) -> Iterator[list[str]]:
        """Entry 0: there is none."""
        for entry in (rows.entries(card) or [0]) if self.several else [1]:
            yield self._row(card, entry)

    def _name(self, column: Column) -> str:
        spec, form = column.spec, column.form
        if self._options.keys:
            return spec.key if form == "value" else f"{spec.key}_{form}"
        words = {"verbatim": " (as on the card)", "machine": " (as the machine read it)"}
        alone = form == "verbatim" and not self._options.wants(spec.key, "value")
        return spec.label if alone else spec.label + words.get(form, "")

    def _row(self, card: Card, entry: int) -> list[str]:
        besides, result = self._options.besides, card.result
        row = [str(card.pk), str(card.version), *([card.display_name] if "file" in besides else [])]
        row += [str(entry or "")] if self.several else []
        row += [card.status, rows.error_text(card)] if "status" in besides else []
        row += [self._cell(card, column, entry or 1) for column in self.columns]
        if "confidence" in besides:
            row.append("" if result is None or result.confidence is None else f"{result.confidence:.2f}")
        row += [result.engine_name, result.model] if "engine" in besides and result else []
        row += ["", ""] if "engine" in besides and not result else []
        row += [getattr(result, name, "") for name in self._texts] if "text" in besides else []
        row += [self._cell(card, column, entry or 1) for column in self._machine]
        row += ["yes" if card.reviewed else "no", rows.checked_by(card)] if "checked" in besides else []
        return row

    def _cell(self, card: Card, column: Column, entry: int) -> str:
        take = {"value": rows.value, "verbatim": rows.verbatim, "machine": rows.machine}[column.form]
        entries = rows.entries(card) if self._options.joined else [entry]
        cells = [self._marked(card, column, one, take(card, column.spec.key, one)) for one in entries or [1]]
        return JOINT.join(cells) if any(cells) else ""

    def _marked(self, card: Card, column: Column, entry: int, text: str | None) -> str:
        if text or not self._options.unreadable:
            return text or ""
        return UNREADABLE if rows.state(card, column.spec.key, entry) == "unreadable" else ""


def stamp(moment: object) -> str:
    """A moment as a table shows it, in the site's time zone; empty for none."""
    return localtime(moment).strftime("%Y-%m-%d %H:%M") if moment else ""  # type: ignore[arg-type]
