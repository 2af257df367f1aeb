"""In a process of its own on the site's data folder: whether all is there that was answered as done.

Reads {"sent", "saved", "running"} as JSON from its input; prints {"faults", "cards"}. `cards`: of each running batch
the version of each card and when it was finished, to be compared with what viewers saw.
"""

import json
import sys
from typing import Any

BLOCK = 500


def check(done: dict[str, Any]) -> dict[str, Any]:
    from batches.models import Batch

    faults = [
        *(fault for pk, names in done["sent"].items() for fault in lost_files(int(pk), names)),
        *lost_edits(done["saved"]),
        *(fault for pk in done["running"] for fault in unfinished(Batch.objects.get(pk=pk))),
    ]
    return {"faults": faults, "cards": {pk: cards_of(pk) for pk in done["running"]}}


def lost_files(pk: int, sent: dict[str, int]) -> list[str]:
    from batches.intake import store
    from batches.models import Card

    cards = list(Card.objects.filter(batch=pk).select_related("batch"))
    there = {card.original_name: card for card in cards}
    faults = [f"upload lost: {name} of batch {pk}" for name in sent if name not in there]
    faults += [f"upload doubled in batch {pk}: {len(cards)} cards"] if len(cards) > len(there) else []
    for name, card in there.items():
        try:
            size = store.find(card).stat().st_size
        except FileNotFoundError:
            size = -1
        if name in sent and size != sent[name]:
            faults.append(f"upload spoilt: {name} of batch {pk} has {size} bytes of {sent[name]}")
    return faults


def lost_edits(saved: list[tuple[int, str, str]]) -> list[str]:
    from batches.models import FieldRevision

    kept: set[tuple[int, str, str | None]] = set()
    cards = sorted({card for card, _key, _value in saved})
    for start in range(0, len(cards), BLOCK):
        found = FieldRevision.objects.filter(card__in=cards[start : start + BLOCK])
        kept.update(found.values_list("card", "key", "new"))
    return [f"edit lost: {key} of card {card}" for card, key, value in saved if (card, key, value) not in kept]


def unfinished(batch: Any) -> list[str]:
    """Each card is read once, and its answer is its own: the stub's answer names its image."""
    from django.db.models import Count

    from batches.models import CardResult

    completed = batch.cards.filter(status="completed").count()
    faults = [] if completed == batch.total == batch.completed else [f"batch {batch.pk}: {completed} of {batch.total}"]
    several = CardResult.objects.filter(card__batch=batch).values("card").annotate(n=Count("pk")).filter(n__gt=1)
    faults += [f"card {row['card']} has {row['n']} results" for row in several]
    shelfmarks = [values["shelfmark"] for values in batch.cards.values_list("result__values", flat=True) if values]
    if len(set(shelfmarks)) < len(shelfmarks):
        faults.append(f"batch {batch.pk}: two cards have one answer")
    return faults


def cards_of(pk: int) -> dict[int, tuple[int, float]]:
    from batches.models import Card

    found = Card.objects.filter(batch=pk).exclude(finished_at=None).values_list("pk", "version", "finished_at")
    return {card: (version, at.timestamp()) for card, version, at in found if at}


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(check(json.load(sys.stdin))))
