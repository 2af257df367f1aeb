"""What people are told in the bell, written in the transaction in which it happens, under the batch's lock.

Whoever did it is not told. Something that happens again before it was seen is told once, with its last time.
What befalls the server itself is told to administrators, each outage in one row until it is over.
Which sentence it is said in: news_words.py.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from batches import clock
from batches.models import Batch, Card, News
from batches.queries import house
from batches.states import PauseReason
from cardocr_site.accounts.models import User

KEPT = timedelta(days=90)
MUST_STAY_INSIDE = "inside"  # the cause of a pause, beside PauseReason
LONGEST = 200  # characters of what somebody wrote
NEARLY_FULL, FULL, GONE = "nearly_full", "full", "gone"  # how the disk, or the consumer, stands where it is not well
# A batch whose engine is down is let go on, as a probe, every minute: who has seen that, is not told each time.
_TRIED_AGAIN = {PauseReason.ENDPOINT, PauseReason.DISK}
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
    _tell({batch.owner_id, *_administrators()}, Kind.INBOX, batch, {})


def server(kind: Kind, cause: str, **what: Any) -> None:
    """How it stands with the server: `cause` is empty where all is well. Asked often, it tells each change once."""
    going_on = {one.user_id: one for one in News.objects.filter(batch=None, kind=kind).exclude(cause=News.OVER)}
    if not cause and not going_on:
        return
    people = set(_administrators())
    mailed = _mailed(people)
    for pk in people | set(going_on):
        _tell_outage(pk, kind, cause, what, going_on.get(pk), mailed=pk in mailed)


def _tell_outage(
    pk: UUID, kind: Kind, cause: str, what: Mapping[str, Any], known: News | None, *, mailed: bool
) -> None:
    """Several processes may look at the same moment: the row as it was, and a constraint, let one of them tell."""
    now = timezone.now()
    if known is None:
        before = News.objects.filter(user=pk, batch=None, kind=kind, cause=News.OVER, at__gte=now - _ONE_OUTAGE)
        known = before.first()  # it has come again
    if known is None:
        said = {**what, "since": now.isoformat(), "times": 1}
        mail_at = clock.now() + MAIL_AFTER if mailed else None
        fresh = News(user_id=pk, kind=kind, cause=cause, at=now, mail_at=mail_at, what=said)
        News.objects.bulk_create([fresh], ignore_conflicts=True)
    elif known.cause != (cause or News.OVER):
        again = known.cause == News.OVER
        said = {**known.what, **what, "times": known.what.get("times", 1) + again}
        to: dict[str, Any] = {"cause": cause or News.OVER, "what": said}
        if not cause:
            said["until"] = now.isoformat()
        if (known.cause, cause) != (FULL, NEARLY_FULL):  # what is less bad than it was rings no bell
            unsent = known.mail_at is not None and known.mail_tries == 0
            to |= {"at": now, "seen_at": None, "mail_tries": 0}
            to["mail_at"] = clock.now() + MAIL_AFTER if mailed and (cause or not unsent) else None
        with suppress(IntegrityError), transaction.atomic():
            News.objects.filter(pk=known.pk, cause=known.cause).update(**to)


def _administrators() -> Collection[UUID]:
    return User.objects.filter(is_active=True, role=User.Role.ADMINISTRATOR).values_list("pk", flat=True)


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
        mail_at = clock.now() + MAIL_AFTER if pk in mailed else None
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
