"""Tests of engines that people asked for: one after the other, in a thread of the consumer's."""

import logging

from django.utils import timezone

from batches.drain.engines import Engines
from batches.drain.threads import Rounds
from batches.models import Worker
from ocr import probing
from ocr.models import Probe
from ocr.probe.findings import Stopped

log = logging.getLogger(__name__)

EVERY = 10.0  # seconds; the doorbell is quicker


class Probing:
    def __init__(self, worker: Worker, engines: Engines) -> None:
        self._worker = worker
        self._engines = engines
        self._rounds = Rounds("probe", self.probe_all, EVERY)

    def start(self) -> None:
        self._rounds.start()

    def wake(self) -> None:
        self._rounds.wake()

    def stop(self, timeout: float) -> None:
        self._rounds.stop(timeout)

    def probe_all(self) -> None:
        self._end_the_broken_off()
        for asked in Probe.objects.filter(worker="").select_related("engine").order_by("asked_at"):
            if self._rounds.is_stopping:
                return
            mine = Probe.objects.filter(pk=asked.pk, worker="")
            if mine.update(worker=self._worker.uid, begun_at=timezone.now()):
                self._probe(asked)

    def _probe(self, asked: Probe) -> None:
        mine = Probe.objects.filter(pk=asked.pk, worker=self._worker.uid)
        try:
            probing.examine(asked.engine, asked.model, is_stopped=lambda: self._rounds.is_stopping)
        except Stopped:
            mine.update(worker="", begun_at=None)
            return
        except Exception:
            log.exception("Testing engine %s failed unexpectedly.", asked.engine)
            probing.keep(asked.engine, asked.model, probing.broken_off())
        asked.engine.refresh_from_db()
        self._engines.tested(asked.engine)
        mine.delete()

    def _end_the_broken_off(self) -> None:
        """Their process is gone. They are not begun again: a test may be what ended it, and it costs money."""
        alive = Worker.objects.values("uid")
        for lost in Probe.objects.exclude(worker="").exclude(worker__in=alive).select_related("engine"):
            probing.keep(lost.engine, lost.model, probing.broken_off())
            lost.delete()
