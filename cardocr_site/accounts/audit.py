"""The audit log: who did what to which object, when, from where, and what came of it. It is only ever added to.

Nothing secret and nothing that stands on a card goes into it: names of batches, engines and people, numbers, words of
this program. The model refuses to change or delete an entry, and so does the database itself, by triggers; they are
set up after each migration, since one that makes the table anew drops them. Old entries go
by pruning.py alone, which leaves one that says so.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connections
from django.http import HttpRequest

from cardocr_site import request_ids
from cardocr_site.accounts import addresses
from cardocr_site.accounts.models import AuditEntry, User

Outcome = AuditEntry.Outcome
TABLE = "accounts_auditentry"
_WHY = "the audit log is only ever added to"
TRIGGERS = {
    "audit_not_changed": f"BEFORE UPDATE ON {TABLE}",
    "audit_not_deleted": f"BEFORE DELETE ON {TABLE}",
    # INSERT OR REPLACE deletes without a word to the other trigger.
    "audit_not_replaced": f"BEFORE INSERT ON {TABLE} WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id)",  # noqa: S608
}
# There INSERT … ON CONFLICT DO UPDATE is an update to triggers. Emptying a table is none of the three.
POSTGRES_TRIGGERS = {
    "audit_not_changed": f"BEFORE UPDATE ON {TABLE}",
    "audit_not_deleted": f"BEFORE DELETE ON {TABLE}",
    "audit_not_emptied": f"BEFORE TRUNCATE ON {TABLE}",
}
_REFUSE = "cardocr_audit_refuse"


def record(
    act: str,
    *,
    by: Any = None,
    of: Any = None,
    kind: str = "",
    name: str | None = None,
    outcome: str = Outcome.DONE,
    request: HttpRequest | None = None,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Write one act down, within the transaction of whoever does it.

    `by` None: whoever sent the request that is being answered, if that is known. `of`: the row that it was about.
    `request`: only where it is another one than that which is being answered.
    """
    asking = request or addresses.asking()
    actor = by if by is not None and by.is_authenticated else _who(asking)
    return AuditEntry.objects.create(
        actor=actor.pk if actor else None,
        actor_name=actor.get_username() if actor else "",
        address=addresses.client_address(asking),
        act=act,
        object_kind=kind or (of._meta.model_name if of is not None else ""),
        object_id="" if of is None or of.pk is None else str(of.pk),
        object_name=(str(getattr(of, "name", "") or of) if name is None and of is not None else name or "")[:200],
        outcome=outcome,
        details=dict(details or {}),
        request_id=request_ids.current(),
    )


def _who(request: HttpRequest | None) -> User | None:
    user: Any = getattr(request, "user", None)
    return user if user is not None and user.is_authenticated else None


def set_up(sender: Any, using: str, **_: Any) -> None:
    """After each migration."""
    connection = connections[using]
    if TABLE not in connection.introspection.table_names():  # migrated back, to before there was one
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            _set_up_postgres(cursor)
            return
        for trigger, when in TRIGGERS.items():
            cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {trigger} {when} BEGIN SELECT RAISE(ABORT, '{_WHY}'); END")


def _set_up_postgres(cursor: Any) -> None:
    cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(%s)", [TABLE])
    there = {name for (name,) in cursor.fetchall()}
    if there >= {*POSTGRES_TRIGGERS}:
        return
    cursor.execute(
        f"CREATE OR REPLACE FUNCTION {_REFUSE}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $body$ BEGIN RAISE EXCEPTION '{_WHY}'; END $body$"
    )
    for trigger, when in POSTGRES_TRIGGERS.items():
        if trigger not in there:
            cursor.execute(f"CREATE TRIGGER {trigger} {when} FOR EACH STATEMENT EXECUTE FUNCTION {_REFUSE}()")
