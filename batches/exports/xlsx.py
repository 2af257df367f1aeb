"""A workbook: the table with its head frozen, every cell text; and a sheet that says what each column is.

Written by XlsxWriter row by row into a temporary file, so memory stays flat; the file leaves when it is whole.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import xlsxwriter
from django.conf import settings

from batches.exports import about
from batches.exports.options import Options
from batches.exports.table import Table
from batches.models import Batch

LONGEST = 32_767  # characters of a cell
MOST = 1_048_576  # rows of a sheet
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # not allowed in XML
CHUNK = 65_536


class TooManyRows(Exception):
    """A sheet holds no more. Other formats do."""


def write(batch: Batch, options: Options) -> Iterator[bytes]:
    """Raises TooManyRows while it is made."""
    return write_table(batch, Table(batch, options), options)


def write_table(batch: Batch, table: Table, options: Options) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR) as folder:
        path = Path(folder) / "table.xlsx"
        _make(path, folder, batch, table, options)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


def _make(path: Path, folder: str, batch: Batch, table: Table, options: Options) -> None:
    book = xlsxwriter.Workbook(
        path, {"constant_memory": True, "tmpdir": folder, "in_memory": False, "strings_to_formulas": False}
    )
    bold = book.add_format({"bold": True})
    sheet = book.add_worksheet("Cards")
    sheet.freeze_panes(1, 1)
    head = table.head()
    sheet.set_column(0, len(head) - 1, 18)
    _row(sheet, 0, head, bold)
    states: Counter[str] = Counter()
    status = table.status_column()
    number = 0
    for number, row in enumerate(table.rows(), start=1):
        if number >= MOST:
            book.close()
            raise TooManyRows
        _row(sheet, number, row)
        if status is not None:
            states[row[status]] += 1
    facts = book.add_worksheet("About")
    facts.set_column(0, 1, 32)
    for place, line in enumerate(about.lines(batch, options, number, states)):
        _row(facts, place, line, bold if len(line) > 2 and line[0] == "column" else None)
    book.close()


def _row(sheet: "xlsxwriter.worksheet.Worksheet", place: int, cells: Iterable[str], style: object = None) -> None:
    for column, cell in enumerate(cells):
        if cell:
            sheet.write_string(place, column, _CONTROL.sub("", cell)[:LONGEST], style)
