"""The formats that a batch can be taken away in. A new one is a file here and a line below."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from batches.exports import csv, json, txt, xlsx
from batches.exports.options import Options
from batches.models import Batch

__all__ = ["FORMATS", "Format", "Options", "filename"]


@dataclass(frozen=True, slots=True)
class Format:
    key: str  # in addresses and on the command line; also the file's extension
    content_type: str
    write: Callable[[Batch, Options], Iterator[bytes]]


FORMATS = {
    format.key: format
    for format in (
        Format("csv", "text/csv; charset=utf-8", csv.write),
        Format("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", xlsx.write),
        Format("json", "application/json; charset=utf-8", json.write),
        Format("jsonl", "application/x-ndjson; charset=utf-8", json.write_lines),
        Format("txt", "text/plain; charset=utf-8", txt.write),
    )
}


def filename(batch: Batch, key: str) -> str:
    """Safe on every system: the label has letters, digits, `.`, `_` and `-` alone."""
    return f"{batch.label or batch.uid}.{key}"
