"""A real Service with engines of the test's own, and batches with real images."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection

from batches import tasks
from batches.actions import runs
from batches.drain import scheduler, worker
from batches.drain import service as service_module
from batches.drain.adapters import Build
from batches.drain.engines import Engines
from batches.drain.service import Service
from batches.intake import adding, upright
from batches.models import Batch, Card
from batches.states import TurnedBy
from tests.batches.drain.adapters import Scripted
from tests.conftest import FIELDS, image_bytes


@pytest.fixture(autouse=True)
def _short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rests are short: what comes after one comes all the same."""
    monkeypatch.setattr(worker, "FIRST_BACK_OFF", 0.05)
    monkeypatch.setattr(scheduler, "HUNGRY", 0.05)
    monkeypatch.setattr(service_module, "FILE_REST", 0.05)


@pytest.fixture(autouse=True)
def _without_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scans here have no text to be turned by: looking for it, as tests/batches/intake/test_seeing.py does, would
    be the larger part of the work.
    """

    def look(card: Card, page: Path, *, blank: bool) -> upright.Turned:
        return upright.known(card) or upright.Turned(card.rotation, card.turned_by if blank else TurnedBy.NOTHING)

    monkeypatch.setattr(upright, "look", look)


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def services(
    transactional_db: None, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Service]]:
    """Start services, at which doorbells ring; all are stopped before the database is emptied."""
    started: list[Service] = []

    def ring(batch_id: int) -> None:
        for service in started:
            service.wake(batch_id)

    monkeypatch.setattr(tasks, "drain", ring)
    monkeypatch.setattr(tasks, "prepare", ring)

    def start(threads: int = 4, adapter: object = scripted, build: Build | None = None, **options) -> Service:
        service = Service(threads=threads, engines=Engines(build or (lambda config: adapter)), **options)
        started.append(service)
        return service

    yield start
    if scripted.hold is not None:
        scripted.hold.set()
    for service in started:
        service.stop(10)
    own = ("read-", "schedule", "collect", "sweep", "file", "prepare-")
    for thread in threading.enumerate():
        if thread.name.startswith(own):
            thread.join(10)
    connection.close()


@pytest.fixture
def make_batch(transactional_db: None, user, engine) -> Callable[..., Batch]:
    """A draft with images: each name has a colour of its own, so that only a name that comes again was read before."""
    colours: dict[str, int] = {}

    def make(*names: str, name: str = "Drawer 12", **fields) -> Batch:
        batch = Batch.objects.create(name=name, owner=user, engine=engine, fields=FIELDS, **fields)
        for file in names:
            number = colours.setdefault(file, len(colours))
            adding.add_file(batch, file, [image_bytes((80, 60), colour=(number % 256, number // 256, 90))])
        return batch

    return make


@pytest.fixture
def start_batch(make_batch: Callable[..., Batch], user) -> Callable[..., Batch]:
    def start(*names: str, **fields) -> Batch:
        return runs.start(make_batch(*names, **fields), user)

    return start
