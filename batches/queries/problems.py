"""Cards that could not be read, by cause."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Count

from batches import progress
from batches.models import Batch, Card
from batches.states import CardStatus
from ocr import errors

SHOWN = 10  # cards of a cause that are drawn


@dataclass(frozen=True, slots=True)
class Group:
    code: str
    number: int
    sentence: str
    advice: str
    others_may: bool  # another engine or model may read these
    message: str  # what the engine or the decoder said of the first one
    cards: list[Card]

    @property
    def more(self) -> int:
        return self.number - len(self.cards)

    @property
    def query(self) -> str:
        """These cards, in the address of the pages that show cards or offer another engine."""
        return urlencode({"filter": "problems", "cause": self.code})


def groups(batch: Batch, opened: str = "") -> list[Group]:
    """The most frequent cause first; of `opened` all cards, up to 500. A query for the numbers, one for each cause."""
    if not batch.failed:
        return []
    failed = batch.cards.filter(status=CardStatus.FAILED)
    numbers = failed.order_by().values_list("error").annotate(n=Count("pk")).order_by("-n", "error")
    return [_group(batch, code, number, 500 if code == opened else SHOWN) for code, number in numbers]


def _group(batch: Batch, code: str, number: int, limit: int) -> Group:
    cards = list(batch.cards.filter(status=CardStatus.FAILED, error=code).order_by("position")[:limit])
    message = next((card.error_message for card in cards if card.error_message), "")
    others_may = errors.of_reason(code).others_may
    return Group(code, number, progress.error_sentence(code), progress.error_advice(code), others_may, message, cards)
