from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from cardocr_site import databases


class DatabaseCommand(BaseCommand):
    """A command about what is there. Where nothing is, or nothing answers, it says so in a sentence."""

    def needs_database(self, **options: Any) -> bool:
        return True

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            if self.needs_database(**options):
                databases.refuse_absent(connection)
        except databases.Unfit as unfit:
            raise CommandError(str(unfit)) from None
        return super().execute(*args, **options)
