"""How many calls each worker may have in flight, so that all together keep to what an engine takes.

Each worker settles its own share now and then, in one transaction under the engine's lock; no call asks for anything.
What it is to give back it takes note of before that is written down, and nobody is given what another one still has:
so the sum of all calls in flight never passes the limit. A worker that leaves, or whose lease has run out, takes its
row along.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import close_old_connections, transaction

from batches import clock
from batches.drain.engines import Engines, cap, follow
from batches.drain.flow import Climb, Flow, News
from batches.drain.sharing import Wish, share_out
from batches.drain.threads import Rounds
from batches.models import Pace, Share, Worker
from ocr.models import Engine, Probe

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds
REST = 0.05  # between two rounds
ALONE_EVERY = 2.0  # who has nobody beside it looks for others that seldom
TURN = 10.0  # seconds, where there are more workers than calls
KNOWN = timedelta(minutes=1)  # what was learnt holds for so long when nobody calls
NOTE_EVERY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all workers at one settlement."""

    ceiling: int  # calls at a time, whatever is learnt
    without_one: int  # the same with one worker less: where nothing else limits them, each brings its threads
    is_local: bool  # shared by the workers of one machine, and nothing is learnt of it
    is_set_aside: bool  # for a test: nobody begins a call
    turn: int


def settle(flow: Flow, pace: Pace, mine: Share, others: list[Share], terms: Terms) -> News:
    """Into `mine` and `pace`, to be saved; returns the news that they hold. No call can begin or end meanwhile."""
    now = clock.now()
    news, flow.news = flow.news, News()
    if not terms.is_local:
        _agree(flow, pace, news, others, terms)
        _agree_on_outage(flow, pace, news)
    mine.wanted, mine.awaited, mine.in_flight = min(flow.wants, terms.ceiling), flow.awaited, flow.in_flight
    taken = sum(share.granted for share in others)
    flow.is_quiet = flow.is_tested and not taken
    if not mine.wanted and not mine.in_flight:
        mine.may_probe, meant = False, 0
    elif not others:
        mine.may_probe, meant = True, 0 if terms.is_set_aside else terms.ceiling
    else:
        meant = _meant(flow, mine, others, terms, down=pace.probe_at is not None and not terms.is_local)
    mine.granted = max(flow.in_flight, meant)
    flow.meant = meant
    flow.share = min(flow.share, mine.granted)  # more only once it is saved
    flow.may_probe = flow.may_probe and mine.may_probe
    flow.is_alone = flow.is_alone and not others
    if pace.learnt_at is None or pace.learnt_at < now - NOTE_EVERY:
        pace.learnt_at = now
    return news


def _agree(flow: Flow, pace: Pace, news: News, others: list[Share], terms: Terms) -> None:
    """What is learnt of how many calls it takes: by this worker, where it was alone, or by all of them."""
    if flow.turn is None:
        knows = bool(others) or (pace.learnt_at is not None and pace.learnt_at > clock.now() - KNOWN)
        here, changed = not knows, not knows or pace.turn == 0
    else:
        here = flow.is_alone and pace.turn == flow.turn
        changed = here and (news.met_limit or news.begun_with is not None)
    climb = flow.climb
    if not here:
        climb = Climb(pace.calls, pace.climbing, pace.answers)
        if news.begun_with is not None:
            climb.begin(news.begun_with)
            changed = True
        elif pace.turn == flow.turn and news.met_limit:
            climb.halve(terms.ceiling)
            changed = True
        elif pace.turn == flow.turn:  # otherwise its answers are older than what others have met
            climb.answered(terms.ceiling, news.answers)
        if pace.turn != flow.turn:
            flow.lowered_at = time.monotonic()  # calls that are under way belong to the burst that others have met
    if others and climb.climbing and climb.calls >= terms.without_one:
        climb.calls = max(climb.calls, terms.ceiling)  # nobody has met a limit but that of their threads
    pace.calls, pace.climbing, pace.answers, pace.turn = climb.calls, climb.climbing, climb.answers, pace.turn + changed
    flow.climb = climb


def _agree_on_outage(flow: Flow, pace: Pace, news: News) -> None:
    if news.outage:
        breaker = flow.breaker
        pace.probe_at = clock.now() + timedelta(seconds=breaker.probe_in) if breaker.is_open else None
        pace.probe_delay = breaker.delay
    else:
        follow(flow.breaker, pace.probe_at, pace.probe_delay)


def _meant(flow: Flow, mine: Share, others: Iterable[Share], terms: Terms, *, down: bool) -> int:
    """As much as it should have of what nobody else has."""
    taken = sum(share.granted for share in others)
    limit = terms.ceiling if terms.is_local else min(flow.climb.calls, terms.ceiling)
    limit = 0 if terms.is_set_aside else 1 if down else limit
    wishes = [Wish(share.worker_id, share.wanted, share.awaited) for share in (mine, *others)]
    meant = share_out(wishes, limit, terms.turn).get(mine.worker_id, 0)
    mine.may_probe = False
    if down:  # calls that began before may still hang; the one that asks goes beside them
        elsewhere = any(share.may_probe for share in others)
        mine.may_probe = bool(flow.probes) or (meant > 0 and not elsewhere)
        meant = flow.in_flight + (mine.may_probe and not flow.probes)
        limit = terms.ceiling
    return max(0, min(meant, limit - taken))


def take_up(flow: Flow, pace: Pace, mine: Share, *, is_alone: bool) -> bool:
    """What was settled is saved: from now on it may be used. True: it is more than before."""
    more = mine.granted > flow.share or mine.may_probe > flow.may_probe
    flow.share, flow.may_probe = mine.granted, mine.may_probe
    flow.is_alone = is_alone and mine.granted > 0
    flow.turn, flow.settled_at = pace.turn, time.monotonic()
    return more


class Shares(Rounds):
    """Of one worker: a thread that settles them, soon where something has changed."""

    def __init__(self, worker: Worker, engines: Engines, on_more: Callable[[], None] = lambda: None) -> None:
        super().__init__("share", self.settle_all, EVERY, REST)
        self._worker = worker
        self._engines = engines
        self._on_more = on_more
        engines.share_by(self.wake)

    def settle_all(self) -> None:
        for engine_id in self._engines.in_use():
            if self.is_stopping:
                return
            try:
                self.settle(engine_id)
            except Exception:  # the next round may succeed: a busy database
                log.exception("The shares of engine %s could not be settled.", engine_id)
                close_old_connections()

    def settle(self, engine_id: int) -> None:
        engine = Engine.objects.filter(pk=engine_id).first()
        if engine is None:
            return
        with self._engines.flowing(engine) as flow:
            rests = flow.is_alone and time.monotonic() < flow.settled_at + ALONE_EVERY
            if rests and flow.share and not flow.news and not flow.is_tested:
                return
        news = News()
        try:
            with transaction.atomic():
                pace, shares = self._locked(engine)
                mine = shares.pop(self._worker.pk, None) or self._new_share(engine)
                terms = self._terms(engine, len(shares) + 1)
                with self._engines.flowing(engine) as flow:
                    news = settle(flow, pace, mine, list(shares.values()), terms)
                pace.save()
                if mine.granted or mine.wanted:
                    mine.save()
                elif mine.pk:
                    mine.delete()
        except Worker.DoesNotExist:  # it was taken for dead, and its share is the others' by now
            with self._engines.flowing(engine) as flow:
                flow.share, flow.may_probe, flow.is_alone = 0, False, False
            return
        except Exception:
            with self._engines.flowing(engine) as flow:
                flow.news = news.and_then(flow.news)
            raise
        with self._engines.flowing(engine) as flow:
            more = take_up(flow, pace, mine, is_alone=not shares)
        if more:
            self._on_more()

    def _locked(self, engine: Engine) -> tuple[Pace, dict[int, Share]]:
        """By worker: those of one machine where the engine is part of the process."""
        pace, _created = Pace.objects.select_for_update().get_or_create(engine=engine)
        shares = Share.objects.filter(engine=engine)
        if engine.kind == Engine.Kind.LOCAL:
            shares = shares.filter(worker__host=self._worker.host)
        return pace, {share.worker_id: share for share in shares}

    def _new_share(self, engine: Engine) -> Share:
        return Share(worker=Worker.objects.get(pk=self._worker.pk), engine=engine)

    def _terms(self, engine: Engine, workers: int) -> Terms:
        is_local = engine.kind == Engine.Kind.LOCAL
        testers = Worker.objects.filter(host=self._worker.host) if is_local else Worker.objects.all()
        tested = Probe.objects.filter(engine=engine, worker__in=testers.values("uid")).exists()
        return Terms(
            cap(engine, workers), cap(engine, workers - 1), is_local, tested, int(clock.now().timestamp() // TURN)
        )
