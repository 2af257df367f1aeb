"""One card: what is told of it, in which order."""

from threading import Event as Flag

import pytest
from django.db import OperationalError
from django.utils import timezone

from batches import changes
from batches.drain import claims, worker
from batches.drain.engines import Engines
from batches.drain.outcomes import Outcome, Start
from batches.drain.worker import Job, Reader
from batches.queries.means import setup_of
from batches.states import BatchStatus, PauseReason
from ocr.engines.base import Prepared, sending
from ocr.errors import CallWithheld
from tests.batches.drain.adapters import Scripted
from tests.batches.drain.test_claims import make_worker

pytestmark = pytest.mark.django_db


class Twice(Scripted):
    """Sends two requests for a card."""

    def read(self, image, task):
        with sending():
            pass
        return super().read(image, task)


@pytest.fixture
def job(batch, make_cards, monkeypatch, tmp_path) -> Job:
    make_cards(1, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())
    (card,) = claims.take(batch.pk, make_worker("one"), 1)
    batch.refresh_from_db()
    image = Prepared(tmp_path / "scan.jpg", "image/jpeg", 60, 40)
    monkeypatch.setattr(worker.derive, "prepared", lambda card, **_how: image)
    card.batch = batch
    return Job(card, batch, setup_of(batch, batch.engine))


def told(job: Job, adapter: Scripted) -> list[object]:
    events: list[object] = []
    Reader(Engines(lambda config: adapter), events.append, Flag()).read(job)
    return events


@pytest.mark.parametrize("adapter", [Scripted(), Twice()])
def test_the_start_is_told_once_and_before_the_outcome(job, adapter):
    start, outcome = told(job, adapter)
    assert isinstance(start, Start)
    assert isinstance(outcome, Outcome)
    assert start.at == outcome.started_at
    assert outcome.reading is not None


def test_a_call_that_may_not_leave_is_no_start(job):
    changes.move_batch(job.batch, BatchStatus.PAUSED, pause_reason=PauseReason.PERSON)
    scripted = Scripted()
    (outcome,) = told(job, scripted)
    assert isinstance(outcome, Outcome)
    assert outcome.started_at is None
    assert scripted.calls == []


def test_an_engine_in_the_process_gets_no_card_of_a_paused_batch(job):
    changes.move_batch(job.batch, BatchStatus.PAUSED, pause_reason=PauseReason.PERSON)
    assert [type(event) for event in told(job, Scripted(in_process=True))] == [Outcome]


def test_a_database_that_is_gone_is_no_fault_of_the_card(job, monkeypatch):
    scripted = Scripted()

    def gone(call: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(worker.gate, "look", gone)
    (outcome,) = told(job, scripted)
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.error, CallWithheld)
    assert outcome.started_at is None
    assert scripted.calls == []
