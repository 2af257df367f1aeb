"""Page images and thumbnails: made once per card, drafts included, as many at once as there are cores.

While files of drafts pour in or are being opened, their previews wait: one at a time, with a rest between two.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from batches.drain import asked, outages
from batches.drain.presence import run_folder
from batches.drain.threads import GONE, Rounds, drop_broken, in_line
from batches.intake import derive, opening
from batches.intake.alone import alone
from batches.intake.unreachable import Unreachable
from batches.models import Card, Upload
from batches.states import BatchStatus
from cardocr_site import log_context

log = logging.getLogger(__name__)

SLOTS = 64
AHEAD = 50
POURING, WITHIN = 10, timedelta(seconds=1)  # files; fewer leave the cores enough time
REST = 1.0  # seconds
AGAIN_AFTER = 30.0  # seconds, where preparing failed for a reason that is not the image's


def _slot(card_id: int) -> Path:
    """Held by the process that prepares this card, or one that shares its slot."""
    return run_folder() / f"prepare-{card_id % SLOTS}.slot"


class Preparation:
    def __init__(self, on_prepared: Callable[[int], None], batch_id: int | None = None) -> None:
        self._on_prepared = on_prepared
        self._batch_id = batch_id
        self._lock = threading.Lock()
        self._busy: set[int] = set()
        self._ahead: deque[int] = deque()  # cards that come next
        self._not_before: dict[int, float] = {}
        self._rounds = [Rounds(f"prepare-{n}", partial(self._prepare_all, n), 5.0) for n in range(os.cpu_count() or 1)]

    def start(self) -> None:
        for rounds in self._rounds:
            rounds.start()

    def wake(self) -> None:
        with self._lock:
            self._ahead.clear()  # a batch may have been started, whose cards come first
        for rounds in self._rounds:
            rounds.wake()

    def stop(self, deadline: float) -> None:
        for rounds in self._rounds:
            rounds.stop(0)
        for rounds in self._rounds:
            rounds.stop(deadline - time.monotonic())

    def _prepare_all(self, number: int = 0) -> None:
        while not self._rounds[0].is_stopping and (card := self._next()) is not None:
            with log_context.of(request=asked.by(card.batch_id), batch=card.batch_id, card=card.pk):
                if not self._prepare(card, number):
                    return

    def _prepare(self, card: Card, number: int) -> bool:
        """False: others need the core of this thread more."""
        try:
            if card.batch.is_draft and self._others_need_the_cores():
                if number:  # the first goes on
                    return False
                self._rounds[0].rest(REST)
            with alone(_slot(card.pk)) as mine:
                if mine and Card.objects.filter(pk=card.pk, prepared_at=None).exists():  # not by another process
                    derive.prepare(card)
                    self._on_prepared(card.batch_id)
                elif not mine:
                    self._later(card, 0.5)
        except Unreachable as error:
            outages.hold_for_storage(card.batch, error.message)
            self._later(card, settings.PROBE_SECONDS)
        except GONE as error:
            log.warning("Card %s is prepared later: the database is busy, full or gone: %s", card.pk, in_line(error))
            drop_broken()
            self._later(card, REST)
        except Exception:
            log.exception("Card %s could not be prepared; it is tried again.", card.pk)
            self._later(card, AGAIN_AFTER)
        finally:
            with self._lock:
                self._busy.discard(card.pk)
        return True

    def _others_need_the_cores(self) -> bool:
        latest = Upload.objects.order_by("-pk").values_list("created_at", flat=True)[POURING - 1 : POURING]
        return any(timezone.now() - at < WITHIN for at in latest) or bool(opening.due(self._batch_id))

    def _later(self, card: Card, seconds: float) -> None:
        with self._lock:
            self._not_before[card.pk] = time.monotonic() + seconds

    def _next(self) -> Card | None:
        """A card that nobody in this process prepares; those of started batches first."""
        with self._lock:
            now = time.monotonic()
            self._not_before = {pk: at for pk, at in self._not_before.items() if at > now}
            passed = self._busy | set(self._not_before)
            return self._of_ahead(passed) or (self._look(passed) and self._of_ahead(passed)) or None

    def _of_ahead(self, passed: Collection[int]) -> Card | None:
        while self._ahead:
            pk = self._ahead.popleft()
            waiting = Card.objects.filter(pk=pk, prepared_at=None, batch__deleted_at=None)
            if pk not in passed and (card := waiting.select_related("batch", "back").first()):
                self._busy.add(pk)
                return card
        return None

    def _look(self, passed: Collection[int]) -> bool:
        """Some at once: of a large draft each look costs as much as there are cards. A bell makes a new one."""
        unprepared = Card.objects.filter(prepared_at=None)
        if not unprepared.exists():
            return False
        waiting = unprepared.filter(batch__deleted_at=None)
        if self._batch_id is not None:
            waiting = waiting.filter(batch=self._batch_id)
        found: list[int] = []
        for wanted in (Q(batch__status__in=[BatchStatus.QUEUED, BatchStatus.RUNNING]), Q()):
            keys = waiting.filter(wanted).order_by("pk").values_list("pk", flat=True)
            found += [pk for pk in keys[: AHEAD + len(passed)] if pk not in passed]
            if len(found) >= AHEAD:
                break
        self._ahead.extend(dict.fromkeys(found[:AHEAD]))
        return bool(found)
