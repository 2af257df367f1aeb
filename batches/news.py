"""What people are told in the bell, written in the transaction in which it happens, under the batch's lock.

Whoever did it is not told. Something that happens again before it was seen is told once, with its last time.
Which sentence it is said in: templatetags/bell.py.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from batches.models import Batch, Card, News
from batches.queries import house
from batches.states import PauseReason
from cardocr_site.accounts.models import User

KEPT = timedelta(days=90)
MUST_STAY_INSIDE = "inside"  # the cause of a pause, beside PauseReason
LONGEST = 200  # characters of what somebody wrote
# A batch whose engine is down is let go on, as a probe, every minute: who has seen that, is not told each time.
_TRIED_AGAIN = {PauseReason.ENDPOINT}
_ONE_OUTAGE = timedelta(hours=1)

Kind = News.Kind
_BY_READING = (Kind.FINISHED, Kind.PAUSED)
MAIL_AFTER = timedelta(minutes=1)  # whoever sees it on a page until then is not mailed


def finished(batch: Batch, by: User | None, **cards: int) -> None:
    _tell([batch.owner_id], Kind.FINISHED, batch, cards, by=by)


def paused(batch: Batch, reason: str) -> None:
    """By itself: a person who pauses a batch knows it."""
    if reason not in {"", PauseReason.PERSON}:
        outside = reason == PauseReason.CREDENTIALS and house.refusal(batch, batch.reader)
        _tell([batch.owner_id], Kind.PAUSED, batch, {}, cause=MUST_STAY_INSIDE if outside else reason)


def flagged(batch: Batch, card: Card, note: str, by: User) -> None:
    words = {"card": card.pk, "name": card.short_name, "note": note[:LONGEST]}
    _tell([batch.owner_id], Kind.FLAGGED, batch, words, by=by)


def told(batch: Batch, text: str, by: User) -> None:
    _tell([batch.owner_id], Kind.TOLD, batch, {"note": text[:LONGEST]}, by=by)


def from_inbox(batch: Batch) -> None:
    """Administrators see to it that it gets to somebody; whom the inbox belongs to, is told, too."""
    administrators = User.objects.filter(is_active=True, role=User.Role.ADMINISTRATOR).values_list("pk", flat=True)
    _tell({batch.owner_id, *administrators}, Kind.INBOX, batch, {})


def _tell(
    people: Collection[UUID],
    kind: Kind,
    batch: Batch,
    what: Mapping[str, Any],
    *,
    cause: str = "",
    by: User | None = None,
) -> None:
    now = timezone.now()
    mailed = _mailed(people) if kind in _BY_READING else set()
    for pk in people:
        if by is not None and by.pk == pk:
            continue
        alike = News.objects.filter(user=pk, batch=batch, kind=kind, cause=cause, by=by)
        if cause in _TRIED_AGAIN and alike.filter(at__gte=now - _ONE_OUTAGE).exclude(seen_at=None).update(at=now):
            continue
        unseen = alike.filter(seen_at=None)
        last = unseen.order_by("-at", "-pk").first()
        mail_at = now + MAIL_AFTER if pk in mailed else None
        to: dict[str, Any] = {"at": now}
        if cause not in _TRIED_AGAIN:
            to |= {"mail_at": mail_at, "mail_tries": 0}
        said = {**what, "times": last.what.get("times", 1) + 1 if last else 1}
        if last is None or not unseen.filter(pk=last.pk).update(**to, what=said):  # seen this moment
            said["times"] = 1
            News.objects.create(
                user_id=pk, batch=batch, kind=kind, cause=cause, by=by, at=now, mail_at=mail_at, what=said
            )


def _mailed(people: Collection[UUID]) -> set[UUID]:
    if not settings.EMAIL_URL:
        return set()
    wanted = User.objects.filter(pk__in=people, mail=True, is_active=True).exclude(email="")
    return set(wanted.values_list("pk", flat=True))


def see(user: User, *, pk: int | None = None, batch: Batch | None = None) -> None:
    """Mark as seen: one of them, what the page of a batch shows anyway, or all. What is seen already stays so."""
    unseen = News.objects.filter(user=user, seen_at=None)
    if pk is not None:
        unseen = unseen.filter(pk=pk)
    if batch is not None:
        unseen = unseen.filter(batch=batch, kind__in=_BY_READING)
        if not unseen.exists():  # a page that is looked at writes nothing
            return
    unseen.update(seen_at=timezone.now())


def forget_old() -> None:
    """Called by the sweeper."""
    News.objects.filter(at__lt=timezone.now() - KEPT).delete()
