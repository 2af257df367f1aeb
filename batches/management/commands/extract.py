"""A batch without the browser: the same intake, drain and export as in the pages."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from batches import changes, drain, progress
from batches.actions import drafts, runs, scans
from batches.drain import duplicates
from batches.intake import adding, names
from batches.management.commands import export
from batches.models import Batch
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from ocr import people
from ocr.fields import FieldSpec, make_key
from ocr.models import Engine
from templates_app import exchange
from templates_app.models import FieldTemplate

# The fields, what is true of all cards, whether these must not leave the house, how their scans are prepared.
Template = tuple[list[FieldSpec], str, bool, dict[str, Any]]

CHUNK = 1 << 20
TELL_EVERY = 5.0  # seconds between plain lines
BAR = 30


class Command(BaseCommand):
    help = "Reads scans into a table without the browser."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="*", metavar="FOLDER_OR_FILE", help="folders are searched with all below")
        parser.add_argument("--template", metavar="NAME", help="a field template by name, or an exported template file")
        parser.add_argument("--fields", metavar="LABELS", help='instead of a template: "Author,Title,Year"')
        parser.add_argument("--engine", metavar="NAME", help="otherwise the one chosen for new batches")
        parser.add_argument("--model", default="", help="otherwise the engine's own")
        parser.add_argument(
            "--on-duplicate",
            choices=duplicates.CHOICES,
            default=duplicates.SKIP,
            help="scans that were read before with the same means: take the earlier reading over (skip, unless said "
            "otherwise), read them again (overwrite), or keep both (suffix)",
        )
        parser.add_argument("--name", default="", help="of the batch; otherwise the folder's")
        parser.add_argument("--out", metavar="FILE", default="-", help="CSV; standard output, where left out")
        parser.add_argument("--resume", metavar="LABEL", help="go on with a batch that was interrupted")
        export.add_format_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("prepare_database", at_start=True, verbosity=0)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: leases are given back
        batch = self._resumed(options) if options["resume"] else self._begun(options)
        go_on = f"manage.py extract --resume {batch.label} --out {options['out']}"
        self.stderr.write(f"Whatever happens, it goes on by: {go_on}")
        meter = Meter(self.stderr, live=bool(getattr(sys.stderr, "isatty", lambda: False)()))
        try:
            drain.run_here(batch, on_change=meter.show)
        except KeyboardInterrupt:
            meter.end()
            self.stderr.write(f"Stopped. To go on: {go_on}")
            raise SystemExit(130) from None
        meter.end()
        batch.refresh_from_db()
        export.write(batch, options["out"], "csv", options)
        self._close(batch, go_on)

    def _resumed(self, options: dict[str, Any]) -> Batch:
        if options["paths"]:
            raise CommandError("--resume goes on with the cards of that batch: leave the files out.")
        batch = export.find_batch(options["resume"])
        if batch.is_draft:
            raise CommandError("That batch was not started: its files were still coming in. Begin anew.")
        if batch.status in {BatchStatus.PAUSED, BatchStatus.CANCELLED}:
            try:
                batch = runs.resume(batch)
            except changes.TransitionRefused as error:
                raise CommandError(f"That batch cannot go on: it is “{error.status}”.") from error
            except runs.CannotStart as error:
                raise CommandError(f"That batch cannot go on: {error.message}") from error
        return batch

    def _begun(self, options: dict[str, Any]) -> Batch:
        files = list(_files([Path(path) for path in options["paths"]]))
        if not files:
            raise CommandError("Name a folder or files with scans; there is nothing to read.")
        people = User.objects.all()
        user = people.filter(username="admin").first() or people.filter(role=User.Role.ADMINISTRATOR).first()
        if user is None:
            raise CommandError("There is no administrator to own the batch: manage.py createsuperuser makes one.")
        specs, instruction, stay_inside, said = _fields(options["template"], options["fields"])
        engine = _engine(options["engine"])
        batch = drafts.create(user, options["name"] or _name(options["paths"]))
        drafts.set_fields(batch, specs, instruction)
        drafts.set_engine(batch, engine, options["model"])
        if stay_inside:
            drafts.keep_inside(batch)
        scans.set_options(batch, {name: said.get(name, batch.option(name)) for name in scans.NAMES})
        drafts.set_duplicates(batch, options["on_duplicate"])
        self._add(batch, files)
        try:
            return runs.start(Batch.objects.get(pk=batch.pk), user)
        except runs.CannotStart as error:
            raise CommandError(str(error)) from error

    def _add(self, batch: Batch, files: list[tuple[Path, str]]) -> None:
        for path, name in files:
            try:
                with path.open("rb") as file:
                    outcome = adding.add_file(batch, name, iter(partial(file.read, CHUNK), b""))
                for member in outcome.refusals:
                    self.stderr.write(f"Refused: {name}: {member.name}: {member.message}")
            except adding.Refused as error:
                self.stderr.write(f"Refused: {name}: {error.message}")
            except OSError as error:
                self.stderr.write(f"Refused: {name}: {error.strerror or error}")

    def _close(self, batch: Batch, go_on: str) -> None:
        """Exit code 0 when every accepted card was read, or is blank."""
        self.stderr.write(
            f"{batch.completed} of {batch.total} cards read, {batch.failed} not read, {batch.to_check} to check."
        )
        for card in batch.cards.exclude(error="").order_by("position")[:50]:
            self.stderr.write(f"Not read: {card.display_name}: {progress.error_sentence(card.error)}")
        if batch.status == BatchStatus.PAUSED:
            why = batch.pause_message or batch.get_pause_reason_display()
            self.stderr.write(f"Paused: {why}. To go on: {go_on}")
        if batch.blank:
            self.stderr.write(f"{batch.blank} blank, passed over.")
        if batch.completed + batch.blank != batch.total:
            raise SystemExit(1)


class Meter:
    """A bar on a terminal, a plain line every few seconds elsewhere."""

    def __init__(self, out: Any, *, live: bool) -> None:
        self._out = out
        self._live = live
        self._told_at = 0.0
        self._open = False

    def show(self, batch: Batch) -> None:
        now = progress.of(batch)
        line = f"{now.percent} %  {now.message}" + (f", {now.time_left}" if now.time_left else "")
        if self._live:
            full = round(BAR * now.percent / 100)
            self._out.write(f"\r[{'#' * full}{'.' * (BAR - full)}] {line}\033[K", ending="")
            self._out.flush()
            self._open = True
        elif time.monotonic() - self._told_at >= TELL_EVERY:
            self._told_at = time.monotonic()
            self._out.write(line)

    def end(self) -> None:
        if self._open:
            self._out.write("")


def _files(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Every file with the name it is known by, in natural order; hidden ones are left out. Raises CommandError."""
    for path in paths:
        if path.is_dir():
            below = (found for found in path.rglob("*") if found.is_file())
            named = [(found, found.relative_to(path).as_posix()) for found in below]
            visible = [pair for pair in named if not any(part.startswith(".") for part in Path(pair[1]).parts)]
            yield from sorted(visible, key=lambda pair: names.natural(pair[1]))
        elif path.is_file():
            yield path, path.name
        else:
            raise CommandError(f"“{path}” is not there.")


def _name(paths: list[str]) -> str:
    return Path(paths[0]).resolve().name[:200] or "Extract"


def _fields(template: str | None, labels: str | None) -> Template:
    """Raises CommandError."""
    if bool(template) == bool(labels):
        raise CommandError('Say which fields: --template NAME or --fields "Author,Title,Year".')
    if labels:
        specs: list[FieldSpec] = []
        for label in (part.strip() for part in labels.split(",")):
            if label:
                key = make_key(label, [spec.key for spec in specs])
                specs.append(FieldSpec.from_dict({"key": key, "label": label}))
        return specs, "", False, {}
    known = FieldTemplate.objects.filter(name=template).first()
    if known is not None:
        return known.newest.specs(), known.newest.instruction, known.stay_inside, known.scans
    return _from_file(Path(template or ""))


def _from_file(path: Path) -> Template:
    if not path.is_file():
        there = ", ".join(f"“{name}”" for name in FieldTemplate.objects.values_list("name", flat=True)[:20])
        raise CommandError(f"There is no template “{path}”, and no such file. There are: {there}.")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        instruction = str(data.get("instruction") or "")
        return exchange.load(data), instruction, exchange.stays_inside(data), exchange.scans_of(data)
    except (ValueError, UnicodeDecodeError) as error:
        raise CommandError(f"“{path}”: {error}") from error


def _engine(name: str | None) -> Engine:
    if name is None:
        engine = people.default_engine()
        if engine is None:
            raise CommandError("No engine is in use: an administrator adds one in the admin.")
        return engine
    engine = Engine.objects.filter(name=name, enabled=True).first()
    if engine is None:
        there = ", ".join(f"“{name}”" for name in Engine.objects.filter(enabled=True).values_list("name", flat=True))
        raise CommandError(f"There is no engine “{name}” in use. There are: {there}.")
    return engine
