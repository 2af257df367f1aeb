"""The files of a draft, and what came of them."""

from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from batches.models import Batch, Upload
from batches.states import UploadStatus as S

OPEN = (S.REFUSED, S.DUPLICATE, S.OPENING, S.RECEIVING)  # a person looks at these first
GIVING = Q(status=S.DONE, cards_made__gt=0)
KINDS = {
    "done": GIVING,
    "taken_out": Q(status=S.DONE, cards_made=0),
    "duplicates": Q(status=S.DUPLICATE),
    "refused": Q(status=S.REFUSED),
    "opening": Q(status=S.OPENING),
    "receiving": Q(status=S.RECEIVING),
}
OPEN_SHOWN, DONE_SHOWN, PER_PAGE = 50, 8, 100


@dataclass(frozen=True, slots=True)
class Filed:
    """How many files there are of each kind; `size` is that of those that gave cards, and still do."""

    done: int = 0
    taken_out: int = 0
    duplicates: int = 0
    refused: int = 0
    opening: int = 0
    receiving: int = 0
    size: int = 0

    @property
    def not_added(self) -> int:
        return self.duplicates + self.refused + self.receiving

    @property
    def total(self) -> int:
        return self.done + self.taken_out + self.duplicates + self.refused + self.opening + self.receiving


def filed(batch: Batch) -> Filed:
    counts = {name: Count("pk", filter=kind) for name, kind in KINDS.items()}
    found = batch.uploads.filter(dismissed=False).aggregate(size=Sum("size", filter=GIVING), **counts)
    return Filed(**{name: value or 0 for name, value in found.items()})


def first(batch: Batch) -> list[Upload]:
    """What a person should see: files that were not added, then the latest that were."""
    shown = batch.uploads.filter(dismissed=False)
    return [
        *shown.filter(status__in=OPEN).order_by("-pk")[:OPEN_SHOWN],
        *shown.filter(status=S.DONE).order_by("-pk")[:DONE_SHOWN],
    ]


def is_opening(batch: Batch) -> bool:
    return batch.uploads.filter(status=S.OPENING).exists()
