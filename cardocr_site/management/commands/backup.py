import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from cardocr_site import backups
from cardocr_site.accounts import audit
from cardocr_site.backups import making
from cardocr_site.commands import DatabaseCommand

BAR = 30  # characters
TELL_EVERY = 5.0  # seconds


class Meter:
    """A bar on a terminal, a plain line every few seconds elsewhere."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self._live = out.isatty()
        self._told_at = time.monotonic()

    def show(self, done: int, number: int, what: str) -> None:
        line = f"Batch {done} of {number}: {what}"
        if self._live:
            full = round(BAR * done / number) if number else BAR
            self._out.write(f"\r[{'#' * full}{'.' * (BAR - full)}] {line[:80]}\033[K", ending="")
            self._out.flush()
        elif time.monotonic() - self._told_at >= TELL_EVERY:
            self._told_at = time.monotonic()
            self._out.write(line)

    def end(self) -> None:
        if self._live:
            self._out.write("\r\033[K", ending="")


class Command(DatabaseCommand):
    help = "Copies database and files into one tar file, while cardocr runs; `restore` brings it back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="a new file, on another disk than the data folder")
        parser.add_argument(
            "--with-keys",
            action="store_true",
            help="the keys that seal the keys of engines and sign sessions, too: whoever has the file has them then",
        )

    def tell(self, with_keys: bool) -> None:
        """Before, so that the copy is of all that there is. A full disk is a reason for a backup, not against one."""
        try:
            audit.record("backup", details={"by": "command", "with_keys": with_keys})
        except DatabaseError:
            self.stderr.write("The audit log could not be written to; the backup is made all the same.")

    def handle(self, *args: Any, file: Path, with_keys: bool, **options: Any) -> None:
        meter = Meter(self.stderr)
        self.tell(with_keys)
        try:
            made = making.make(file, lambda done, number, name: meter.show(done + 1, number, name), with_keys=with_keys)
        except backups.Failed as error:
            raise CommandError(str(error)) from None
        finally:
            meter.end()
        told = f"{file}: {made['batches']} batches, {made['files']} files, {made['bytes'] / 1e9:.2f} GB."
        if settings.FILES_URL:
            told += f" The scans are not in it: they lie in {settings.FILES_URL}, and are kept by that storage's means."
        self.stdout.write(told if with_keys else f"{told} Without keys: keep data/encryption-key at another place.")
