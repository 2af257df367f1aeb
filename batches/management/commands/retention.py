import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from batches.actions import clearing as clearings
from batches.drain import clearing as drain
from batches.models import Clearing
from batches.queries import old
from cardocr_site.accounts import pruning
from cardocr_site.commands import DatabaseCommand

KINDS = Clearing.Kind.values


class Command(DatabaseCommand):
    help = "Lists what nobody has touched for long. Deletes it only after a preview, and only what that has named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--months", type=int, default=24, help="untouched for so many (default: %(default)s)")
        parser.add_argument("--json", action="store_true", help="for programs")
        doing = parser.add_mutually_exclusive_group()
        doing.add_argument("--preview", choices=KINDS, metavar="KIND", help=f"count exactly: {', '.join(KINDS)}")
        doing.add_argument("--delete", metavar="TOKEN", help="delete what this preview has named")
        doing.add_argument("--audit", action="store_true", help="delete entries of the audit log that are so old")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        if not clearings.LEAST <= options["months"] <= clearings.MOST:
            raise CommandError("--months goes from 1 to 600.")
        if options["preview"]:
            self.tell(clearings.preview(options["preview"], options["months"], None), as_json=options["json"])
        elif options["delete"]:
            self.delete(options["delete"], yes=options["yes"], as_json=options["json"])
        elif options["audit"]:
            self.prune(options["months"], yes=options["yes"])
        else:
            self.list(options["months"], as_json=options["json"])

    def list(self, months: int, *, as_json: bool) -> None:
        before = clearings.since(months)
        found = {kind: old.batches(kind, before).count() for kind in KINDS if kind != Clearing.Kind.LEFTOVERS}
        found |= {name: old.leftovers(name, before).count() for name in clearings.LEFTOVERS}
        if as_json:
            self.stdout.write(json.dumps({"before": before.isoformat(), "found": found}))
            return
        labels = dict(Clearing.Kind.choices) | clearings.LEFTOVERS
        for name, number in found.items():
            self.stdout.write(f"{number:>8}  {labels[name]} ({name})")

    def tell(self, clearing: Clearing, *, as_json: bool) -> None:
        told = clearings.totals(clearing)
        if as_json:
            columns = ("batch", "uid", "name", "cards", "reviewed", "number", "bytes", "done", "state", "why")
            rows = list(clearing.items.order_by("pk").values(*columns))
            more = {"token": clearing.token, "kind": clearing.kind, "before": clearing.before.isoformat()}
            self.stdout.write(json.dumps({**more, **told, "items": rows}))
            return
        for item in clearing.items.order_by("pk"):
            name = item.name.encode("unicode_escape").decode() if not item.name.isprintable() else item.name
            why = f"  {clearings.LEFT[item.why]}" if item.why else ""
            self.stdout.write(f"{item.cards:>8} cards  {filesizeformat(item.bytes):>10}  {name}{why}")
        self.stdout.write(f"{clearings.summary(clearing)}, {filesizeformat(told['bytes'])}. Token: {clearing.token}")

    def delete(self, token: str, *, yes: bool, as_json: bool) -> None:
        clearing = Clearing.objects.filter(token=token).first()
        if clearing is None:
            raise CommandError(f"There is no preview “{token}”. Make one with --preview.")
        if clearing.confirmed_at is None:
            number = str(clearings.to_type(clearing))
            if not yes:
                self.tell(clearing, as_json=False)
            typed = number if yes else input(f"Type {number} to delete it for good: ")
            try:
                clearings.confirm(clearing, None, typed, clearings.fingerprint(clearing))
            except clearings.Refused as refused:
                raise CommandError(str(refused)) from None
        drain.go_on()  # a consumer that does it at this moment is left alone
        clearing.refresh_from_db()
        self.tell(clearing, as_json=as_json)
        if clearing.finished_at is None:
            self.stderr.write("The consumer goes on with it.")

    def prune(self, months: int, *, yes: bool) -> None:
        if not yes and input(f"Type {months} to delete entries older than {months} months for good: ") != str(months):
            raise CommandError("Nothing was deleted.")
        number = pruning.prune(clearings.since(months))
        self.stdout.write(f"{number} entries of the audit log were deleted. An entry says so.")
