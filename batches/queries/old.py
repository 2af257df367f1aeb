"""What nobody has touched for long: found for an administrator, who alone decides what becomes of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import BigIntegerField, Count, Exists, F, Func, Max, OuterRef, QuerySet, Sum, TextField
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from batches.models import (
    Activity,
    Attempt,
    Batch,
    BatchQuerySet,
    BatchShare,
    CardResult,
    Clearing,
    Lease,
    News,
    TryCard,
    Upload,
)
from batches.states import BatchStatus, ResultState, UploadStatus
from cardocr_site.accounts.models import AccessToken

Kind = Clearing.Kind

OVER = (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED)
WHOLE = (Kind.FINISHED, Kind.DRAFTS, Kind.TRASH)  # the batch itself goes
REPLACED = (ResultState.EARLIER, ResultState.EQUAL, ResultState.REJECTED)
COMING = (UploadStatus.RECEIVING, UploadStatus.OPENING)
EXPORTS = ("export", "export_collection")

SESSIONS, TOKENS, NOTICES = "sessions", "tokens", "notices"


class Octets(Func):
    """Bytes of a text in UTF-8."""

    function = "OCTET_LENGTH"
    output_field = BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **more)


def batches(kind: str, before: datetime) -> BatchQuerySet:
    """Those of that kind, longest untouched first. What is being read, filled, tried or checked is not among them."""
    rows = Batch.objects.filter(going=False)
    if kind == Kind.TRASH:
        return rows.filter(deleted_at__lt=before).order_by("deleted_at", "pk")
    rows = quiet(rows.filter(deleted_at=None))
    if kind == Kind.DRAFTS:
        return rows.filter(status=BatchStatus.DRAFT, changed_at__lt=before).order_by("changed_at", "pk")
    rows = rows.filter(status__in=OVER, pending=0, processing=0, rereading=None)
    if kind == Kind.FINISHED:
        return rows.filter(changed_at__lt=before).order_by("changed_at", "pk")
    if kind == Kind.REPLIES:
        return rows.filter(Exists(replies(before).filter(card__batch=OuterRef("pk")))).order_by("pk")
    if kind == Kind.READINGS:
        return rows.filter(Exists(readings(before).filter(card__batch=OuterRef("pk")))).order_by("pk")
    return rows.none()


def quiet(rows: BatchQuerySet) -> BatchQuerySet:
    """Nobody is at work on them at this moment."""
    of_it = OuterRef("pk")
    return rows.exclude(
        Exists(Lease.objects.filter(batch=of_it, until__gt=timezone.now()))
        | Exists(Upload.objects.filter(batch=of_it, status__in=COMING))
        | Exists(TryCard.objects.filter(tryout__batch=of_it, finished_at=None))
    )


def replies(before: datetime) -> QuerySet[Attempt]:
    return Attempt.objects.filter(started_at__lt=before).exclude(raw_reply="").order_by()


def readings(before: datetime) -> QuerySet[CardResult]:
    """Beside the one that holds; what a person has still to decide stays."""
    return CardResult.objects.filter(created_at__lt=before, state__in=REPLACED).order_by()


def amount(kind: str, batch: Batch, before: datetime) -> tuple[int, int, int]:
    """Cards that it concerns, how many things go, and their bytes; those of a whole batch are not counted here."""
    if kind == Kind.REPLIES:
        found = replies(before).filter(card__batch=batch)
        size = Octets(F("raw_reply"))
    else:
        found = readings(before).filter(card__batch=batch)  # type: ignore[assignment]
        size = Octets(F("transcription")) + Octets(Cast("fields", TextField()))  # type: ignore[assignment]
    told = found.aggregate(
        cards=Count("card", distinct=True),
        number=Count("pk"),
        bytes=Coalesce(Sum(size), 0, output_field=BigIntegerField()),
    )
    return told["cards"], told["number"], told["bytes"]


def leftovers(name: str, before: datetime) -> QuerySet[Any]:
    """Rows of no batch that serve nobody any more."""
    if name == SESSIONS:
        return Session.objects.filter(expire_date__lt=min(before, timezone.now()))
    if name == TOKENS:
        return AccessToken.objects.filter(expires_at__lt=min(before, timezone.now()))
    return News.objects.filter(seen_at__lt=before, mail_at=None)


def exported(pks: Iterable[int]) -> dict[int, datetime]:
    """When each was exported last."""
    rows = Activity.objects.filter(batch__in=list(pks), kind__in=EXPORTS)
    return dict(rows.order_by().values_list("batch").annotate(at=Max("at")))


def sent(pks: Iterable[int]) -> dict[int, int]:
    """Bytes of the files of each as they were sent."""
    rows = Upload.objects.filter(batch__in=list(pks), parent=None, status=UploadStatus.DONE)
    return dict(rows.order_by().values_list("batch").annotate(bytes=Sum("size")))


def shared_with(pks: Iterable[int]) -> dict[int, list[str]]:
    """The groups that each is shared with."""
    found: dict[int, list[str]] = {}
    rows = BatchShare.objects.filter(batch__in=list(pks)).order_by("group__name")
    for pk, name in rows.values_list("batch", "group__name"):
        found.setdefault(pk, []).append(name)
    return found
