"""What a file of results holds, said beside it: the second sheet of a workbook, and a file to download."""

from collections.abc import Iterator, Mapping

from django.utils import timezone

from batches.exports.options import Options
from batches.exports.table import Table, stamp
from batches.models import Batch

WHICH = {
    "all": "every card",
    "read": "the cards that were read",
    "checked": "the cards that a person has checked",
    "changed": "the cards changed since an earlier export",
    "found": "the cards of a filter",
    "chosen": "cards chosen one by one",
}


def lines(
    batch: Batch, options: Options, rows: int | None = None, states: Mapping[str, int] | None = None
) -> Iterator[list[str]]:
    """In English, as the names of the columns are: a program may read it."""
    yield ["batch", batch.name]
    yield ["label", batch.label or batch.uid]
    yield ["collection", batch.collection]
    yield ["version of the batch", str(batch.version)]
    yield ["made", stamp(timezone.now())]
    yield ["engine", f"{batch.engine.name if batch.engine else ''} {batch.model}".strip()]
    yield ["which cards", WHICH[options.which]]
    if rows is not None:
        yield ["rows", str(rows)]
    for status, number in (states or {}).items():
        yield [f"rows with status {status}", str(number)]
    yield [
        "formulas in CSV",
        "text that looks like one has an apostrophe in front" if options.guard else "left as they stand",
    ]
    yield ["unreadable text", "[?]" if options.unreadable else "an empty cell"]
    yield []
    yield ["column", "field", "kind", "form", "required"]
    for column, name in Table(batch, options).names():
        spec = column.spec
        yield [name, spec.key, str(spec.type), column.form, "yes" if spec.required else ""]


def write(batch: Batch, options: Options) -> Iterator[bytes]:
    for line in lines(batch, options):
        yield ("\t".join(line) + "\n").encode()
