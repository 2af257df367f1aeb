from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ocr import errors
from ocr.errors import ExtractionError

HEAD = """\
# Why a card could not be read

Written by `manage.py error_table` from `ocr/errors.py`; do not edit. The code is stored with the card and each call;
the sentence stands on the pages, the advice beside it. Engine and model are never changed by cardocr itself: where
another one may read the card, that is offered to a person.

Where the endpoint is to blame (five cards in a row that it could not be reached for, was too slow for or failed at) its
batches pause (`endpoint`), no card is charged, and reading goes on by itself once it answers.

A valid reply in which nothing was found is no error: the card is read, told as "Nothing found", counted and filtered
as *to check*.

Asked again: `corrected` with what was wrong with the reply; `room` with more tokens; `quiet` without thinking; `0.1`,
`0.5` with that temperature; `free` warmer still and without a format that is enforced; `reworded` with other words;
`smaller` with a smaller image. All within one try, three more calls at most.

| code | the curator reads | what helps | what cardocr does | asked again |
| --- | --- | --- | --- | --- |
"""


def _policy(kind: type[ExtractionError]) -> str:
    if kind.pauses:
        return f"pauses the batch (`{kind.pauses}`), no try"
    if not kind.counts:
        return "waits and reads it again, no try" if kind.retryable else "leaves the card waiting, no try"
    does = "tries again, as often as the batch allows" if kind.retryable else "fails the card at once"
    return f"{does}; then offers another engine or model" if kind.others_may else does


def page() -> str:
    rows = (
        f"| `{kind.reason}` | {kind.sentence} | {kind.advice} | {_policy(kind)} "
        f"| {', '.join(f'`{rung}`' for rung in kind.ladder) or '–'} |\n"
        for kind in errors.catalogue()
    )
    return HEAD + "".join(rows)


class Command(BaseCommand):
    help = "Writes docs/errors.md from the classes in ocr/errors.py."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail where the file is out of date")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / "docs" / "errors.md"
        if check:
            if not path.is_file() or path.read_text() != page():
                raise CommandError("docs/errors.md is out of date: run manage.py error_table.")
            self.stdout.write("docs/errors.md is up to date.")
            return
        path.write_text(page())
        self.stdout.write(f"Written: {path.relative_to(settings.BASE_DIR)}")
