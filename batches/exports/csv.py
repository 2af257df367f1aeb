"""A table for spreadsheets and catalogues: UTF-8, RFC 4180."""

import csv
import io
from collections.abc import Iterable, Iterator

from batches.exports.options import Options
from batches.exports.table import Table, safe
from batches.models import Batch

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # what Excel needs to see UTF-8


def write(batch: Batch, options: Options) -> Iterator[bytes]:
    return write_table(Table(batch, options), options)


def write_table(table: Table, options: Options) -> Iterator[bytes]:
    yield _line(table.head(), options, BOM if options.bom else "")
    for row in table.rows():
        yield _line(row, options)


def _line(cells: Iterable[str], options: Options, start: str = "") -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=options.delimiter).writerow([safe(cell) for cell in cells] if options.guard else cells)
    return (start + buffer.getvalue()).encode()
