import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError, CommandParser

from batches import exports
from batches.models import Batch
from cardocr_site.accounts import audit
from cardocr_site.commands import DatabaseCommand


def find_batch(name: str) -> Batch:
    """By label, uid or number. Raises CommandError."""
    rows = Batch.objects.filter(deleted_at=None)
    batch = rows.filter(label=name).first() or rows.filter(uid=name).first()
    if batch is None and name.isdecimal():
        batch = rows.filter(pk=int(name)).first()
    if batch is None:
        raise CommandError(f"There is no batch with the label, uid or number “{name}”.")
    return batch


@contextmanager
def opened(out: str) -> Iterator[BinaryIO]:
    """The file to write, complete or not there at all; `-` is standard output."""
    if out == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(out)
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise CommandError(f"“{out}” cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def add_format_arguments(parser: CommandParser) -> None:
    parser.add_argument("--bom", action="store_true", help="begin with a byte order mark, for Excel")
    parser.add_argument("--delimiter", choices=[",", ";"], default=",", help="between the columns of a CSV file")


def write(batch: Batch, out: str, key: str, options: dict[str, Any]) -> None:
    chosen = exports.Options(delimiter=options["delimiter"], bom=options["bom"])
    audit.record("export", of=batch, details={"by": "command", "format": key, "which": chosen.which})
    with opened(out) as file:
        for chunk in exports.FORMATS[key].write(batch, chosen):
            file.write(chunk)


class Command(DatabaseCommand):
    help = "Writes the results of a batch into a file: every card with its row, whatever its status."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("batch", metavar="LABEL", help="label, uid or number of the batch")
        parser.add_argument("--format", choices=sorted(exports.FORMATS), default="csv")
        parser.add_argument("--out", metavar="FILE", default="-", help="standard output, where left out")
        add_format_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        batch = find_batch(options["batch"])
        write(batch, options["out"], options["format"], options)
        if options["out"] != "-":
            self.stderr.write(f"Cards of “{batch.name}” written to {options['out']}: {batch.total}")
