"""Taking back what stands in the activity: which acts can be, and by which means."""

from collections import defaultdict
from collections.abc import Iterable

from django.utils import timezone

from batches import changes
from batches.actions import bulk, cards, entries
from batches.models import Activity, Card, FieldRevision
from cardocr_site.accounts.models import User

CORRECTIONS = "correct"


def can_be_undone(entry: Activity) -> bool:
    if entry.undone_at is not None:
        return False
    return entry.what.get("do") in bulk.ACTS or (entry.kind == CORRECTIONS and "first" in entry.what)


def undo(entry: Activity, user: User) -> Activity:
    """Take an act back where nobody has touched the cards since. Twice is once; what cannot be is left alone."""
    if entry.what.get("do") in bulk.ACTS:
        return bulk.take_back(entry, user)
    return _take_corrections_back(entry, user) if can_be_undone(entry) else entry


def _take_corrections_back(entry: Activity, user: User) -> Activity:
    """Each card by itself: a value goes back that is still the one that this person gave it."""
    with changes.locked(entry.batch_id):  # each correction takes the same lock again, in this transaction
        entry = Activity.objects.get(pk=entry.pk)
        if entry.undone_at is not None:
            return entry
        by_card: dict[int, list[FieldRevision]] = defaultdict(list)
        for revision in _revisions(entry):
            by_card[revision.card_id].append(revision)
        back = sum(_take_back(entry, user, made) for made in by_card.values())
        values = sum(len({(one.entry, one.key) for one in made}) for made in by_card.values())
        entry.undone_at, entry.undone_by = timezone.now(), user
        entry.what = entry.what | {"undo": {"back": back, "kept": max(values - back, 0), "open": False}}
        entry.save(update_fields=["undone_at", "undone_by", "what"])
    return entry


def _revisions(entry: Activity) -> Iterable[FieldRevision]:
    made = FieldRevision.objects.filter(pk__range=(entry.what["first"], entry.what["last"]), by=entry.by)
    return made.filter(card__batch=entry.batch_id, by_hand=False).select_related("card").order_by("pk")


def _take_back(entry: Activity, user: User, made: list[FieldRevision]) -> int:
    """Of one card; return how many values went back."""
    card = made[0].card
    try:
        back = _take_first_back(entry, user, card, [one for one in made if one.entry == 1])
        further = {one.pk for one in made if one.entry > 1}
        return back + (_take_further_back(entry, user, card, further) if further else 0)
    except changes.TransitionRefused:  # it is read no more
        return 0


def _take_first_back(entry: Activity, user: User, card: Card, made: list[FieldRevision]) -> int:
    first: dict[str, FieldRevision] = {}
    last: dict[str, FieldRevision] = {}
    for one in made:
        first.setdefault(one.key, one)
        last[one.key] = one
    since = FieldRevision.objects.filter(card=card, entry=1, key__in=last, pk__gt=entry.what["last"])
    touched = set(since.values_list("key", flat=True))
    with changes.locked(entry.batch_id) as change:
        fresh, result = cards.read_card(change, card)
        back = {
            key: first[key].old
            for key, one in last.items()
            if key not in touched and result.values.get(key) == one.new and first[key].old != one.new
        }
    if back:
        cards.correct(card, user, fresh.version, back, recorded=False)
    return len(back)


def _take_further_back(entry: Activity, user: User, card: Card, made: set[int]) -> int:
    with changes.locked(entry.batch_id) as change:
        fresh, _result = cards.read_card(change, card)
    try:
        return entries.take_back(card, user, fresh.version, made)
    except entries.NoSuchEntry:
        return 0
