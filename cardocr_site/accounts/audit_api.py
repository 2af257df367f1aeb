"""The audit log, for administrators: found by who, what, on which object, and when."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema

from cardocr_site.accounts.authentication import need_administrator
from cardocr_site.accounts.models import AuditEntry, User
from cardocr_site.contract import Listed, Moment, Paging, Reply, Text, cursor_of, fails, invalid, reply, values_of

router = Router(tags=["Audit log"])


class AuditAsked(Paging):
    actor: Text = Field("", max_length=150, description="A user name, or a user's id.")
    act: Text = Field("", max_length=24, examples=["start"])
    object: Text = Field("", max_length=90, description="Kind and id.", examples=["batch:12"])
    since: Moment | None = Field(None, alias="from", description="From this moment on.")
    until: Moment | None = Field(None, alias="to", description="Before this moment.")


class AuditOut(Schema):
    """One act. It never holds a key, a password or a card's text."""

    id: int
    at: datetime
    actor: UUID | None
    actor_name: str
    address: str
    act: str
    object_kind: str
    object_id: str
    object_name: str
    outcome: AuditEntry.Outcome
    details: dict[str, Any]
    request_id: str


@router.get("/audit", response={200: Reply[Listed[AuditOut]], **fails("PERMISSION_DENIED")})
def list_audit(request: HttpRequest, asked: Query[AuditAsked]) -> Any:
    """Who did what, when, from where and with what outcome, newest first. For administrators."""
    need_administrator(request)
    rows = _narrowed(asked)
    if asked.cursor is not None:
        rows = _after(rows, *values_of(asked.cursor, [str, int]))
    found = list(rows.order_by("-at", "-id")[: asked.limit + 1])
    shown = found[: asked.limit]
    more = len(found) > asked.limit
    following = cursor_of([shown[-1].at.isoformat(), shown[-1].pk]) if more else None
    return reply({"items": shown, "next": following, "total": None})


def _narrowed(asked: AuditAsked) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.all()
    if asked.actor:
        rows = rows.filter(_by(asked.actor))
    if asked.act:
        rows = rows.filter(act=asked.act)
    if asked.object:
        kind, _colon, key = asked.object.partition(":")
        if not kind or not key:
            raise invalid("object", _("Send kind and id, as in batch:12."))
        rows = rows.filter(object_kind=kind, object_id=key)
    if asked.since is not None:
        rows = rows.filter(at__gte=asked.since)
    return rows if asked.until is None else rows.filter(at__lt=asked.until)


def _by(who: str) -> Q:
    """A name is that of an account that there is; of one that is gone the entries keep the name."""
    user = User.objects.filter(username=who).values_list("pk", flat=True).first()
    if user is not None:
        return Q(actor=user)
    try:
        return Q(actor=UUID(who))
    except ValueError:
        return Q(actor_name=who)


def _after(rows: QuerySet[AuditEntry], moment: str, pk: int) -> QuerySet[AuditEntry]:
    try:
        at = parse_datetime(moment)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise invalid("cursor", _("This is no cursor of this list: take “next” as it came."))
    return rows.filter(at__lte=at).filter(Q(at__lt=at) | Q(pk__lt=pk))
