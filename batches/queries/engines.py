"""The engines that a batch waits for; an engine's last test, and the one that is going on."""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from django.utils import timezone

from batches.models import Batch, Card, Pace, Share
from batches.queries import consumers, house
from batches.states import CardStatus
from ocr import probing
from ocr.models import Engine, Probe
from ocr.probing import Kept

BEGINS_WITHIN = timedelta(seconds=15)


def needed(batch: Batch) -> list[Engine]:
    """Those that its cards wait for: beside a re-reading there may be a retry, which the batch's own engine reads."""
    reader, own = batch.keyed_reader, batch.keyed_engine
    if own is None or reader is None:
        return []
    return [reader, *([own] if waits_for_its_own(batch) else [])]


def waits_for_its_own(batch: Batch) -> bool:
    """Though cards of it are read again by another engine."""
    if batch.rereading is None or batch.rereading.engine_id == batch.engine_id:
        return False
    waiting = Card.objects.filter(batch=batch, status__in=[CardStatus.PENDING, CardStatus.PROCESSING])
    return waiting.filter(rereading=None).exists()


def held_up_by(batch: Batch) -> Engine | None:
    """The engine that a paused batch waits for, as far as its row tells."""
    engines = needed(batch)
    told = [engine for engine in engines if (urlsplit(engine.address).hostname or engine.name) in batch.pause_message]
    refused = [engine for engine in engines if house.refusal(batch, engine)]
    return next(iter([*refused, *told, *engines]), None)


@dataclass(frozen=True, slots=True)
class Tested:
    """`going_on` is set from the click to the end; `last` from the end of the first test on."""

    engine: Engine
    going_on: Probe | None
    last: Kept | None
    consumer_lives: bool

    @property
    def is_late(self) -> bool:
        """Asked for, and nobody has begun."""
        asked = self.going_on
        return asked is not None and asked.begun_at is None and asked.asked_at < timezone.now() - BEGINS_WITHIN

    @property
    def is_old(self) -> bool:
        """The engine has been changed since."""
        return self.last is not None and self.engine.updated_at > self.last.at


def tested(engine: Engine) -> Tested:
    going_on = Probe.objects.filter(engine=engine).first()
    return Tested(engine, going_on, probing.newest(engine), consumers.lives())


@dataclass(frozen=True, slots=True)
class Shared:
    """Who calls an engine now; `learnt`: how many calls at a time it takes, as all have found together."""

    shares: list[Share]
    learnt: int | None
    is_down: bool

    @property
    def in_flight(self) -> int:
        return sum(share.in_flight for share in self.shares)


def shared(engine: Engine) -> Shared:
    shares = Share.objects.filter(engine=engine).select_related("worker").order_by("worker__host", "worker__pid")
    pace = None if engine.kind == Engine.Kind.LOCAL else Pace.objects.filter(engine=engine).first()
    return Shared(list(shares), pace.calls if pace else None, pace is not None and pace.probe_at is not None)
