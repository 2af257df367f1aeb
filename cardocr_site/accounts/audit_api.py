"""The audit log, for administrators: found by who, what, on which object, with what outcome, from where, and when."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema

from cardocr_site.accounts import audit_queries
from cardocr_site.accounts.authentication import need_administrator
from cardocr_site.accounts.models import AuditEntry
from cardocr_site.contract import Listed, Moment, Paging, Reply, Text, fails, invalid, reply

router = Router(tags=["Audit log"])


class AuditAsked(Paging):
    actor: Text = Field("", max_length=150, description="A user name, or a user's id.")
    act: Text = Field("", max_length=24, examples=["start"])
    object: Text = Field("", max_length=90, description="Kind and id.", examples=["batch:12"])
    name: Text = Field("", max_length=200, description="A part of the object's name as it was then.")
    outcome: AuditEntry.Outcome | None = None
    address: Text = Field("", max_length=64, description="From where; of IPv6 the network counts.")
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
    found, following = audit_queries.part(audit_queries.narrowed(_meant(asked)), asked.cursor, asked.limit)
    return reply({"items": found, "next": following, "total": None})


def _meant(asked: AuditAsked) -> audit_queries.Asked:
    """Raises Refused."""
    told = asked.model_dump(exclude={"object", "limit", "cursor"})
    try:
        return audit_queries.Asked(**told, of=audit_queries.object_of(asked.object))
    except ValueError as error:
        raise invalid("object", _("Send kind and id, as in batch:12.")) from error
