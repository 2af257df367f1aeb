"""A card takes another scan, also after the start; the one that it had stays in its history."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches import changes, tasks
from batches.actions import activity
from batches.intake import adding, decoders, free_names, moves, sniff, store, upright
from batches.intake.receiving import Received, Refused, receive
from batches.intake.seeing import UNSEEN
from batches.models import Card, CardScan
from batches.states import CardStatus
from cardocr_site.accounts.models import User


def replace(card: Card, user: User, name: str, chunks: Iterable[bytes], *, back: bool = False) -> Card:
    """Take the bytes for the front or the back. What was read stays; the card may be read again. Raises Refused.

    File and row survive a crash once this has returned; where it is refused, nothing is left behind.
    """
    part, target = store.part(), None
    try:
        received = receive(part, chunks)
        page = _only_page(received)
        with store.kept().arriving([part]), changes.locked(card.batch_id) as change:
            fresh = change.batch.cards.select_related("back").get(pk=card.pk)
            scan = _side(change, fresh, received, back=back)
            target = store.make(change.batch) / free_names.source(change.batch, name, received)
            _put(change, fresh, scan, user, _columns(scan, received, page) | {"source": target.name})
            activity.record(change.batch, user, "replace_scan", **activity.about(fresh))
            store.kept().keep({received.path: target})
    except BaseException as error:
        if target is not None:
            store.kept().remove([target])
        if not isinstance(error, OSError):
            raise
        if error.errno not in adding.FULL:
            raise
        raise Refused("STORAGE_FULL", _("The disk of this server is full: the file was not kept.")) from error
    finally:
        part.unlink(missing_ok=True)
    tasks.prepare(card.batch_id)
    return fresh


def _only_page(received: Received) -> decoders.Page:
    if received.format is sniff.ZIP:
        raise Refused("FILE_TYPE_INVALID", _("A card takes one image, not a ZIP."))
    pages = adding.pages_of(received)
    if len(pages) > 1:
        message = ngettext(
            "This file has %(n)d page: a card takes one.", "This file has %(n)d pages: a card takes one.", len(pages)
        )
        raise Refused("VALIDATION_ERROR", message % {"n": len(pages)})
    return pages[0]


def _side(change: changes.Change, card: Card, received: Received, *, back: bool) -> Card | CardScan:
    """The scan that is replaced, if that may be."""
    if change.batch.deleted_at is not None:
        raise Refused("BATCH_LOCKED", _("This batch lies in the trash."))
    if card.status == CardStatus.PROCESSING or card.worker_id is not None:
        raise Refused("BATCH_LOCKED", _("This card is being read just now. Wait until that is over."))
    scan = card.back if back else card
    if scan is None:
        raise Refused("VALIDATION_ERROR", _("This card has no back."))
    if scan.sha256 == received.sha256 and not scan.shares_source:
        raise Refused("VALIDATION_ERROR", _("This is the very file that the card has."))
    return scan


def _put(change: changes.Change, card: Card, scan: Card | CardScan, user: User, columns: dict[str, Any]) -> None:
    earlier = CardScan.objects.create(card=card, role=CardScan.Role.EARLIER, by=user, **scan.as_scan())
    if isinstance(scan, CardScan):
        columns["rotation"] = upright.first_rotation(change.batch)  # nobody looks at the text of a back
        CardScan.objects.filter(pk=scan.pk).update(**columns, sheet=None, blank=False, turned_by="")
        change.touch_card(card, prepared_at=None, files_due=True)
    else:
        change.touch_card(card, **columns, **UNSEEN, sheet=None, files_due=True)
        changes.look_like_nothing([card.pk])
    change.batch.sheets.filter(cards=None, scans=None).delete()  # a page of which nothing is left to be cut
    transaction.on_commit(lambda: moves.bring_back(earlier), robust=True)  # what is committed stands


def _columns(scan: Card | CardScan, received: Received, page: decoders.Page) -> dict[str, Any]:
    """A file of its own. The card keeps its name, by which people know it, and its stored one."""
    return {
        "page": 0,
        "cut": 0,
        "crop": None,
        "edition": scan.edition + 1,
        "original_name": scan.display_name[:500],
        "client_key": "",
        "sha256": received.sha256,
        "size": received.size,
        "width": page.width,
        "height": page.height,
        "media_type": received.format.media_type,
        "rotation": 0,
    }
