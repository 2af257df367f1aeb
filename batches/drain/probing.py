"""Tests of engines that people asked for: one after the other, in a thread of the consumer's."""

import logging
from collections.abc import Callable

from django.utils import timezone

from batches.drain import spending
from batches.drain.engines import Engines
from batches.drain.threads import Rounds, patiently
from batches.models import Worker
from cardocr_site import log_context
from ocr import people, probing
from ocr.errors import ExtractionError
from ocr.models import Engine, Probe
from ocr.probe.findings import Report, Stopped
from ocr.reading import Usage

log = logging.getLogger(__name__)

EVERY = 10.0  # seconds; the doorbell is quicker


def examine(
    engine: Engine, model: str = "", *, calls: bool = True, is_stopped: Callable[[], bool] = lambda: False
) -> Report:
    """Takes minutes. What its calls cost belongs to the engine's month, whatever ends it. Raises Stopped."""
    begun = timezone.now()
    paid: list[tuple[Usage, ExtractionError | None]] = []
    try:
        return probing.examine(
            engine, model, calls=calls, is_stopped=is_stopped, on_call=lambda *call: paid.append(call)
        )
    finally:
        patiently(lambda: spending.book(engine, begun, paid), "A test", is_stopped)


class Probing(Rounds):
    def __init__(self, worker: Worker, engines: Engines) -> None:
        super().__init__("probe", self.probe_all, EVERY)
        self._worker = worker
        self._engines = engines

    def probe_all(self) -> None:
        self._end_the_broken_off()
        for asked in Probe.objects.filter(worker="").select_related("engine", "key_of").order_by("asked_at"):
            if self.is_stopping:
                return
            mine = Probe.objects.filter(pk=asked.pk, worker="")
            if mine.update(worker=self._worker.uid, begun_at=timezone.now()):
                self._probe(asked)

    def _probe(self, asked: Probe) -> None:
        mine = Probe.objects.filter(pk=asked.pk, worker=self._worker.uid)

        def is_stopped() -> bool:
            return self.is_stopping

        try:
            with self._engines.set_aside(asked.engine, is_stopped):
                examine(people.keyed(asked.engine, asked.key_of), asked.model, is_stopped=is_stopped)
        except Stopped:
            mine.update(worker="", begun_at=None)
            return
        except Exception:
            with log_context.of(engine=asked.engine_id):
                log.exception("Testing engine %s failed unexpectedly.", asked.engine)
            patiently(lambda: probing.keep(asked.engine, asked.model, probing.broken_off()), "A test", is_stopped)
        patiently(asked.engine.refresh_from_db, "A test", is_stopped)
        self._engines.tested(asked.engine)
        patiently(mine.delete, "A test", is_stopped)

    def _end_the_broken_off(self) -> None:
        """Their process is gone, or it is this one, which tests nothing now: the database's answer never came.

        They are not begun again: a test may be what ended it, and it costs money.
        """
        others = Worker.objects.exclude(uid=self._worker.uid).values("uid")
        for lost in Probe.objects.exclude(worker="").exclude(worker__in=others).select_related("engine"):
            probing.keep(lost.engine, lost.model, probing.broken_off())
            lost.delete()
