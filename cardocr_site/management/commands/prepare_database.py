import logging
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from cardocr_site import databases, upgrades
from cardocr_site.accounts import first
from ocr.models import Engine
from templates_app import presets

LOCAL = "local"
log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Brings the database up to date: tables, engines, the administrator, the shipped templates."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--at-start",
            action="store_true",
            help="as “serve” calls it: a PostgreSQL of an earlier version is refused, not changed",
        )

    def handle(self, *args: Any, verbosity: int, at_start: bool = False, **options: Any) -> None:
        try:
            databases.refuse_unfit(connection)
        except databases.Unfit as unfit:
            raise CommandError(str(unfit)) from None
        with databases.prepared_by_one(connection):
            try:
                upgrades.bring_up_to_date(self.stdout.write if verbosity else log.info, at_start=at_start)
            except upgrades.Refused as refused:
                raise CommandError(str(refused)) from None
            with transaction.atomic():
                password = first.make_administrator()
                prepare_engines()
                presets.install()

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
    if settings.VLM_URL:
        prepare_endpoint()


def prepare_endpoint() -> None:
    kind = Engine.Kind.OPENAI_COMPATIBLE
    host = urlsplit(settings.VLM_URL).hostname or ""
    engine = Engine.objects.filter(kind=kind, address=settings.VLM_URL).first()
    if engine is None:
        name = next(name for name in names(host) if not Engine.objects.filter(name=name).exists())
        place = Engine.Place.INSIDE if in_the_house(host) else Engine.Place.OUTSIDE
        engine = Engine(name=name, kind=kind, address=settings.VLM_URL, place=place)
    engine.model = settings.VLM_MODEL or engine.model
    if settings.VLM_API_KEY:
        engine.set_key(settings.VLM_API_KEY)
    engine.is_default = engine.enabled = True
    engine.save()
    Engine.objects.exclude(pk=engine.pk).filter(is_default=True).update(is_default=False)


def names(host: str) -> Iterator[str]:
    yield host
    yield from (f"{host} {number}" for number in count(2))


def in_the_house(host: str) -> bool:
    """A guess from the address alone, shown on the confirm page and to be corrected in the admin."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan", ".home.arpa"))
