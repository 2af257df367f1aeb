"""An engine's last test, and the one that is going on."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from batches.models import Worker
from ocr import probing
from ocr.models import Engine, Probe
from ocr.probing import Kept

SEEN_WITHIN = timedelta(seconds=30)  # three heartbeats
BEGINS_WITHIN = timedelta(seconds=15)


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
    lives = Worker.objects.filter(seen_at__gte=timezone.now() - SEEN_WITHIN).exists()
    return Tested(engine, going_on, probing.newest(engine), lives)
