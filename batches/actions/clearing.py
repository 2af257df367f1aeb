"""What is old is looked at first: a preview counts exactly what would go, and only what it names is ever deleted."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from batches import tasks
from batches.drain.clearing import BUSY, CHANGED, GONE
from batches.intake import store
from batches.models import Clearing, ClearingItem
from batches.queries import old
from cardocr_site.accounts import audit
from cardocr_site.accounts.models import User

HOLDS = timedelta(hours=24)  # a preview; then it is to be made anew
AT_ONCE = 500  # batches of one preview
LEAST, MOST = 1, 600  # months
DAYS = 30.4375  # of a month

LEFTOVERS = {
    old.SESSIONS: gettext_lazy("Sign-ins in browsers that have run out"),
    old.TOKENS: gettext_lazy("Tokens of programs that have run out"),
    old.NOTICES: gettext_lazy("Notices in the bell that were read"),
}
LEFT = {
    CHANGED: gettext_lazy("Somebody has changed it since the preview."),
    BUSY: gettext_lazy("Somebody is at work on it, or it is not old any more."),
    GONE: gettext_lazy("It had been deleted already."),
}


class Refused(Exception):
    """Nothing is deleted; says why."""


def since(months: int, now: datetime | None = None) -> datetime:
    return (now or timezone.now()) - timedelta(days=months * DAYS)


def preview(kind: str, months: int, by: User | None) -> Clearing:
    """Count and weigh what would go. Previews that nobody has confirmed are forgotten after a day."""
    if kind not in Clearing.Kind.values or not LEAST <= months <= MOST:
        raise Refused(_("Choose what to look for, and from 1 to 600 months."))
    Clearing.objects.filter(confirmed_at=None, made_at__lt=timezone.now() - HOLDS).delete()
    clearing = Clearing(kind=kind, before=since(months), by=by)
    items = list(_items(clearing))
    with transaction.atomic():
        clearing.save()
        ClearingItem.objects.bulk_create(items)
    return clearing


def _items(clearing: Clearing) -> Iterator[ClearingItem]:
    kind, before = clearing.kind, clearing.before
    if kind == Clearing.Kind.LEFTOVERS:
        for name in LEFTOVERS:
            if number := old.leftovers(name, before).count():
                yield ClearingItem(clearing=clearing, name=name, number=number)
        return
    for batch in old.batches(kind, before)[:AT_ONCE]:
        if kind in old.WHOLE:
            cards, number, size = batch.total, batch.total, store.weight(batch)
        else:
            cards, number, size = old.amount(kind, batch, before)
        yield ClearingItem(
            clearing=clearing,
            batch=batch.pk,
            uid=batch.uid,
            label=batch.label,
            name=batch.name,
            version=batch.version,
            cards=cards,
            reviewed=batch.reviewed,
            number=number,
            bytes=size,
        )


def totals(clearing: Clearing) -> dict[str, int]:
    """Over all that the preview names."""
    told = clearing.items.aggregate(cards=Sum("cards"), number=Sum("number"), bytes=Sum("bytes"), done=Sum("done"))
    return {name: value or 0 for name, value in told.items()} | {"batches": clearing.items.exclude(batch=None).count()}


def to_type(clearing: Clearing) -> int:
    """The number that confirms it: of cards; where it is about none, of what goes."""
    told = totals(clearing)
    return told["number"] if clearing.kind == Clearing.Kind.LEFTOVERS else told["cards"]


def fingerprint(clearing: Clearing) -> str:
    """Of the batches and the state in which the preview saw them."""
    seen = clearing.items.order_by("pk").values_list("batch", "version", "number", "bytes")
    return hashlib.sha256(repr((clearing.kind, clearing.before.isoformat(), list(seen))).encode()).hexdigest()[:16]


def changed(clearing: Clearing) -> list[ClearingItem]:
    """Of those that still wait, what would be left as it is, since it is not any more what the preview saw."""
    waiting = [item for item in clearing.items.all() if item.batch is not None and item.state == item.State.WAITING]
    keys = [item.batch for item in waiting if item.batch is not None]
    there = old.batches(clearing.kind, clearing.before).filter(pk__in=keys).values_list("pk", "version")
    versions = dict(there.order_by())
    return [item for item in waiting if versions.get(item.batch or 0) != item.version]


def confirm(clearing: Clearing, by: User | None, typed: str, seen: str) -> None:
    """Raises Refused. The consumer deletes; what has changed since the preview is left, and told."""
    if typed.strip() != str(to_type(clearing)):
        raise Refused(_("That is not the number. Nothing was deleted."))
    if seen != fingerprint(clearing):
        raise Refused(_("That was another preview. Nothing was deleted; look at this one."))
    with transaction.atomic():
        fresh = Clearing.objects.select_for_update().get(pk=clearing.pk)
        if fresh.confirmed_at is not None:
            return
        if fresh.made_at < timezone.now() - HOLDS:
            raise Refused(_("This preview is older than a day. Nothing was deleted; make a new one."))
        if not fresh.items.exists():
            raise Refused(_("There is nothing to delete."))
        fresh.confirmed_at, fresh.by = timezone.now(), by
        fresh.save()
        details: dict[str, Any] = {
            "which": fresh.kind,
            "cards": totals(fresh)["cards"],
            "number": totals(fresh)["number"],
        }
        audit.record("clearing", by=by, kind="clearing", name=fresh.token, details=details)
        transaction.on_commit(partial(tasks.drain, 0), robust=True)
    clearing.refresh_from_db()


def summary(clearing: Clearing) -> str:
    """What it is about, in one sentence."""
    told = totals(clearing)
    if clearing.kind == Clearing.Kind.LEFTOVERS:
        return ngettext("%(n)s row", "%(n)s rows", told["number"]) % {"n": told["number"]}
    batches = ngettext("%(n)s batch", "%(n)s batches", told["batches"]) % {"n": told["batches"]}
    cards = ngettext("%(n)s card", "%(n)s cards", told["cards"]) % {"n": told["cards"]}
    if clearing.kind == Clearing.Kind.REPLIES:
        more = ngettext("%(n)s raw reply", "%(n)s raw replies", told["number"]) % {"n": told["number"]}
    elif clearing.kind == Clearing.Kind.READINGS:
        more = ngettext("%(n)s reading", "%(n)s readings", told["number"]) % {"n": told["number"]}
    else:
        return f"{batches}, {cards}"
    return f"{batches}, {cards}, {more}"
