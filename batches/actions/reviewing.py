"""What people do in the review besides saying what stands on a card: drafts, leases, flags, "cannot read", undoing."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core import signing
from django.utils import timezone

from batches import changes, news, tasks
from batches.actions import activity, runs
from batches.actions.cards import EditConflict, is_in_doubt, read_card
from batches.drain import blocks, candidates
from batches.drain.reading import searchable
from batches.models import Card, CardResult, Draft, FieldRevision, Lease, Note
from batches.states import CardStatus, ResultState
from cardocr_site.accounts.models import User
from ocr import checking
from ocr.errors import MarkedUnreadable

LEASE = timedelta(seconds=90)
_SALT = "review.undo"
_UNDOABLE = timedelta(hours=8)
# What an undo puts back on the card's row, and on the reading that held.
_ROW = (
    "status",
    "reviewed",
    "reviewed_by_id",
    "to_check",
    "flagged",
    "candidates",
    "nothing_found",
    "error",
    "error_message",
)


class NothingToUndo(Exception):
    """Somebody has worked on the card since, or it was long ago."""


# ---- drafts


def keep_draft(card: Card, user: User, typed: Mapping[str, tuple[str, str]]) -> datetime:
    """Keep what was typed and is not accepted yet; nothing typed: there is no draft."""
    now = timezone.now()
    if typed:
        values = {key: list(pair) for key, pair in typed.items()}
        Draft.objects.update_or_create(card=card, user=user, defaults={"values": values, "at": now})
    else:
        Draft.objects.filter(card=card, user=user).delete()
    return now


# ---- leases


def lease(card: Card, user: User, *, take: bool = False) -> Lease:
    """Renew the person's lease of a card, or take it where nobody has it. What is returned says who has it now."""
    now = timezone.now()
    mine = {"batch_id": card.batch_id, "user": user, "until": now + LEASE}
    held, made = Lease.objects.select_related("user").get_or_create(card=card, defaults=mine)
    if made:
        return held
    if held.user_id == user.pk or held.until <= now or take:
        Lease.objects.filter(pk=held.pk).update(**mine)
        held.user, held.until = user, now + LEASE
    return held


def release(card: Card, user: User) -> None:
    Lease.objects.filter(card=card, user=user).delete()


# ---- flags


def flag(card: Card, user: User, text: str) -> Card:
    """Ask for another look, and say why. Raises TransitionRefused for a card that was not read."""
    with changes.locked(card.batch_id) as change:
        fresh, _result = read_card(change, card)
        Note.objects.create(card=fresh, by=user, text=text)
        activity.record(change.batch, user, "flag", group=True, **activity.about(fresh))
        news.flagged(change.batch, fresh, text, user)
        grave = max(fresh.severity, checking.GRAVEST)
        change.touch_card(fresh, flagged=True, to_check=True, severity=grave, looked_at=timezone.now(), files_due=True)
    return fresh


def unflag(card: Card, user: User) -> Card:
    with changes.locked(card.batch_id) as change:
        fresh, result = read_card(change, card)
        fresh.notes.filter(closed_at=None).update(closed_at=timezone.now())
        activity.record(change.batch, user, "unflag", group=True, **activity.about(fresh))
        doubt = bool(fresh.candidates) or (not fresh.reviewed and is_in_doubt(change.batch, fresh))
        grave = checking.severity(change.batch.specs(), result.fields, result.entries)  # as before the flag
        change.touch_card(
            fresh, flagged=False, to_check=doubt, severity=grave, looked_at=timezone.now(), files_due=True
        )
    return fresh


# ---- cannot read


def cannot_read(card: Card, user: User, version: int, why: str) -> Card:
    """A person gives a card up: it is a problem from now on, and what was read of it is kept as an earlier reading.

    Raises EditConflict and TransitionRefused.
    """
    now = timezone.now()
    with changes.locked(card.batch_id) as change:
        fresh, result = read_card(change, card)
        if fresh.version != version:
            raise EditConflict(fresh)
        if fresh.status != CardStatus.COMPLETED:  # it waits to be read again
            raise changes.TransitionRefused(fresh.status, CardStatus.FAILED)
        CardResult.objects.filter(pk=result.pk).update(state=ResultState.EARLIER)
        Note.objects.create(card=fresh, by=user, text=why, closed_at=now)
        activity.record(change.batch, user, "give_up", group=True, **activity.about(fresh))
        change.move_card(
            fresh,
            CardStatus.FAILED,
            error=MarkedUnreadable.reason,
            error_message=why,
            result=None,
            candidates=0,
            to_check=False,
            flagged=False,
            reviewed=False,
            reviewed_by=None,
            looked_at=now,
            finished_at=now,
            files_due=True,
        )
    tasks.drain(card.batch_id)  # which files the card
    return fresh


# ---- undoing the last act on a card


def before(card: Card) -> dict[str, Any]:
    """How a card stands, to be given to `undoable` after an act."""
    result = card.result
    row = {name: getattr(card, name) for name in _ROW}
    row["reviewed_by_id"] = card.reviewed_by_id and str(card.reviewed_by_id)
    if result is None:
        return {"row": row, "result": None}
    return {
        "row": row,
        "unseen": candidates.marks([card]).get(card.pk, {}),
        "result": result.pk,
        "state": result.state,
        "values": dict(result.values),
        "checks": dict(result.checks),
    }


def undoable(was: Mapping[str, Any], card: Card, user: User) -> str:
    """What takes an act back, for the person who did it, as long as the card stays as the act has left it."""
    values = {}
    if card.result is not None and was.get("result") == card.result_id:
        values = {key: old for key, old in was["values"].items() if old != card.result.values.get(key)}
    token = {**was, "values": values, "card": card.pk, "version": card.version, "by": str(user.pk)}
    return signing.dumps(token, salt=_SALT, compress=True)


def undo(card: Card, user: User, token: str) -> Card:
    """Raises NothingToUndo."""
    try:
        was = signing.loads(token, salt=_SALT, max_age=_UNDOABLE)
    except signing.BadSignature as error:
        raise NothingToUndo from error
    if (was["card"], was["by"]) != (card.pk, str(user.pk)):
        raise NothingToUndo
    with changes.locked(card.batch_id) as change:
        fresh = change.batch.cards.select_related("result").get(pk=card.pk)
        if fresh.version != was["version"]:
            raise NothingToUndo
        result = CardResult.objects.filter(pk=was["result"], card=fresh).first()
        if result is not None:
            _put_back(fresh, result, user, was)
            candidates.unsee(was["unseen"])
        activity.record(change.batch, user, "undo_card", group=True, **activity.about(fresh))
        row = was["row"] | {"result": result, "looked_at": timezone.now(), "files_due": True}
        status = CardStatus(row.pop("status"))
        if result is None and fresh.result_id is not None:
            CardResult.objects.filter(pk=fresh.result_id).update(state=ResultState.EARLIER)
        if status == CardStatus.PENDING:  # it is read after all, also where it was the last one
            row |= blocks.AFRESH
            runs.go_on(change)
        if status == fresh.status:
            change.touch_card(fresh, **row)
        elif not change.move_card(fresh, status, **row):
            raise NothingToUndo
        asks = row["flagged"] and not fresh.notes.filter(closed_at=None).exists()
        last = fresh.notes.first() if asks else None
        if last is not None:
            Note.objects.filter(pk=last.pk).update(closed_at=None)
    tasks.drain(card.batch_id)
    return fresh


def _put_back(card: Card, result: CardResult, user: User, was: Mapping[str, Any]) -> None:
    FieldRevision.objects.bulk_create(
        FieldRevision(card=card, key=key, old=result.values.get(key), new=old, by=user)
        for key, old in was["values"].items()
    )
    result.state, result.checks = was["state"], was["checks"]
    result.values = result.values | was["values"]
    result.search = searchable(result)
    result.save(update_fields=["state", "checks", "values", "search"])
