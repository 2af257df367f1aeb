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
LOOKED_AT = 5000  # that share a part, at most: what a card costs stays the same however many there are


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
    others = Likeness.objects.filter(batch=card.batch_id).exclude(card=card.pk)
    same = _same(card, list(others.filter(**own).order_by("card").values_list("card", flat=True)[:1]))
    _note(card, same or _same(card, _near(card, own)))


def _near(card: Card, own: dict[str, int]) -> list[int]:
    """The nearest of those that stand for themselves: a thousand copies of one page are one of them."""
    sharing = Q()
    for name, part in own.items():
        sharing |= Q(batch=card.batch_id, like=None, **{name: part})
    bits = card.phash or 0
    found = Likeness.objects.filter(sharing).exclude(card=card.pk).filter(card__phash__isnull=False)
    rows = found.values_list("card", "card__phash")[:LOOKED_AT]
    distances = ((((bits ^ (other or 0)) & (1 << 64) - 1).bit_count(), pk) for pk, other in rows.iterator())
    return [pk for distance, pk in sorted(distances)[:LAID_OVER] if distance <= FAR]


def _same(card: Card, near: Sequence[int]) -> list[Card]:
    """Those of the cards that show the same: their thumbnails are laid over this one's."""
    found = Card.objects.in_bulk(near)
    cards = [found[pk] for pk in near if pk in found]
    for other in cards:
        other.batch = card.batch
    if not cards:
        return []
    try:
        thumb, *others = [store.kept().local(store.derived(one, "thumb")) for one in (card, *cards)]
        agreements = decoders.pool().compare(thumb, others)
    except (UnreadableImage, FileNotFoundError):
        return []
    return [other for other, agreement in zip(cards, agreements, strict=True) if agreement >= likeness.SAME]


def _note(card: Card, same: Sequence[Card]) -> None:
    """The later card of a pair names the earlier one; one that names a card already keeps to it."""
    unnamed = Likeness.objects.filter(like=None)
    earlier = [other.pk for other in same if other.pk < card.pk]
    later = [other.pk for other in same if other.pk > card.pk]
    if earlier:
        first = min(earlier)
        stands_for = Likeness.objects.filter(card=first).values_list("like", flat=True).first() or first
        unnamed.filter(card=card.pk).update(like=stands_for)
    unnamed.filter(card__in=later).update(like=card.pk)
