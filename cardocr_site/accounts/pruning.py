"""The one way in which entries leave the audit log: those older than a moment, all of them, by command."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max, Min

from cardocr_site.accounts import audit
from cardocr_site.accounts.models import AuditEntry


def prune(before: datetime, by: Any = None) -> int:
    """Delete entries older than that, and say so in a new one, in the same transaction. By command alone."""
    old = AuditEntry.objects.filter(at__lt=before)
    with transaction.atomic():
        told = old.aggregate(number=Count("pk"), first=Min("at"), last=Max("at"))
        if not told["number"]:
            return 0
        with connection.cursor() as cursor:
            for trigger in audit.POSTGRES_TRIGGERS if connection.vendor == "postgresql" else audit.TRIGGERS:
                on = f" ON {audit.TABLE}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}{on}")
            cursor.execute(f"DELETE FROM {audit.TABLE} WHERE at < %s", [_moment(before)])  # noqa: S608
            number = int(cursor.rowcount)
        audit.set_up(AuditEntry, connection.alias)
        span = {"from": told["first"].isoformat(), "to": told["last"].isoformat()}
        audit.record("audit_pruned", by=by, kind="auditentry", details={"by": "command", "number": number, **span})
    return number


def _moment(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)
