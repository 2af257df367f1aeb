"""What people say about scans: which way up they are, that one is not blank, that two that look alike both stay."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from batches import changes, tasks
from batches.actions import activity, runs
from batches.actions.cards import NOT_BLANK
from batches.actions.drafts import BatchLocked
from batches.drain import blocks
from batches.intake import upright
from batches.models import Batch, Card, CardScan, Likeness
from batches.states import CardStatus, SkipReason, TurnedBy
from cardocr_site.accounts.models import User

NAMES = ("rotation", "pass_blank", "trim", "straighten")


def set_options(batch: Batch, after: Mapping[str, Any], by: User | None = None) -> None:
    """How the scans of a draft are prepared. Those that this changes are prepared anew; a person's turns stay.

    Raises BatchLocked.
    """
    with changes.locked(batch) as change:
        if not change.batch.is_draft:
            raise BatchLocked
        before = {name: change.batch.option(name) for name in NAMES}
        changed = {name for name in NAMES if before[name] != after[name]}
        if not changed:
            return
        change.batch.options = change.batch.options | {name: after[name] for name in NAMES}
        change.set(options=change.batch.options)
        activity.record(change.batch, by, "scan_options", group=True)
        if "rotation" in changed:
            _turn_all(change)
        if changed & {"trim", "straighten"}:
            _trim_all(change)
        if "pass_blank" in changed:
            pass_over(change) if after["pass_blank"] else _take_back(change, {})
    tasks.prepare(batch.pk)


def _turn_all(change: changes.Change) -> None:
    """Each is looked at again, or turned as is said; one that a person has turned is not."""
    change.set(turning={})
    others = Card.objects.exclude(turned_by=TurnedBy.PERSON)
    change.touch_cards(others.filter(batch=change.batch), prepared_at=None, turned_by="", rotation=0)
    if (rotation := change.batch.option("rotation")) in upright.CHOICES:  # of backs the text is not looked at
        _backs(change).update(rotation=rotation)
        change.touch_cards(Card.objects.filter(batch=change.batch).exclude(back=None), prepared_at=None)


def _trim_all(change: changes.Change) -> None:
    """Each is looked at again, as a whole. The file was never changed."""
    whole: dict[str, Any] = {"crop": None, "trimmed": False, "width": 0, "height": 0}
    change.touch_cards(Card.objects.filter(batch=change.batch, trimmed=True), **whole)
    _backs(change).filter(cut=0).exclude(crop=None).update(crop=None, width=0, height=0)
    change.touch_cards(Card.objects.filter(batch=change.batch, cut=0), prepared_at=None)


def _backs(change: changes.Change) -> QuerySet[CardScan]:
    return CardScan.objects.filter(card__batch=change.batch, role=CardScan.Role.BACK)


def pass_over(change: changes.Change) -> None:
    """What was found to be blank, and waits all the same."""
    found = change.batch.cards.filter(blank=True, error="", result=None, status=CardStatus.PENDING)
    found = found.filter(Q(back=None) | Q(back__blank=True))
    change.move_cards(found, CardStatus.SKIPPED, skip_reason=SkipReason.BLANK)


def _take_back(change: changes.Change, said: dict[str, Any]) -> int:
    passed = change.batch.cards.filter(status=CardStatus.SKIPPED, skip_reason=SkipReason.BLANK)
    some = Card.objects.filter(pk__in=list(passed.order_by("pk").values_list("pk", flat=True)[: blocks.BLOCK]))
    return change.move_cards(some, CardStatus.PENDING, **blocks.AFRESH, **said)


def read_blank(batch: Batch, by: User | None = None) -> int:
    """None of the blank scans is blank after all: all are read. Return how many."""
    taken, more, entry = 0, True, None
    while more:
        with changes.locked(batch) as change:
            number = _take_back(change, NOT_BLANK)
            if number:
                entry = activity.more(entry, change.batch, by, "read_skipped", number)
            if number and not change.batch.is_draft:
                runs.go_on(change)
        taken, more = taken + number, number == blocks.BLOCK
    if taken:
        tasks.drain(batch.pk)
    return taken


def turn(card: Card, degrees: int, by: User | None = None) -> Card:
    """Turn a card that was not read, clockwise; nothing but a person turns it any more. Raises TransitionRefused."""
    with changes.locked(card.batch_id) as change:
        fresh = change.batch.cards.get(pk=card.pk)
        if fresh.is_read or fresh.worker_id is not None or degrees not in upright.CHOICES:
            raise changes.TransitionRefused(fresh.status, fresh.status)
        rotation = (fresh.rotation + degrees) % 360
        change.touch_card(fresh, rotation=rotation, turned_by=TurnedBy.PERSON, prepared_at=None)
        activity.record(change.batch, by, "turn", group=True, **activity.about(fresh))
    tasks.prepare(card.batch_id)
    return fresh


def keep_both(batch: Batch, card_id: int) -> None:
    """The card stays beside the one that it looks like. Raises BatchLocked."""
    with changes.locked(batch) as change:
        if not change.batch.is_draft:
            raise BatchLocked
        Likeness.objects.filter(batch=batch, card=card_id).update(kept=True)
        change.set()
