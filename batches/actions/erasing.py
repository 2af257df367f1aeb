"""One card is erased for good: what it showed, what was read of it, what people did to it. A tombstone stays."""

import json
from collections.abc import Sequence
from functools import partial

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from batches import changes
from batches.actions import activity
from batches.actions.runs import ring
from batches.drain import erasing
from batches.models import Batch, Card, CardScan, ErasedCard, News, Rereading, Sheet, TryCard, Upload
from batches.states import CardStatus
from cardocr_site.accounts.models import IdempotentReply, User

AnyScan = Card | CardScan | Sheet


class BeingRead(Exception):
    """Its image is on its way to an engine, or waits for it in a process that has claimed it."""

    code = "BATCH_STATE_INVALID"

    def __init__(self) -> None:
        super().__init__(_("This card is being read just now. Wait until that is over."))
        self.message = str(self)


def erase(card: Card, by: User) -> ErasedCard | None:
    """Raises BeingRead. None: somebody else has just erased it.

    Rows and tombstone in one transaction; the files follow it, named by the tombstone until they are gone.
    """
    with changes.locked(card.batch_id) as change:
        fresh = change.batch.cards.select_related("upload").filter(pk=card.pk).first()
        if fresh is None:
            return None
        if _is_being_read(fresh):
            raise BeingRead
        scans: list[AnyScan] = [fresh, *fresh.scans.select_related("upload")]
        now = timezone.now()
        held = _forget_uploads(change.batch, fresh, scans)
        _forget_words(change.batch, fresh, scans)
        if fresh.rereading_id is not None:
            Rereading.objects.filter(pk=fresh.rereading_id, total__gt=0).update(total=F("total") - 1)
        change.remove_cards([fresh])
        sheets = list(change.batch.sheets.filter(cards=None, scans=None))
        change.batch.sheets.filter(pk__in=[sheet.pk for sheet in sheets]).delete()
        gone = [*scans, *sheets]
        erased = ErasedCard.objects.create(
            batch=change.batch,
            card_id=card.pk,
            position=fresh.position,
            at=now,
            by=by,
            files={
                "filenames": sorted({scan.filename for scan in gone}),
                "sources": sorted({scan.source for scan in gone}),
                "held": held,
            },
        )
        activity.record(change.batch, by, "erase_card", position=fresh.position, erased=card.pk)
        change.finish_if_done(now, by)
        transaction.on_commit(partial(erasing.delete_files, erased), robust=True)
        ring(change.batch.pk)
    return erased


def shares(card: Card) -> bool:
    """Whether other cards lie in a file of this one: it stays then."""
    sources = {card.source, *card.scans.values_list("source", flat=True)}
    beside = CardScan.objects.filter(card__batch=card.batch_id, source__in=sources).exclude(card=card.pk)
    others = Card.objects.filter(batch=card.batch_id, source__in=sources).exclude(pk=card.pk)
    return others.exists() or beside.exists()


def _is_being_read(card: Card) -> bool:
    tried = TryCard.objects.filter(card=card, finished_at=None).exclude(worker="")
    return card.status == CardStatus.PROCESSING or card.worker_id is not None or tried.exists()


def _forget_uploads(batch: Batch, card: Card, scans: Sequence[AnyScan]) -> list[int]:
    """The rows of files that no other card came in, and of the same bytes sent again; return keys of held files."""
    mine = {scan.upload_id for scan in scans if isinstance(scan, Card | CardScan) and scan.upload_id is not None}
    cards = Card.objects.filter(upload__in=mine).exclude(pk=card.pk)
    beside = CardScan.objects.filter(upload__in=mine).exclude(card=card.pk)
    shared = {*cards.values_list("upload", flat=True), *beside.values_list("upload", flat=True)}
    hashes = {scan.sha256 for scan in scans if scan.sha256}
    others = batch.cards.exclude(pk=card.pk).filter(sha256__in=hashes)
    again = hashes - {*others.values_list("sha256", flat=True)}
    doomed = batch.uploads.filter(Q(pk__in=mine - shared) | Q(sha256__in=again, cards__isnull=True))
    keys = sorted(set(doomed.values_list("pk", flat=True)))
    members = list(Upload.objects.filter(parent__in=keys).values_list("pk", flat=True))
    batch.uploads.filter(pk__in=keys).delete()
    for key in mine & shared:
        Upload.objects.filter(pk=key, cards_made__gt=0).update(cards_made=F("cards_made") - 1)
    return sorted({*keys, *members})


def _forget_words(batch: Batch, card: Card, scans: Sequence[AnyScan]) -> None:
    """Its name, and what was said of it, where rows that stay have them: activity, bell, answers kept for programs."""
    names = {name[-200:] for scan in scans for name in (scan.original_name, scan.display_name)}
    uploads = {scan.upload.name[-200:] for scan in scans if isinstance(scan, Card | CardScan) and scan.upload}
    for entry in batch.activities.filter(Q(what__card=card.pk) | Q(kind="add_scans", what__name__in=names | uploads)):
        entry.what = {key: value for key, value in entry.what.items() if key not in {"card", "name"}}
        entry.save(update_fields=["what"])
    News.objects.filter(batch=batch, what__card=card.pk).delete()
    told = Q()
    for name in {scan.original_name for scan in scans} | {scan.filename for scan in scans}:
        told |= Q(body__contains=name) | Q(body__contains=json.dumps(name)[1:-1])
    IdempotentReply.objects.filter(told).delete()
