"""Finding things in the audit log, for its page and for programs alike."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from cardocr_site.accounts.addresses import as_kept
from cardocr_site.accounts.models import AuditEntry, User
from cardocr_site.contract import cursor_of, invalid, values_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is empty is not asked for."""

    actor: str = ""  # a user name, or a user's key
    act: str = ""
    of: tuple[str, str] | None = None  # kind and id of an object
    name: str = ""  # a part of the object's name
    outcome: str | None = None
    address: str = ""
    since: datetime | None = None
    until: datetime | None = None  # not included


def object_of(text: str) -> tuple[str, str] | None:
    """Kind and id of "batch:12". Raises ValueError."""
    if not text:
        return None
    kind, _colon, key = text.partition(":")
    if not kind or not key:
        raise ValueError(text)
    return kind, key


def narrowed(asked: Asked) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.all()
    if asked.actor:
        rows = rows.filter(_by(asked.actor))
    if asked.of:
        rows = rows.filter(object_kind=asked.of[0], object_id=asked.of[1])
    if asked.since is not None:
        rows = rows.filter(at__gte=asked.since)
    if asked.until is not None:
        rows = rows.filter(at__lt=asked.until)
    plain = {
        "act": asked.act,
        "object_name__icontains": asked.name,
        "outcome": asked.outcome,
        "address": as_kept(asked.address),
    }
    return rows.filter(**{column: value for column, value in plain.items() if value})


def _by(who: str) -> Q:
    """A name is that of an account that there is; of one that is gone the entries keep the name."""
    user = User.objects.filter(username=who).values_list("pk", flat=True).first()
    if user is not None:
        return Q(actor=user)
    try:
        return Q(actor=UUID(who))
    except ValueError:
        return Q(actor_name=who)


def part(rows: QuerySet[AuditEntry], cursor: str | None, limit: int) -> tuple[list[AuditEntry], str | None]:
    """So many, newest first, and the cursor of the part after them; None at the end. Raises Refused."""
    if cursor is not None:
        rows = _after(rows, *values_of(cursor, [str, int]))
    found = list(rows.order_by("-at", "-id")[: limit + 1])
    shown = found[:limit]
    more = len(found) > limit
    return shown, cursor_of([shown[-1].at.isoformat(), shown[-1].pk]) if more else None


def _after(rows: QuerySet[AuditEntry], moment: str, pk: int) -> QuerySet[AuditEntry]:
    try:
        at = parse_datetime(moment)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise invalid("cursor", _("This is no cursor of this list: take “next” as it came."))
    return rows.filter(at__lte=at).filter(Q(at__lt=at) | Q(pk__lt=pk))
