"""Whether anybody reads cards, and what waits for that."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from batches.models import Batch, Card, Worker
from batches.states import BatchStatus

SEEN_WITHIN = timedelta(seconds=30)  # three heartbeats


def lives() -> bool:
    """By the database's time, as the heartbeats are."""
    return Worker.objects.filter(seen_at__gte=Now() - SEEN_WITHIN).exists()


def waiting() -> int:
    """How many batches have something that a consumer does: cards to read, or scans of a draft to prepare."""
    unprepared = Card.objects.filter(batch=OuterRef("pk"), prepared_at=None)
    started = Q(status__in=[BatchStatus.QUEUED, BatchStatus.RUNNING])
    return Batch.objects.filter(started | Q(Exists(unprepared), status=BatchStatus.DRAFT), deleted_at=None).count()
