"""Pages of drafts on which several cards may lie: looked at once each, in the background."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db.models import QuerySet

from batches import changes
from batches.intake import decoders, derive, seeing, store
from batches.intake.alone import alone
from batches.models import Batch, Card, Sheet
from batches.states import BatchStatus
from ocr.errors import UnreadableImage

LOCKS = 16  # batches share them
Found = tuple[tuple[int, int], list[list[int]]]  # size of the page, regions


def due(batch_id: int | None = None) -> QuerySet[Card]:
    """Cards that nobody has looked at yet, in drafts where that is wanted."""
    wanted = Batch.objects.filter(status=BatchStatus.DRAFT, deleted_at=None, options__sheets=True)
    if batch_id is not None:
        wanted = wanted.filter(pk=batch_id)
    cards = Card.objects.filter(
        batch__in=list(wanted.values_list("pk", flat=True)), sheet=None, cut=0, back=None, trimmed=False
    )
    return cards.exclude(prepared_at=None).filter(error="").select_related("batch").order_by("batch_id", "pk")


def look(batch_id: int | None = None) -> bool:
    """Some of them; True while there are more that nobody else looks at. OSError: the disk is at fault."""
    after = 0
    while (card := due(batch_id).filter(batch__gt=after).first()) is not None:
        with alone(store.lock(f"look-{card.batch_id % LOCKS}")) as mine:
            if mine:
                _look_in(card.batch_id)
                return True
        after = card.batch_id
    return False


def _look_in(batch_id: int) -> None:
    """As many at once as there are decoders."""
    size = decoders.pool().size
    cards = list(due(batch_id)[: 4 * size])
    if not cards:
        return
    with ThreadPoolExecutor(size, thread_name_prefix="look") as threads:
        found = list(threads.map(_look_at, cards))
    _note(cards, found)


def _look_at(card: Card) -> Found:
    try:
        derive.show(card)  # whoever moves the cuts sees the page as it lies
        return decoders.pool().find_cards(store.find(card), max(card.page, 1))
    except (UnreadableImage, FileNotFoundError):  # told where it is prepared
        return (card.width, card.height), []


def _note(cards: Sequence[Card], found: Sequence[Found]) -> None:
    seen = {card.pk: (card.source, card.page, one) for card, one in zip(cards, found, strict=True)}
    with changes.locked(cards[0].batch_id) as change:
        if not change.batch.is_draft:
            return
        for card in change.batch.cards.filter(pk__in=seen, sheet=None, cut=0):
            source, page, (size, regions) = seen[card.pk]
            if (card.source, card.page) != (source, page):
                continue
            scan = card.as_scan() | {"width": size[0], "height": size[1]}
            sheet = Sheet.objects.create(batch=change.batch, found=regions, **scan)
            # One card alone is trimmed and set level, now that nobody is going to cut its page.
            again = {"prepared_at": None} if len(regions) < 2 and seeing.frames(change.batch) else {}
            change.touch_card(card, sheet=sheet, **again)
