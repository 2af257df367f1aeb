"""What tests ask about a batch that is being read."""

from collections.abc import Callable

from batches.models import Batch
from batches.states import BatchStatus, PauseReason
from tests.waiting import until


def over(batch: Batch) -> Callable[[], bool]:
    return lambda: Batch.objects.get(pk=batch.pk).status == BatchStatus.COMPLETED


def paused(batch: Batch, reason: PauseReason) -> Callable[[], bool]:
    def is_paused() -> bool:
        now = Batch.objects.get(pk=batch.pk)
        return (now.status, now.pause_reason, now.processing) == (BatchStatus.PAUSED, reason, 0)

    return is_paused


def all_read(batch: Batch) -> None:
    """It ends with every card read, none given up, none left behind."""
    until(over(batch), 60)
    batch.refresh_from_db()
    told = {card.filename: card.error_message for card in batch.cards.exclude(error="")}
    assert (batch.completed, batch.failed) == (batch.total, 0), told


def values(batch: Batch) -> dict[str, tuple[str | None, str | None]]:
    """Author and title by file name."""
    read = batch.cards.exclude(result=None).select_related("result")
    return {card.filename: (card.result.values["author"], card.result.values["title"]) for card in read}
