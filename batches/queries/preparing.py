"""How far the scans of a draft are prepared, and what was found on them."""

from dataclasses import dataclass
from typing import Any

from batches.models import Batch, Card, Likeness
from batches.states import TurnedBy

SHOWN = 50  # pairs on a page


def told(batch: Batch) -> dict[str, Any]:
    """For the pages of a draft."""
    return {
        "unprepared": batch.cards.filter(prepared_at=None).count(),
        "alike": undecided(batch).count(),
        "unturned": batch.cards.filter(turned_by=TurnedBy.UNABLE).exists(),
    }


def undecided(batch: Batch) -> Any:
    # Empty backs all look alike, and are passed over anyway.
    return Likeness.objects.filter(batch=batch, like__isnull=False, kept=False).exclude(card__blank=True)


@dataclass(frozen=True, slots=True)
class Pair:
    card: Card
    like: Card  # the earlier one

    @property
    def both(self) -> tuple[Card, Card]:
        return self.like, self.card

    @property
    def same_file(self) -> bool:
        names = ("sha256", "page", "crop")
        return all(getattr(self.card, name) == getattr(self.like, name) for name in names)


def pairs(batch: Batch) -> list[Pair]:
    """The first of those that nobody has decided about."""
    links = undecided(batch).select_related("card", "like").order_by("like__position", "card__position", "pk")
    return [Pair(link.card, link.like) for link in links[:SHOWN]]
