import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cardocr_site import backups, locks
from cardocr_site.backups import restoring
from cardocr_site.management.commands.backup import Meter


class Command(BaseCommand):
    help = "Brings a backup back into an empty data folder; all of it is checked before anything is put in its place."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="what `backup` has made")
        parser.add_argument("--check", action="store_true", help="look at all of it, and bring nothing back")

    def handle(self, *args: Any, file: Path, check: bool, **options: Any) -> None:
        meter = Meter(self.stderr)
        try:
            done = (restoring.check if check else restoring.restore)(file, meter.show)
        except (backups.Failed, locks.InUse) as error:
            raise CommandError(str(error)) from None
        finally:
            meter.end()
        if check:
            keys = "with keys" if done.keys else "without keys"
            self.stdout.write(f"{file} is whole: {done.batches} batches, {done.files} files, {keys}.")
            return
        self.tell(done)

    def tell(self, done: restoring.Restored) -> None:
        self.stdout.write(f"{done.batches} batches and {done.files} files are in {settings.DATA_DIR}.")
        if done.unknown:
            self.stdout.write(f"{len(done.unknown)} batches were made while the backup was, and are not in it.")
        if done.replaced:
            self.stdout.write(
                f"In {done.replaced} texts “�” stands for what PostgreSQL keeps in none: NUL, or half a character."
            )
        if not done.keys:
            self.stdout.write(
                "The backup has no keys. Put the encryption-key of that time into the data folder; without it, enter "
                "the keys of engines anew. People sign in again."
            )
        elif os.environ.get("CARDOCR_ENCRYPTION_KEY") or os.environ.get("CARDOCR_ENCRYPTION_KEY_FILE"):
            self.stdout.write("Its keys are in the data folder now; CARDOCR_ENCRYPTION_KEY is used all the same.")
        self.stdout.write("Start it: manage.py serve. Then call manage.py doctor.")
