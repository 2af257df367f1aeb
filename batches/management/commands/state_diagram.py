from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import TextChoices
from django.utils import translation

from batches.states import (
    BATCH_TRANSITIONS,
    CARD_TRANSITIONS,
    BatchStatus,
    CardStatus,
    PauseReason,
    SkipReason,
)

HEAD = """\
# States of batches and cards

Written by `manage.py state_diagram` from `batches/states.py`; do not edit. Only `batches/changes.py` writes a status.
"""
_ORDER: dict[str, list[str]] = {
    kind.__name__: [member.value for member in kind] for kind in (BatchStatus, CardStatus, PauseReason, SkipReason)
}


def _section(title: str, start: TextChoices, table: Mapping[Any, frozenset[Any]]) -> list[str]:
    order = _ORDER[type(start).__name__]
    rows = [(here, sorted(there, key=order.index)) for here, there in table.items()]
    return [
        f"## {title}",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {start.value}",
        *(f"    {here.value} --> {there.value}" for here, targets in rows for there in targets),
        "```",
        "",
        "| status | shown as | may become |",
        "| --- | --- | --- |",
        *(f"| {here.value} | {here.label} | {', '.join(there.value for there in targets)} |" for here, targets in rows),
        "",
    ]


def _reasons(title: str, reasons: type[TextChoices]) -> list[str]:
    return [f"## {title}", "", *(f"- `{reason.value}`: {reason.label}" for reason in reasons), ""]


def page() -> str:
    with translation.override("en"):
        lines = [
            HEAD,
            *_section("Batch", BatchStatus.DRAFT, BATCH_TRANSITIONS),
            *_section("Card", CardStatus.PENDING, CARD_TRANSITIONS),
            *_reasons("Why a batch is paused", PauseReason),
            *_reasons("Why a card is skipped", SkipReason),
        ]
    return "\n".join(lines)


class Command(BaseCommand):
    help = "Writes docs/states.md from the tables in batches/states.py."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail where the file is out of date")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / "docs" / "states.md"
        if check:
            if not path.is_file() or path.read_text() != page():
                raise CommandError("docs/states.md is out of date: run manage.py state_diagram.")
            self.stdout.write("docs/states.md is up to date.")
            return
        path.write_text(page())
        self.stdout.write(f"Written: {path.relative_to(settings.BASE_DIR)}")
