"""Answers on their way to the database: a line each, from the moment they are read until their rows stand.

They are paid for. A plain write without fsync outlives `kill -9`, so whoever sweeps up after a killed process finds
them and writes their rows; without it the answers of the last moment would be asked and paid for again. A file for
each would cost more than all the rest of it: lines are appended to a sheet, which goes when all of its rows stand.
"""

import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from batches.drain.outcomes import Event, Outcome
from batches.drain.presence import run_folder
from batches.drain.reading import result_of
from batches.models import Card, Worker
from batches.queries.means import setup_again, setup_of
from ocr.reading import FieldReading, Issue, Reading, Region, Usage, ValueState

log = logging.getLogger(__name__)

SHEET = 1_000_000  # bytes; a full one is not written to any more


def folder(worker: Worker) -> Path:
    return run_folder() / f"{worker.uid}.answers"


_Key = tuple[int, int]  # card and claim


@dataclass(slots=True)
class _Sheet:
    path: Path
    handle: int
    size: int = 0
    waiting: int = 0  # answers in it whose rows do not stand yet


class Spool:
    """The answers of one living worker. Thread-safe."""

    def __init__(self, worker: Worker) -> None:
        self._folder = folder(worker)
        self._folder.mkdir(mode=0o700)
        self._lock = threading.Lock()
        self._number = 0
        self._sheet: _Sheet | None = None  # that is written to
        self._places: dict[_Key, _Sheet] = {}

    def keep(self, event: Event) -> None:
        """Where the disk is full, the answer is as safe as it was before: in memory."""
        if isinstance(event, Outcome) and event.reading is not None:
            # The line's end stands before it: what a full disk has cut off spoils no other.
            line = b"\n" + _as_text(event, event.reading).encode("ascii")
            try:
                with self._lock:
                    self._write(line, (event.card.pk, event.card.claim))
            except OSError as error:
                log.warning("Card %s: its answer could not be put aside: %s", event.card.pk, error)

    def forget(self, event: Event) -> None:
        """Its rows stand."""
        with self._lock:
            sheet = self._places.pop((event.card.pk, event.card.claim), None) if isinstance(event, Outcome) else None
            if sheet is None:
                return
            sheet.waiting -= 1
            if not sheet.waiting:
                with suppress(OSError):  # nobody asks for what is in it any more
                    self._clear(sheet)

    def close(self) -> None:
        with self._lock:
            for sheet in {id(sheet): sheet for sheet in (self._sheet, *self._places.values()) if sheet}.values():
                os.close(sheet.handle)
            self._sheet, self._places = None, {}
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, line: bytes, key: _Key) -> None:
        sheet = self._sheet or self._new_sheet()
        self._sheet = sheet
        sheet.size += len(line)
        if os.write(sheet.handle, line) < len(line):
            raise OSError("The disk is full.")
        self._places[key] = sheet
        sheet.waiting += 1
        if sheet.size > SHEET:
            self._sheet = None

    def _new_sheet(self) -> _Sheet:
        self._number += 1
        path = self._folder / f"{self._number}.lines"
        return _Sheet(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))

    def _clear(self, sheet: _Sheet) -> None:
        if sheet is self._sheet:
            os.ftruncate(sheet.handle, 0)
            sheet.size = 0
        else:
            os.close(sheet.handle)
            sheet.path.unlink(missing_ok=True)


@contextmanager
def left_by(worker: Worker) -> Iterator[list[Outcome]]:
    """What a dead worker had read and not written, of cards that it still holds; the files go when the rows stand.

    For whoever buries it.
    """
    yield list(_outcomes(worker))
    shutil.rmtree(folder(worker), ignore_errors=True)


def _outcomes(worker: Worker) -> Iterator[Outcome]:
    lines = _lines(folder(worker))
    means = ("batch__engine", "worker", "rereading__engine", "rereading__template_version")
    for card in Card.objects.filter(worker=worker).select_related(*means) if lines else ():
        kept = lines.get((card.pk, card.claim))
        try:
            outcome = _as_outcome(card, kept) if kept is not None else None
        except Exception as error:  # of another version, or no line of ours: its worker must still be freed
            log.warning("Card %s: an answer that was put aside cannot be used: %r", card.pk, error)
            continue
        if outcome is not None:
            yield outcome
        elif kept is not None:
            log.warning("Card %s: an answer that was put aside is to another question, or of another scan.", card.pk)


def _lines(sheets: Path) -> dict[_Key, dict[str, Any]]:
    found: dict[_Key, dict[str, Any]] = {}
    for path in sheets.glob("*.lines"):
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            log.warning("Answers that were put aside cannot be read: %s", error)
            continue
        for line in filter(None, lines):
            try:
                kept = json.loads(line)
                found[kept["card"], kept["claim"]] = kept
            except Exception as error:  # cut off, or no line of ours
                log.warning("An answer that was put aside cannot be used: %r", error)
    return found


def _as_text(outcome: Outcome, reading: Reading) -> str:
    kept = {
        "card": outcome.card.pk,
        "claim": outcome.card.claim,
        "scan": _scan(outcome.card),
        "model": outcome.setup.model,
        "prompt_hash": outcome.setup.prompt_hash,
        "rereading_id": outcome.setup.rereading_id,
        "started_at": outcome.started_at.isoformat() if outcome.started_at else None,
        "duration": outcome.duration,
        "reading": reading,
    }
    return json.dumps(kept, default=_plain)


def _scan(card: Card) -> list[Any]:
    """Either side may be replaced before anybody sweeps up."""
    return [part for side in card.sides for part in (side.sha256, side.edition)]


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return dict(value) if isinstance(value, Mapping) else str(value)


def _as_outcome(card: Card, kept: dict[str, Any]) -> Outcome | None:
    """None: it was read with other means than the batch has now, or of another scan. Raises all kinds of errors."""
    if card.batch.engine is None or kept["scan"] != _scan(card):
        return None
    again = card.rereading
    setup = setup_of(card.batch, card.batch.engine) if again is None else setup_again(card.batch, again)
    if any(getattr(setup, name) != kept[name] for name in ("model", "prompt_hash", "rereading_id")):
        return None
    started_at = datetime.fromisoformat(kept["started_at"]) if kept["started_at"] else None
    reading, duration = _reading(kept["reading"]), float(kept["duration"])
    result_of(setup, card.pk, reading)  # what makes no row would fail the card
    return Outcome(card, card.batch, setup, reading=reading, started_at=started_at, duration=duration)


def _reading(kept: dict[str, Any]) -> Reading:
    usage = kept["usage"]
    cost = None if usage["cost"] is None else Decimal(usage["cost"])
    entries = kept["entries"]
    more = {
        "fields": _fields(kept["fields"]),
        "entries": None if entries is None else tuple(_fields(entry) for entry in entries),
        "usage": Usage(**usage | {"cost": cost}),
    }
    return Reading(**kept | more)


def _fields(kept: dict[str, Any]) -> dict[str, FieldReading]:
    return {
        key: FieldReading(
            **field
            | {
                "state": ValueState(field["state"]),
                "regions": tuple(Region(**region) for region in field["regions"]),
                "issues": tuple(Issue(issue) for issue in field["issues"]),
            }
        )
        for key, field in kept.items()
    }
