"""Cards drawn at random from those that nobody has looked at: what people change in them says how good the rest is."""

import random
import secrets

from batches import changes
from batches.actions import activity
from batches.models import Batch, Card, CardResult, DrawnCard, Sample
from batches.queries.grid import FILTERS
from cardocr_site.accounts.models import User

USUAL = 50
LARGEST = 500


def draw(batch: Batch, user: User, size: int) -> Sample | None:
    """Draw so many more, none twice; fewer where there are not so many, None where there is none."""
    with changes.locked(batch) as change:
        unseen = change.batch.cards.filter(FILTERS["read"], drawn=None).order_by("position", "pk")
        ids = list(unseen.values_list("pk", flat=True))
        size = min(max(1, size), LARGEST, len(ids))
        if not size:
            return None
        seed = secrets.randbits(62)
        drawn = random.Random(seed).sample(ids, size)  # noqa: S311 (it is to be done again with the same seed)
        sample = Sample.objects.create(batch=change.batch, seed=seed, size=size, population=len(ids), created_by=user)
        values = dict(CardResult.objects.filter(pk__in=_results(drawn)).values_list("card", "values"))
        DrawnCard.objects.bulk_create(
            [DrawnCard(sample=sample, card_id=pk, values=values.get(pk, {})) for pk in drawn], batch_size=200
        )
        change.count("sampled", size)
        activity.record(change.batch, user, "sample", size)
    return sample


def _results(cards: list[int]) -> list[int]:
    return list(Card.objects.filter(pk__in=cards).values_list("result", flat=True))
