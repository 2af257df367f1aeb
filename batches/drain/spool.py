"""Answers on their way to the database: a small file each, from the moment they are read until their rows stand.

They are paid for. A plain write without fsync outlives `kill -9`, so whoever sweeps up after a killed process finds
them and writes their rows; without it the answers of the last moment would be asked and paid for again.
"""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from batches.drain.outcomes import Event, Outcome
from batches.drain.presence import lock_file, run_folder
from batches.drain.reading import result_of, setup_again, setup_of
from batches.models import Card, Worker
from ocr.reading import FieldReading, Issue, Reading, Region, Usage, ValueState

log = logging.getLogger(__name__)


def folder(worker: Worker) -> Path:
    return run_folder() / f"{worker.uid}.answers"


class Spool:
    """The answers of one living worker. Thread-safe: each has a file of its own."""

    def __init__(self, worker: Worker) -> None:
        self._folder = folder(worker)
        self._folder.mkdir(mode=0o700)

    def keep(self, event: Event) -> None:
        """Where the disk is full, the answer is as safe as it was before: in memory."""
        if isinstance(event, Outcome) and event.reading is not None:
            try:
                self._path(event).write_text(_as_text(event, event.reading), encoding="ascii")
            except OSError as error:
                log.warning("Card %s: its answer could not be put aside: %s", event.card.pk, error)

    def forget(self, event: Event) -> None:
        """Its rows stand."""
        if isinstance(event, Outcome) and event.reading is not None:
            self._path(event).unlink(missing_ok=True)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, outcome: Outcome) -> Path:
        return self._folder / f"{outcome.card.pk}-{outcome.card.claim}.json"


@contextmanager
def left_by(worker: Worker) -> Iterator[list[Outcome]]:
    """What a dead worker had read and not written, of cards that it still holds; the files go when the rows stand."""
    try:
        handle = os.open(lock_file(worker.uid), os.O_RDWR)
    except FileNotFoundError:  # of another host, or somebody else has swept up
        yield []
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # one sweeper at a time: the second finds nothing held
        yield list(_outcomes(worker))
        shutil.rmtree(folder(worker), ignore_errors=True)
    finally:
        os.close(handle)


def _outcomes(worker: Worker) -> Iterator[Outcome]:
    means = ("batch__engine", "worker", "rereading__engine", "rereading__template_version")
    for card in Card.objects.filter(worker=worker).select_related(*means):
        path = folder(worker) / f"{card.pk}-{card.claim}.json"
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            outcome = _as_outcome(card, kept)
        except FileNotFoundError:
            continue
        except Exception as error:  # cut off, of another version, or no file of ours: its worker must still be freed
            log.warning("Card %s: an answer that was put aside cannot be used: %r", card.pk, error)
            continue
        if outcome is not None:
            yield outcome


def _as_text(outcome: Outcome, reading: Reading) -> str:
    kept = {
        "model": outcome.setup.model,
        "prompt_hash": outcome.setup.prompt_hash,
        "rereading_id": outcome.setup.rereading_id,
        "started_at": outcome.started_at.isoformat() if outcome.started_at else None,
        "duration": outcome.duration,
        "reading": reading,
    }
    return json.dumps(kept, default=_plain)


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(value) if isinstance(value, Mapping) else str(value)


def _as_outcome(card: Card, kept: dict[str, Any]) -> Outcome | None:
    """None: it was read with other means than the batch has now. Raises all kinds of errors."""
    if card.batch.engine is None:
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
