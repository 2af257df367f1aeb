"""Sheets with several cards: cut, cut alike, given back whole. In a draft alone; the file sent stays as it is."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from batches import changes, tasks
from batches.actions import scans
from batches.actions.drafts import draft
from batches.intake import free_names, order, seeing, store
from batches.intake.regions import Region, overlap, sameness, within
from batches.intake.seeing import UNSEEN
from batches.models import Batch, Card, Sheet, Upload
from batches.states import CardStatus
from templates_app.editing import Refused

BLOCK = 100  # sheets in one transaction
MOST = 24  # cuts of a sheet
SMALLEST = 40  # pixels of a cut's side
ALIKE = 0.03  # by so much sides may differ
SAME = 0.5  # and so much of their area two cards have in common

Job = tuple[Sheet, Sequence[Region]]


def look_for(batch: Batch, wanted: bool) -> None:
    """Whether the cards of a page are looked for. What was cut stays cut."""
    with draft(batch) as change:
        change.batch.options = {**change.batch.options, "sheets": wanted}
        change.set(options=change.batch.options)
        pages = Card.objects.filter(batch=change.batch, cut=0)
        if wanted:  # on the whole page
            scans.untrimmed(change, pages.filter(sheet=None, back=None))
        elif seeing.frames(change.batch):
            change.touch_cards(pages.filter(crop=None), prepared_at=None)
    tasks.prepare(batch.pk)


def alike(sheet: Sheet) -> list[Sheet]:
    """Other sheets that are still whole, as large, with as many cards found in about the same places."""
    near = {f"{side}__range": _about(getattr(sheet, side)) for side in ("width", "height")}
    return [other for other in whole(sheet.batch).filter(**near).exclude(pk=sheet.pk) if _is_alike(sheet, other)]


def whole(batch: Batch) -> QuerySet[Sheet]:
    """Sheets that were not cut."""
    return batch.sheets.filter(cuts=[])


def several(batch: Batch) -> QuerySet[Sheet]:
    """Whole sheets on which more than one card was found."""
    return whole(batch).filter(found__1__isnull=False)


def _about(side: int) -> tuple[int, int]:
    return round(side * (1 - ALIKE)), round(side * (1 + ALIKE))


def _is_alike(one: Sheet, other: Sheet) -> bool:
    if len(one.found) != len(other.found):
        return False
    return all(sameness(here, there) >= SAME for here, there in zip(one.found, other.found, strict=True))


def cut(sheet: Sheet, regions: Sequence[Region], *, all_alike: bool = False) -> int:
    """Make each region a card; return of how many sheets. Raises Refused, before anything is done to any of them."""
    jobs = [(sheet, list(regions))]
    if all_alike:
        jobs += [(other, carried(regions, sheet, other)) for other in alike(sheet)]
    return _cut_all(sheet.batch, jobs)


def cut_as_found(batch: Batch) -> int:
    """Cut all whole sheets on which several cards were found; return how many."""
    return _cut_all(batch, [(sheet, sheet.found) for sheet in several(batch)])


def undo(batch: Batch, sheet: Sheet | None = None) -> int:
    """Give a sheet back whole, or all of them; return how many. Raises Refused."""
    wanted = batch.sheets.exclude(cuts=[])
    done = list(wanted if sheet is None else wanted.filter(pk=sheet.pk))
    for one in done:
        _refuse_paired(one)
    with order.settled_afterwards(batch):
        for block in _blocks(done):
            with draft(batch) as change:
                still = change.batch.sheets.exclude(cuts=[]).filter(pk__in=[one.pk for one in block])
                _forget(change.batch, [card for one in still for card in _make_whole(change, one)])
    tasks.prepare(batch.pk)
    return len(done)


def _blocks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """So many in one transaction that others need not wait for long."""
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


def carried(regions: Sequence[Region], here: Sheet, there: Sheet) -> list[Region]:
    """The same cuts on another sheet: each as much off its card as it was here; one without a card as it lies."""
    moved: list[Region] = []
    for region in regions:
        near = max(range(len(here.found)), key=lambda n: overlap(region, here.found[n]), default=None)
        if near is None or not overlap(region, here.found[near]):
            moved.append(region)
            continue
        pairs = zip(region, here.found[near], there.found[near], strict=True)
        moved.append([mine - found + theirs for mine, found, theirs in pairs])
    return [within(region, (there.width, there.height)) for region in moved]


def _cut_all(batch: Batch, jobs: Sequence[Job]) -> int:
    more = 0
    for sheet, regions in jobs:
        _refuse(sheet, regions)
        more += len(regions) - sheet.cards.count()
    if Batch.objects.get(pk=batch.pk).total + more > settings.MAX_BATCH_CARDS:
        raise Refused(_("A batch holds at most %(limit)d cards.") % {"limit": settings.MAX_BATCH_CARDS})
    with order.settled_afterwards(batch):
        for block in _blocks(jobs):
            with draft(batch) as change:
                for sheet, _regions in block:
                    _refuse_paired(sheet)
                _forget(change.batch, [card for sheet, regions in block for card in _cut(change, sheet, regions)])
    tasks.prepare(batch.pk)
    return len(jobs)


def _refuse(sheet: Sheet, regions: Sequence[Region]) -> None:
    if not regions:
        raise Refused(_("Name at least one cut."))
    if len(regions) > MOST:
        raise Refused(_("A sheet is cut into at most %(n)d cards.") % {"n": MOST})
    for number, (left, top, width, height) in enumerate(regions, 1):
        if min(left, top) < 0 or left + width > sheet.width or top + height > sheet.height:
            raise Refused(_("Cut %(n)d reaches beyond the sheet.") % {"n": number})
        if min(width, height) < min(SMALLEST, sheet.width, sheet.height):
            raise Refused(_("Cut %(n)d is too small to be a card.") % {"n": number})
    _refuse_paired(sheet)


def _refuse_paired(sheet: Sheet) -> None:
    if sheet.scans.exists() or sheet.cards.exclude(back=None).exists():
        name = {"name": sheet.display_name}
        raise Refused(_("Cards of “%(name)s” have been paired. Part the pairs first.") % name)


def _cut(change: changes.Change, sheet: Sheet, regions: Sequence[Region]) -> list[Card]:
    """The rows that are there are used again, so that the first card stays the sheet's own. Returns cuts that go."""
    there = list(change.batch.cards.filter(sheet=sheet).order_by("cut", "pk"))
    if not there:  # all of its cards were removed
        return []
    gone = [Card(**card.as_scan()) for card in there if card.cut]
    filenames = free_names.of_cuts(change.batch, sheet, len(regions))
    new: list[Card] = []
    for number, region in enumerate(regions, 1):
        columns = sheet.as_scan() | UNSEEN | _columns(filenames[number - 1], number, region)
        if number <= len(there):
            _rewrite(change, there[number - 1], columns)
        else:
            first = there[0]
            new.append(Card(**columns, sheet=sheet, position=first.position, upload_id=first.upload_id))
    change.add_cards(new)
    change.remove_cards(there[len(regions) :])
    _count(there[0].upload_id, len(regions) - len(there))
    sheet.cuts = [list(region) for region in regions]
    sheet.save(update_fields=["cuts"])
    return gone


def _columns(filename: str, number: int, region: Region) -> dict[str, object]:
    _left, _top, width, height = region
    columns: dict[str, object] = {
        "filename": filename,
        "cut": number,
        "crop": list(region),
        "width": width,
        "height": height,
    }
    return columns | ({"client_key": ""} if number > 1 else {})


def _make_whole(change: changes.Change, sheet: Sheet) -> list[Card]:
    """Returns the cuts that go."""
    _refuse_paired(sheet)
    there = list(change.batch.cards.filter(sheet=sheet).order_by("cut", "pk"))
    if not there:
        return []
    first, others = there[0], there[1:]
    gone = [Card(**card.as_scan()) for card in there]
    change.remove_cards(others)
    whole = sheet.as_scan()
    if free_names.taken(change.batch, [sheet.filename], but=sheet):  # by a file that has come meanwhile
        whole["filename"] = first.filename
    _rewrite(change, first, whole | UNSEEN)
    _count(first.upload_id, -len(others))
    sheet.cuts = []
    sheet.save(update_fields=["cuts"])
    return gone


def _rewrite(change: changes.Change, card: Card, columns: dict[str, object]) -> None:
    """It shows another picture: whatever it was skipped for, it waits again."""
    if card.status == CardStatus.SKIPPED:
        change.move_card(card, CardStatus.PENDING, skip_reason="", finished_at=None)
    changes.look_like_nothing([card.pk])
    change.touch_card(card, error="", error_message="", **columns)


def _count(upload_id: int | None, more: int) -> None:
    """The file that they came in holds more cards now, or fewer."""
    if upload_id is not None and more:
        Upload.objects.filter(pk=upload_id).update(cards_made=F("cards_made") + more)


def _forget(batch: Batch, cuts: Sequence[Card]) -> None:
    """The images of cuts that are no more, once that is certain."""
    transaction.on_commit(lambda: store.forget_images(batch, cuts), robust=True)
