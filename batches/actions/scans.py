"""What people say about scans: which way up they are, that one is not blank, that two that look alike both stay."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db.models import Q, QuerySet

from batches import changes, tasks
from batches.actions import activity, runs
from batches.actions.cards import NOT_BLANK
from batches.actions.drafts import BatchLocked
from batches.drain import blocks
from batches.intake import seeing, upright
from batches.models import DEFAULT_OPTIONS, Batch, Card, CardScan, Likeness
from batches.states import CardStatus, SkipReason, TurnedBy
from cardocr_site.accounts.models import User

T = TypeVar("T", Card, CardScan)
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


def kept(batch: Batch) -> dict[str, Any]:
    """What a template keeps of a batch: how its scans are prepared, where that is unlike a new batch."""
    usual = DEFAULT_OPTIONS | upright.first_options()
    said = {name: batch.option(name) for name in (*NAMES, "sheets", "pairing")}
    return {name: value for name, value in said.items() if value != usual[name]}


def _turn_all(change: changes.Change) -> None:
    """Each is looked at again, or turned as is said; one that a person has turned is not."""
    change.set(turning={})
    others = Card.objects.exclude(turned_by=TurnedBy.PERSON)
    change.touch_cards(others.filter(batch=change.batch), prepared_at=None, turned_by="", rotation=0)
    if (rotation := change.batch.option("rotation")) in upright.CHOICES:  # of backs the text is not looked at
        _backs(change).exclude(turned_by=TurnedBy.PERSON).update(rotation=rotation, turned_by=TurnedBy.SETTING)
        change.touch_cards(Card.objects.filter(batch=change.batch).exclude(back=None), prepared_at=None)


def _trim_all(change: changes.Change) -> None:
    """Each is looked at again, as it was before. The file was never changed."""
    untrimmed(change, Card.objects.filter(batch=change.batch))
    change.touch_cards(Card.objects.filter(batch=change.batch), prepared_at=None)


def untrimmed(change: changes.Change, cards: QuerySet[Card]) -> None:
    """Each shows its whole scan, or the cut of its sheet; its back, too. They are to be prepared anew."""
    backs = _backs(change).filter(card__in=cards)
    whole: dict[str, Any] = {"crop": None, "width": 0, "height": 0}
    change.touch_cards(cards.filter(trimmed=True, cut=0), **whole, trimmed=False, prepared_at=None)
    backs.filter(cut=0).exclude(crop=None).update(**whole)
    cut = [_uncut(card) for card in cards.filter(trimmed=True, cut__gt=0).select_related("sheet")]
    change.touch_cards(cards.filter(trimmed=True), trimmed=False, prepared_at=None)
    Card.objects.bulk_update(cut, tuple(whole), batch_size=500)
    behind = [_uncut(back) for back in backs.filter(cut__gt=0).select_related("sheet")]
    CardScan.objects.bulk_update(behind, tuple(whole), batch_size=500)


def _uncut(scan: T) -> T:
    if region := seeing.uncut(scan, scan.sheet):
        scan.crop, (scan.width, scan.height) = region, region[2:]
    return scan


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


def keep_both(batch: Batch, card_id: int) -> None:
    """The card stays beside the one that it looks like. Raises BatchLocked."""
    with changes.locked(batch) as change:
        if not change.batch.is_draft:
            raise BatchLocked
        Likeness.objects.filter(batch=batch, card=card_id).update(kept=True)
        change.set()
