"""Every ten seconds: show that this process lives, free what the dead held, go on with what was cut short."""

import logging
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext, suppress

from batches import hooks, news
from batches.drain import blocks, claims, erasing, presence, spool, succession
from batches.drain.collector import Collector
from batches.drain.outcomes import Outcome
from batches.intake import moves, parts, store, uploads
from batches.models import Batch, Worker

log = logging.getLogger(__name__)

EVERY = 10.0  # seconds
UNKNOWN_FOR = 5.0
PARTS_EVERY = 3600.0
PARTS_AFTER = 24 * 3600.0


def clean_parts() -> None:
    """Remove what uploads that broke off have left."""
    for part in store.parts():
        with suppress(FileNotFoundError):  # renamed into place this moment
            if time.time() - part.stat().st_mtime > PARTS_AFTER:
                part.unlink()


class Sweeper:
    def __init__(self, worker: Worker, in_hand: Callable[[], Collection[int]] | None = None) -> None:
        """`in_hand`: the cards that this process knows it holds."""
        self._worker = worker
        self._in_hand = in_hand
        self._unknown: dict[tuple[int, int], float] = {}  # card and claim, and since when
        self._parts_at = 0.0

    def sweep(self) -> None:
        succession.look()
        self.let_go()
        claims.renew(self._worker)
        self.free_the_dead()
        self.settle_folders()
        blocks.finish_cut_short()
        erasing.clean()
        if time.monotonic() >= self._parts_at:
            self._parts_at = time.monotonic() + PARTS_EVERY
            parts.forget_old()
            clean_parts()
            news.forget_old()
            hooks.forget_old()
            uploads.forget_strays(PARTS_AFTER)
            store.tidy()  # last: an object storage may not answer

    def let_go(self) -> None:
        """What stands as held by this process, and has been unknown to it for a while: nobody would ever read it."""
        if self._in_hand is None:
            return
        held, now = claims.held(self._worker), time.monotonic()
        known = self._in_hand()  # after what is held: who has just claimed a card knows of it by then, or in a moment
        unknown = [(pk, claim) for pk, claim in held.items() if pk not in known]
        self._unknown = {it: self._unknown.get(it, now) for it in unknown}
        lost = {pk: claim for (pk, claim), since in self._unknown.items() if now - since >= UNKNOWN_FOR}
        if lost and (freed := claims.let_go(self._worker, lost)):
            log.warning("%s cards were held and not known here any more; they wait again.", freed)

    def free_the_dead(self) -> None:
        for worker in Worker.objects.exclude(pk=self._worker.pk):
            if presence.is_dead(worker):
                with presence.buried(worker) as is_ours:
                    if is_ours is not None:
                        self._free(worker, with_files=is_ours)
        claims.free_orphans()

    @staticmethod
    def _free(worker: Worker, *, with_files: bool) -> None:
        left: AbstractContextManager[list[Outcome]] = spool.left_by(worker) if with_files else nullcontext([])
        with left as answers:
            Collector(worker.pk).write(answers)
        freed = claims.give_back(worker, crashed=True)
        presence.forget(worker, with_files=with_files)
        log.warning("Worker %s is gone; %s of its cards wait again.", worker, freed)
        if answers:
            log.warning("%s answers that it had not written yet were kept.", len(answers))

    def settle_folders(self) -> None:
        """Finish what a crash cut off between a start and its folder's new name."""
        for batch in Batch.objects.filter(uid__in=store.drafts_on_disk()).exclude(label=None):
            moves.settle(batch)
