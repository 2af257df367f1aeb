from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection, transaction

from cardocr_site.accounts import first
from ocr.models import Engine

LOCAL, VLM = "local", "vlm"


class Command(BaseCommand):
    help = "Brings the database up to date: tables, engines, the administrator, the shipped templates."
    requires_system_checks = ()

    def handle(self, *args: Any, verbosity: int, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
        call_command("migrate", interactive=False, verbosity=0)
        with transaction.atomic():
            password = first.make_administrator()
            prepare_engines()

        if password is not None:
            self.tell(password, talk=verbosity > 0)

    def tell(self, password: str, *, talk: bool) -> None:
        if talk and self.stdout.isatty():
            self.stdout.write(f"First sign-in: user {first.NAME}, password {password} (to be changed there).")
            return
        path = first.leave_in_file(password)
        if talk:
            self.stdout.write(f"First sign-in: user {first.NAME}, password in {path} (to be changed there).")


def prepare_engines() -> None:
    """The local reader is always there; the endpoint of CARDOCR_VLM_URL, where given, is chosen for new batches."""
    Engine.objects.get_or_create(
        name=LOCAL,
        defaults={
            "kind": Engine.Kind.LOCAL,
            "place": Engine.Place.INSIDE,
            "is_default": not Engine.objects.filter(is_default=True).exists(),
        },
    )
    if not settings.VLM_URL:
        return
    engine, _ = Engine.objects.get_or_create(
        name=urlsplit(settings.VLM_URL).hostname or VLM, defaults={"kind": Engine.Kind.OPENAI_COMPATIBLE}
    )
    engine.kind = Engine.Kind.OPENAI_COMPATIBLE
    engine.address = settings.VLM_URL
    engine.model = settings.VLM_MODEL
    if settings.VLM_API_KEY:
        engine.set_key(settings.VLM_API_KEY)
    engine.is_default = True
    engine.save()
    Engine.objects.exclude(pk=engine.pk).filter(is_default=True).update(is_default=False)
