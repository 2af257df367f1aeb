import os
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db.models import Model

from cardocr_site import secrets
from cardocr_site.accounts import audit
from cardocr_site.commands import DatabaseCommand
from ocr import sealing
from ocr.errors import EngineMissing

BLOCK = 500  # rows at a time


class Command(DatabaseCommand):
    help = (
        "Seals anew, with the first encryption key, what an older one has sealed. May be broken off and called again."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--new", action="store_true", help="make a key and put it before those in data/encryption-key; no more"
        )

    def needs_database(self, **options: Any) -> bool:
        return not options["new"]

    def handle(self, *args: Any, new: bool, **options: Any) -> None:
        if new:
            self.make(settings.DATA_DIR / "encryption-key")
            return
        try:
            number = len(sealing.keys())
        except ValueError:
            raise CommandError("CARDOCR_ENCRYPTION_KEY, or a line of data/encryption-key, is no key.") from None
        self.sealed = 0
        lost = sum(self.reseal(model, column) for model, column in sealing.columns())
        if self.sealed or lost:
            outcome = audit.Outcome.FAILED if lost else audit.Outcome.DONE
            details = {"by": "command", "sealed": self.sealed, "lost": lost}
            audit.record("keys_rotated", outcome=outcome, details=details)
        if lost:
            raise CommandError(f"{lost} cannot be opened by any key here: enter them again, or add the key they need.")
        if number > 1:
            self.stdout.write("No older key is needed any more: remove all but the first, and start cardocr again.")

    def make(self, path: Path) -> None:
        if not path.exists():
            raise CommandError("The key comes from CARDOCR_ENCRYPTION_KEY: put a new one before it, with a comma.")
        partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write("\n".join([secrets.new_encryption_key(), *path.read_text().split()]) + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        self.stdout.write(f"A new key stands first in {path}. Start cardocr again, then call rotate_keys.")

    def reseal(self, model: type[Model], column: str) -> int:
        """How many cannot be opened. What somebody changes meanwhile is newer than what was read, and stays."""
        rows = model._default_manager.exclude(**{column: ""}).order_by("pk").values_list("pk", column)
        done = kept = 0
        lost: list[str] = []
        found = rows.iterator(BLOCK)
        while block := list(islice(found, BLOCK)):
            for pk, sealed in block:
                if sealing.is_newest(sealed):
                    kept += 1
                    continue
                try:
                    fresh = sealing.seal(sealing.unseal(sealed))
                except EngineMissing:
                    lost.append(str(pk))
                    continue
                done += model._default_manager.filter(pk=pk, **{column: sealed}).update(**{column: fresh})
        self.sealed += done
        told = f"{model._meta.label} {column}: {done} sealed anew, {kept} were already"
        self.stdout.write(f"{told}, {len(lost)} cannot be opened ({', '.join(lost)})" if lost else told)
        return len(lost)
