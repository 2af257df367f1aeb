"""Scans that were read before with the same means: found, and taken over instead of being paid for again."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from batches import changes
from batches.intake.regions import turn_readings
from batches.models import Batch, BatchQuerySet, Card, CardResult, FieldRevision
from batches.queries import results
from batches.queries.means import Picture, Setup, pictures, read_key, setup_of
from batches.states import BatchStatus, CardStatus, ResultState
from cardocr_site.accounts.models import User
from ocr import checking
from templates_app import sharing

CHUNK = 2000  # cards that are looked for in one query
BLOCK = 500  # cards that one transaction takes over
SKIP, OVERWRITE, SUFFIX = "skip", "overwrite", "suffix"
_PICTURE = ("sha256", "page", "rotation", "crop")
_SEEN = ("pk", *_PICTURE, "back_id", *(f"back__{name}" for name in _PICTURE))
CHOICES = (SKIP, OVERWRITE, SUFFIX)


@dataclass(frozen=True, slots=True)
class Scan:
    """What of a card decides whether it was read before."""

    card_id: int
    seen: tuple[Picture, ...]  # front, and back

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Scan":
        pk, sha256, page, rotation, crop, back_id, *back = row
        front = Picture(sha256, page, rotation, crop)
        return cls(pk, (front, Picture(*back)) if back_id else (front,))


@dataclass(frozen=True, slots=True)
class Earlier:
    """A reading that stands in another batch."""

    result_id: int
    batch_id: int


def sources(batch: Batch) -> BatchQuerySet:
    """Batches whose readings may be taken over.

    It is the owner who must be allowed to see them, not whoever presses Start: the values will stand in the owner's
    batch. Somebody else's private batch gives nothing away even to an administrator, whose own batch others read.
    """
    visible = Batch.objects.visible_to(batch.owner).exclude(pk=batch.pk)
    return visible.filter(Q(everybody__in=sharing.SHARED) | Q(owner=batch.owner))


def scans(batch: Batch) -> Iterator[Scan]:
    """Those of a draft that can be read, in their order."""
    waiting = batch.cards.filter(status=CardStatus.PENDING, result=None, error="").order_by("position", "pk")
    return (Scan.of(row) for row in waiting.values_list(*_SEEN).iterator(chunk_size=CHUNK))


def found(batch: Batch, looked_for: Iterable[Scan]) -> dict[int, Earlier]:
    """The cards that were read before, one query for each chunk of them.

    Only a machine's reading counts that holds in its batch. Of several the one that a person has reviewed is taken,
    then the newest.
    """
    if batch.engine is None:
        return {}
    setup = setup_of(batch, batch.engine)
    made: dict[int, Earlier] = {}
    chunk: list[Scan] = []
    for scan in looked_for:
        chunk.append(scan)
        if len(chunk) == CHUNK:
            made |= _found(batch, setup, chunk)
            chunk = []
    return made | _found(batch, setup, chunk) if chunk else made


def _found(batch: Batch, setup: Setup, chunk: Sequence[Scan]) -> dict[int, Earlier]:
    """Three short looks by indexes: in one statement SQLite would walk through all cards of the other batches."""
    keys = {scan.card_id: read_key(setup, scan.seen) for scan in chunk}
    readings = CardResult.objects.filter(read_key__in=set(keys.values()), by_hand=False).exclude(read_key="")
    made = dict(readings.order_by().values_list("pk", "read_key"))
    if not made:
        return {}
    holding = Card.objects.filter(result__in=list(made), status=CardStatus.COMPLETED)
    rows = list(holding.order_by("reviewed", "result").values_list("result", "batch"))
    allowed = set(sources(batch).filter(pk__in={of for _result, of in rows}).values_list("pk", flat=True))
    by_key = {made[result]: Earlier(result, of) for result, of in rows if of in allowed}
    return {card_id: by_key[key] for card_id, key in keys.items() if key in by_key}


# -- at the start, and in the first step of the drain


def due(batch_id: int | None = None) -> list[int]:
    """Started batches in which earlier readings are still looked for."""
    active = Batch.objects.filter(status__in=[BatchStatus.QUEUED, BatchStatus.RUNNING], deleted_at=None)
    if batch_id is not None:
        active = active.filter(pk=batch_id)
    return list(active.exclude(compared_upto=None).order_by("pk").values_list("pk", flat=True))


def compare_from(change: changes.Change, position: int) -> None:
    """A card that takes part only now: whether it was read before has not been asked at the start."""
    upto = change.batch.compared_upto
    change.set(compared_upto=position - 1 if upto is None else min(upto, position - 1))


def take_over_some(batch_id: int) -> bool:
    """One block; True while there are more. Cut short anywhere, the next call goes on behind the last block."""
    with changes.locked(batch_id) as change:
        return take_over_in(change)


def take_over_in(change: changes.Change, by: User | None = None) -> bool:
    """The same, in the change in which a person starts the batch."""
    batch = change.batch
    if batch.compared_upto is None or not batch.is_active:
        return False
    behind = batch.cards.filter(
        position__gt=batch.compared_upto, status=CardStatus.PENDING, worker=None, rereading=None
    )
    if batch.option("on_duplicate") == OVERWRITE:  # compared a second time, it has what it would be given
        behind = behind.exclude(results__taken_from__isnull=False)
    cards = list(behind.select_related("back").order_by("position")[:BLOCK])
    readable = [card for card in cards if not card.error and card.result_id is None]
    earlier = found(batch, (Scan(card.pk, tuple(pictures(card))) for card in readable))
    if earlier:
        _take_over(change, [card for card in readable if card.pk in earlier], earlier)
    more = len(cards) == BLOCK
    change.set(compared_upto=cards[-1].position if more else None)
    if not more:
        change.finish_if_done(timezone.now(), by)
    return more


def _take_over(change: changes.Change, cards: Sequence[Card], earlier: dict[int, Earlier]) -> None:
    how = change.batch.option("on_duplicate")
    state = ResultState.EARLIER if how == OVERWRITE else ResultState.CURRENT
    wanted = {one.result_id for one in earlier.values()}
    known = CardResult.objects.select_related("card", "engine").in_bulk(wanted)
    copies = [_copy(card, known[earlier[card.pk].result_id], state) for card in cards]
    CardResult.objects.bulk_create(copies, batch_size=BLOCK)
    if how != OVERWRITE:
        corrected = _take_corrections(copies)
        _place(change, copies, corrected, completed=how == SKIP)


def fall_back(change: changes.Change, card: Card, **fields: Any) -> bool:
    """A card that was read before and cannot be read again: the reading that was to be overwritten holds after all.

    False: there is none.
    """
    if change.batch.option("on_duplicate") != OVERWRITE or card.result_id is not None:
        return False
    earlier = CardResult.objects.filter(card=card, state=ResultState.EARLIER).exclude(taken_from=None)
    copy = earlier.select_related("card", "taken_from__card").order_by("-pk").first()
    if copy is None:
        return False
    copy.state = ResultState.CURRENT
    copy.save(update_fields=["state"])
    _place(change, [copy], _take_corrections([copy]), completed=True, **fields)
    return True


def _copy(card: Card, source: CardResult, state: ResultState) -> CardResult:
    """The machine's reading as it was, and the values as they stand there now: corrected, where a person did that."""
    own = {"id", "card", "state", "taken_from", "rereading", "created_at", "engine"}
    same = {field.attname: getattr(source, field.attname) for field in CardResult._meta.fields if field.name not in own}
    # The source's card may have been turned since it was read; this one lies as that did then.
    same |= {"fields": deepcopy(source.fields), "entries": deepcopy(source.entries), "turned": 0, "back_turned": 0}
    for fields in (same["fields"], *(same["entries"] or ())):
        turn_readings(fields, -source.turned, back=False)
        turn_readings(fields, -source.back_turned, back=True)
    return CardResult(card=card, state=state, taken_from=source, engine=source.engine, **same)


def _take_corrections(copies: Sequence[CardResult]) -> dict[int, set[str]]:
    """Who has corrected what, under the same names; the keys by card."""
    there = {copy.taken_from.card_id: copy.taken_from.created_at for copy in copies if copy.taken_from}
    by_card: dict[int, list[FieldRevision]] = defaultdict(list)
    for (card_id, _key), revision in results.corrections_since(there).items():
        by_card[card_id].append(revision)
    taken = [
        FieldRevision(card=copy.card, key=one.key, old=one.old, new=one.new, by=one.by, by_hand=one.by_hand)
        for copy in copies
        if copy.taken_from
        for one in by_card[copy.taken_from.card_id]
    ]
    FieldRevision.objects.bulk_create(taken)
    corrected: dict[int, set[str]] = defaultdict(set)
    for one in taken:
        corrected[one.card_id].add(one.key)
    return corrected


def _place(
    change: changes.Change,
    copies: Sequence[CardResult],
    corrected: Mapping[int, set[str]],
    *,
    completed: bool,
    **more: Any,
) -> None:
    """Give the cards their results, a statement for all that stand alike.

    A card is reviewed where it was reviewed there: a person has compared these very bytes with these very values, and
    whoever may see this batch may see that one (`sources`). Their name comes along.
    """
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    specs = change.batch.specs()
    for copy in copies:
        there = copy.taken_from.card if copy.taken_from else copy.card
        check = not there.reviewed and results.is_to_check(change.batch, specs, copy, corrected[copy.card_id])
        nothing = results.nothing_found(specs, copy)
        grave = checking.severity(specs, copy.fields, copy.entries) if check else 0
        alike[there.rotation, check, grave, nothing, there.reviewed, there.reviewed_by_id].append(copy.card_id)
    mine = CardResult.objects.filter(card=OuterRef("pk"), state=ResultState.CURRENT).exclude(taken_from=None)
    for (rotation, check, grave, nothing, reviewed, reviewer), ids in alike.items():
        fields = {
            "result": Subquery(mine.values("pk")[:1]),
            "rotation": rotation,
            "to_check": check,
            "severity": grave,
            "nothing_found": nothing,
            "reviewed": reviewed,
            "reviewed_by": reviewer,
            "files_due": True,
        }
        cards = Card.objects.filter(pk__in=ids)
        if completed:
            change.move_cards(cards, CardStatus.COMPLETED, **({"finished_at": timezone.now()} | more | fields))
        else:
            change.touch_cards(cards, **(more | fields))
