"""The first cards of a batch, which are read before a person decides about the rest."""

from django.db.models import Q, QuerySet

from batches.models import Batch, Card
from batches.states import CardStatus


def finished(batch: Batch) -> QuerySet[Card]:
    """Cards that this run has read or could not read; not those taken over, entered by hand, or tried before."""
    by_machine = Q(status=CardStatus.COMPLETED, tries__gt=0) | Q(status=CardStatus.FAILED)
    return Card.objects.filter(by_machine, batch=batch, finished_at__gte=batch.started_at)


BEGUN = Q(tries__gt=0) | Q(crashes__gt=0) | Q(not_before__isnull=False)


def under_way(batch: Batch) -> QuerySet[Card]:
    """Cards in flight, and those that wait for a further try."""
    open_ = Card.objects.filter(batch=batch, status__in=[CardStatus.PENDING, CardStatus.PROCESSING])
    return open_.filter(BEGUN | Q(worker__isnull=False))


def untouched(batch: Batch) -> QuerySet[Card]:
    """Cards that nobody has begun, in order."""
    return Card.objects.filter(batch=batch, status=CardStatus.PENDING, worker=None).exclude(BEGUN).order_by("position")
