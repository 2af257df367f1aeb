"""Scans of a batch that show the same card: found one by one as they are prepared, shown to a person, never dropped.

Two that differ in up to five of 64 bits share one of six parts, so that those that may be alike are found by an index.
Each card names one other at most, so that a page scanned a thousand times makes no million pairs.
"""

from collections.abc import Sequence

from django.db.models import Q

from batches.intake import decoders, likeness, store
from batches.models import Card, Likeness
from ocr.errors import UnreadableImage

FAR = 10  # bits in which two may differ to be laid over each other
LAID_OVER = 8  # of them, at most: the nearest


def parts(bits: int) -> dict[str, int]:
    """The 64 bits dealt out, so that no part holds the lowest frequencies alone."""
    digits = f"{bits & (1 << 64) - 1:064b}"
    dealt = [digits[start::6] for start in range(6)]
    return {name: int(part, 2) for name, part in zip(Likeness.PARTS, dealt, strict=True)}


def link(card: Card) -> None:
    """Note what the card looks like, and which others look like it. Again is harmless."""
    if card.phash is None:
        return
    own = parts(card.phash)
    # Written before it is looked for others: of two that are prepared at once, one at least sees the other.
    Likeness.objects.update_or_create(card=card, defaults={"batch_id": card.batch_id, **own})
    near = _near(card, own)
    if not near:
        return
    paths = [store.derived(other, "thumb") for other in near]
    try:
        agreements = decoders.pool().compare(store.derived(card, "thumb"), paths)
    except UnreadableImage:
        return
    same = [other for other, agreement in zip(near, agreements, strict=True) if agreement >= likeness.SAME]
    _note(card, same)


def _near(card: Card, own: dict[str, int]) -> list[Card]:
    """The nearest cards, with the batch that this one has."""
    sharing = Q()
    for name, part in own.items():
        sharing |= Q(batch=card.batch_id, **{name: part})
    bits = card.phash or 0
    found = Likeness.objects.filter(sharing).exclude(card=card.pk).order_by("card")
    rows = found.filter(card__phash__isnull=False).values_list("card", "card__phash")
    distances = ((((bits ^ (other or 0)) & (1 << 64) - 1).bit_count(), pk) for pk, other in rows.iterator())
    nearest = [pk for distance, pk in sorted(distances)[:LAID_OVER] if distance <= FAR]
    others = Card.objects.in_bulk(nearest)
    for other in others.values():
        other.batch = card.batch
    return [others[pk] for pk in nearest if pk in others]


def _note(card: Card, same: Sequence[Card]) -> None:
    """The later card of a pair names the earlier one; one that names a card already keeps to it."""
    unnamed = Likeness.objects.filter(like=None)
    earlier = [other.pk for other in same if other.pk < card.pk]
    later = [other.pk for other in same if other.pk > card.pk]
    if earlier:
        unnamed.filter(card=card.pk).update(like=min(earlier))
    unnamed.filter(card__in=later).update(like=card.pk)
