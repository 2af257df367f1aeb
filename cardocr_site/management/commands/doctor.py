from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils.translation import gettext as _

from cardocr_site import doctor
from cardocr_site.doctor.told import Told
from ocr.models import Engine
from ocr.probe.findings import State

WORDS = {State.OK: "OK", State.WARNING: "warning", State.FAILED: "FAILED"}
WIDTH = 8


class Command(BaseCommand):
    help = "Looks whether this installation is sound and says what to do. Ends with 1 where something failed."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-calls", action="store_true", help="ask engines nothing that costs money")
        parser.add_argument("--engine", default="", metavar="NAME", help="of the engines, test this one alone")

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unknown(options["engine"])
        counts = dict.fromkeys(WORDS, 0)
        for told in doctor.examine(doctor.Wanted(not options["no_calls"], options["engine"])):
            counts[told.state] += 1
            self.tell(told)
        summary = _("%(good)s OK, %(warned)s to look at, %(bad)s failed.") % {
            "good": counts[State.OK],
            "warned": counts[State.WARNING],
            "bad": counts[State.FAILED],
        }
        self.stdout.write(summary)
        if counts[State.FAILED]:
            raise SystemExit(1)

    def tell(self, told: Told) -> None:
        style = {State.OK: self.style.SUCCESS, State.WARNING: self.style.WARNING}.get(told.state, self.style.ERROR)
        advice = f" → {told.advice}" if told.advice else ""
        line = " ".join(f"{told.about}: {told.meaning}{advice}".split())  # an endpoint's words may have lines
        self.stdout.write(f"{style(WORDS[told.state].ljust(WIDTH))} {line}")
        self.stdout.flush()


def refuse_unknown(name: str) -> None:
    try:
        names = list(Engine.objects.values_list("name", flat=True)) if name else []
    except DatabaseError:
        return  # the checks say it
    if name and name not in names:
        known = ", ".join(names) or _("none")
        raise CommandError(_("There is no engine “%(name)s”. There are: %(known)s.") % {"name": name, "known": known})
