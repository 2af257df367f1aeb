"""One act on many cards: what it can change of them, changed in blocks, told as one entry, and taken back.

An act walks through the cards by their keys and leaves those that changed after it began, so that it can stop after any
block and go on with the next. Each card is noted with what it was: that is what taking back goes by.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from batches import changes, rows, tasks
from batches.actions import activity, runs, turning
from batches.actions import keys as whose
from batches.drain import blocks, candidates
from batches.models import ActedCard, Activity, Batch, Card
from batches.queries import grid, results
from batches.states import BatchStatus, CardStatus, SkipReason, TurnedBy
from cardocr_site.accounts.models import User

BLOCK = 1000
WITHIN = 1.0  # seconds that a page waits for an act; beyond them it shows how far that is

Before = dict[str, Any]  # columns of a card
Acted = tuple[Card, Before]
S = CardStatus


class NothingToDo(Exception):
    """There is none among the cards that this could change."""


@dataclass(frozen=True, slots=True)
class Act:
    """`meant`: the cards that it can change. `untouched`: nobody has changed the card since, so that it may go back."""

    kind: str
    meant: Q
    do: Callable[[changes.Change, Sequence[Card], Activity], Sequence[Before]]
    undo: Callable[[changes.Change, Sequence[Acted]], None]
    untouched: Callable[[Card, ActedCard], bool] = lambda card, acted: card.version == acted.version
    rings: Callable[[int], None] = tasks.drain  # which files cards, or reads them


def meant(batch: Batch, filters: grid.Filters, name: str) -> QuerySet[Card]:
    return grid.narrowed(batch, filters).filter(ACTS[name].meant)


def begin(batch: Batch, user: User, filters: grid.Filters, name: str, key: str = whose.BATCH) -> Activity:
    """Do as much of it as one second allows. `key`: whose cards are read with.

    Raises NothingToDo, and TransitionRefused in a draft.
    """
    return go_on(enter(batch, user, filters, name, key))


def enter(batch: Batch, user: User, filters: grid.Filters, name: str, key: str = whose.BATCH) -> Activity:
    """Note what is to be done, and for which cards; nothing is done yet. Raises as `begin`."""
    act = ACTS[name]
    if act.kind == "retry":
        blocks.finish_stop(batch.pk)
    with changes.locked(batch) as change:
        if change.batch.is_draft:
            raise changes.TransitionRefused(change.batch.status, BatchStatus.QUEUED)
        total = meant(change.batch, filters, name).count()
        if not total:
            raise NothingToDo
        activity.bulk(change.batch, user, name, total)
        return Activity.objects.create(
            batch=change.batch,
            by=user,
            kind=act.kind,
            count=0,
            what={
                "do": name,
                "key": key,
                "query": filters.query(),
                "total": total,
                "upto": change.batch.version,
                "after": 0,
                "open": True,
            },
        )


def go_on(entry: Activity, seconds: float | None = None) -> Activity:
    """A few more blocks of an act, or of its being taken back, where it is not done."""
    until = time.monotonic() + (WITHIN if seconds is None else seconds)
    while is_open(entry):
        entry = _take_back_some(entry) if entry.undone_at else _do_some(entry)
        if time.monotonic() > until:
            break
    ACTS[entry.what["do"]].rings(entry.batch_id)
    return entry


def go_on_with(entries: Sequence[Activity]) -> list[Activity]:
    """Of an act on several batches, one after the other: as much as one second allows for all of them."""
    until, gone = time.monotonic() + WITHIN, list(entries)
    for place, entry in enumerate(entries):
        if is_open(entry):
            gone[place] = go_on(entry, until - time.monotonic())
            if time.monotonic() > until:
                break
    return gone


def is_open(entry: Activity) -> bool:
    return bool(entry.what.get("undo", entry.what).get("open"))


def _do_some(entry: Activity) -> Activity:
    with changes.locked(entry.batch_id) as change:
        entry = Activity.objects.select_related("by").get(pk=entry.pk)
        what = entry.what
        if not what["open"] or entry.undone_at:
            return entry
        act = ACTS[what["do"]]
        filters = grid.Filters.from_query(QueryDict(what["query"]), change.batch)
        walk = meant(change.batch, filters, what["do"]).filter(pk__gt=what["after"], version__lte=what["upto"])
        cards = list(walk.select_related("result__engine").order_by("pk")[:BLOCK])
        if cards:
            noted = act.do(change, cards, entry)
            acted = zip(cards, noted, strict=True)
            rows.insert(
                [
                    rows.fresh(ActedCard, activity_id=entry.pk, card_id=card.pk, version=change.version, before=before)
                    for card, before in acted
                ]
            )
            entry.count += len(cards)
        entry.what = what | {"after": cards[-1].pk if cards else what["after"], "open": len(cards) == BLOCK}
        entry.save(update_fields=["count", "what"])
    return entry


def take_back(entry: Activity, user: User) -> Activity:
    """Put the cards back that nobody has touched since. Twice is once."""
    with changes.locked(entry.batch_id) as change:
        entry = Activity.objects.get(pk=entry.pk)
        if entry.undone_at is None:
            entry.undone_at, entry.undone_by = timezone.now(), user
            entry.what = entry.what | {"open": False, "undo": {"after": 0, "back": 0, "kept": 0, "open": True}}
            entry.save(update_fields=["undone_at", "undone_by", "what"])
            activity.bulk(change.batch, user, entry.what["do"], entry.count, undone=True)
    return go_on(entry)


def _take_back_some(entry: Activity) -> Activity:
    with changes.locked(entry.batch_id) as change:
        entry = Activity.objects.select_related("undone_by").get(pk=entry.pk)
        undo = entry.what["undo"]
        if not undo["open"]:
            return entry
        act = ACTS[entry.what["do"]]
        walk = entry.cards.filter(pk__gt=undo["after"]).select_related("card__result").order_by("pk")
        acted = list(walk[:BLOCK])
        back = [(one.card, one.before) for one in acted if act.untouched(one.card, one)]
        if back:
            act.undo(change, back)
            change.finish_if_done(timezone.now(), entry.undone_by)
        entry.what = entry.what | {
            "undo": {
                "after": acted[-1].pk if acted else undo["after"],
                "back": undo["back"] + len(back),
                "kept": undo["kept"] + len(acted) - len(back),
                "open": len(acted) == BLOCK,
            }
        }
        entry.save(update_fields=["what"])
    return entry


def _some(keys: Collection[int]) -> QuerySet[Card]:
    return Card.objects.filter(pk__in=keys)


# -- right, and not right after all


def _review(change: changes.Change, cards: Sequence[Card], entry: Activity) -> list[Before]:
    """Another reading that nobody has decided about goes on asking for a look."""
    unseen = candidates.marks(cards)
    candidates.seen([card for card in cards if card.pk in unseen])
    noted = [_marks(card) | ({"unseen": unseen[card.pk]} if card.pk in unseen else {}) for card in cards]
    now = timezone.now()
    for check in (True, False):
        keys = [card.pk for card in cards if bool(card.candidates) is check]
        change.mark_cards(
            _some(keys), reviewed=True, reviewed_by=entry.by, to_check=check, looked_at=now, files_due=True
        )
    return noted


def _unreview(change: changes.Change, cards: Sequence[Card], entry: Activity) -> list[Before]:
    corrected: dict[int, set[str]] = defaultdict(set)
    for pk, key in results.corrections_of(cards):
        corrected[pk].add(key)
    specs, doubted = change.batch.specs(), set()
    for card in cards:
        result = card.result
        if card.candidates or (result and results.is_to_check(change.batch, specs, result, corrected[card.pk])):
            doubted.add(card.pk)
    noted = [_marks(card) for card in cards]
    for check in (True, False):
        keys = [card.pk for card in cards if (card.pk in doubted) is check]
        change.mark_cards(_some(keys), reviewed=False, reviewed_by=None, to_check=check, files_due=True)
    return noted


def _marks(card: Card) -> Before:
    by = None if card.reviewed_by_id is None else str(card.reviewed_by_id)
    at = card.looked_at and card.looked_at.isoformat()
    return {"reviewed": card.reviewed, "reviewed_by": by, "to_check": card.to_check, "looked_at": at}


def _put_marks_back(change: changes.Change, acted: Sequence[Acted]) -> None:
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for card, before in acted:
        alike[before["reviewed"], before["reviewed_by"], before["to_check"]].append(card.pk)
    for (reviewed, by, to_check), keys in alike.items():
        known = by if User.objects.filter(pk=by).exists() else None
        change.mark_cards(_some(keys), reviewed=reviewed, reviewed_by=known, to_check=to_check, files_due=True)
    looked = [(card.pk, before["looked_at"]) for card, before in acted if "looked_at" in before]
    rows.update_each(Card, [(pk, {"looked_at": at and parse_datetime(at)}) for pk, at in looked])
    for _card, before in acted:
        if "unseen" in before:
            candidates.unsee(before["unseen"])


# -- read again what failed, leave out


def _retry(change: changes.Change, cards: Sequence[Card], entry: Activity) -> list[Before]:
    noted = [_failure(card) for card in cards]
    change.move_cards(_some([card.pk for card in cards]), S.PENDING, **blocks.AFRESH)
    whose.choose(change, entry.by, entry.what.get("key", whose.BATCH))
    runs.go_on(change)
    return noted


def _fail_again(change: changes.Change, acted: Sequence[Acted]) -> None:
    change.move_each([(card, _columns(before)) for card, before in acted], S.FAILED)


def _skip(change: changes.Change, cards: Sequence[Card], entry: Activity) -> list[Before]:
    noted, now = [_failure(card) for card in cards], timezone.now()
    left = {"error": "", "error_message": "", "rereading": None, "finished_at": now, "files_due": True}
    change.move_cards(_some([card.pk for card in cards]), S.SKIPPED, skip_reason=SkipReason.PERSON, **left)
    change.finish_if_done(now, entry.by)
    return noted


def _unskip(change: changes.Change, acted: Sequence[Acted]) -> None:
    failed = [(card, _columns(before)) for card, before in acted if before["status"] == S.FAILED]
    change.move_each(failed, S.FAILED)
    waiting = [card.pk for card, before in acted if before["status"] != S.FAILED]
    if waiting:
        change.move_cards(_some(waiting), S.PENDING, **blocks.AFRESH)
        runs.go_on(change)


def _failure(card: Card) -> Before:
    at = None if card.finished_at is None else card.finished_at.isoformat()
    return {"status": card.status, "error": card.error, "error_message": card.error_message, "finished_at": at}


def _columns(before: Before) -> dict[str, Any]:
    at = parse_datetime(before["finished_at"]) if before["finished_at"] else None
    failure = {"error": before["error"], "error_message": before["error_message"], "finished_at": at}
    return {"skip_reason": "", "not_before": None, "files_due": True, **failure}


def _waits(card: Card, acted: ActedCard) -> bool:
    return card.version == acted.version and card.status == S.PENDING and card.worker_id is None


# -- turn


def _turn_by(degrees: int) -> Callable[[changes.Change, Sequence[Card], Activity], list[Before]]:
    def turn(change: changes.Change, cards: Sequence[Card], entry: Activity) -> list[Before]:
        alike: dict[int, list[int]] = defaultdict(list)
        for card in cards:
            alike[card.rotation].append(card.pk)
        for rotation, keys in alike.items():
            turned = {"rotation": (rotation + degrees) % 360, "turned_by": TurnedBy.PERSON, "prepared_at": None}
            change.mark_cards(_some(keys), **turned)
        turning.turn_regions(cards, degrees)
        return [
            {"rotation": card.rotation, "turned_by": card.turned_by, "to": (card.rotation + degrees) % 360}
            for card in cards
        ]

    return turn


def _turn_back(change: changes.Change, acted: Sequence[Acted]) -> None:
    alike: dict[tuple[int, str], list[int]] = defaultdict(list)
    for card, before in acted:
        alike[before["rotation"], before["turned_by"]].append(card.pk)
    for (rotation, by), keys in alike.items():
        change.mark_cards(_some(keys), rotation=rotation, turned_by=by, prepared_at=None)
    ways: dict[int, list[Card]] = defaultdict(list)
    for card, before in acted:
        ways[(before["rotation"] - before["to"]) % 360].append(card)
    for degrees, cards in ways.items():
        turning.turn_regions(cards, degrees)


def _lies_as_turned(card: Card, acted: ActedCard) -> bool:
    """Its new picture was made since, and values may have been checked: neither is in the way of turning it back."""
    turned = card.rotation == acted.before["to"] and card.turned_by == TurnedBy.PERSON
    return turned and card.worker_id is None and card.status != S.PROCESSING


_UNREAD = Q(status=S.FAILED) | Q(status=S.PENDING, result=None, worker=None)
_TURNABLE = Q(worker=None) & ~Q(status=S.PROCESSING)
ACTS = {
    # Not those that somebody has flagged: they ask for a look at each.
    "review": Act(
        "review",
        Q(status=S.COMPLETED, flagged=False) & (Q(reviewed=False) | Q(to_check=True)),
        _review,
        _put_marks_back,
    ),
    "unreview": Act("unreview", Q(status=S.COMPLETED, reviewed=True), _unreview, _put_marks_back),
    "retry": Act("retry", Q(status=S.FAILED), _retry, _fail_again, _waits),
    "skip": Act("skip", _UNREAD, _skip, _unskip),
    "turn-left": Act("turn", _TURNABLE, _turn_by(270), _turn_back, _lies_as_turned, tasks.prepare),
    "turn-right": Act("turn", _TURNABLE, _turn_by(90), _turn_back, _lies_as_turned, tasks.prepare),
}
