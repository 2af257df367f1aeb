"""What people do to try fields and engine on a few cards of a draft."""

from collections.abc import Collection
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from batches import tasks
from batches.actions import activity, drafts
from batches.actions.drafts import Refused, draft
from batches.models import Batch, Card, CardResult, TryCard, TryOut
from batches.queries import trying
from cardocr_site.accounts.models import User
from ocr.models import Engine


def ask(batch: Batch, user: Any, card_ids: Collection[int] = ()) -> TryOut:
    """Have cards read, by the consumer; without any named, as many as are tried from all over the batch.

    A card that was read with the same means is not paid again, unless all of them were: then somebody wants to see
    them read anew. Raises Refused.
    """
    with draft(batch) as change:
        batch = change.batch
        if refused := _refusal(batch):
            raise Refused(refused)
        cards = list(trying.readable(batch).filter(pk__in=card_ids)) if card_ids else trying.spread(batch)
        if not cards:
            raise Refused(_("There is no scan that could be tried."))
        if len(cards) > trying.CARDS:
            raise Refused(_("Choose at most %(n)s cards.") % {"n": trying.CARDS})
        TryOut.objects.filter(batch=batch).delete()
        tryout = TryOut.objects.create(batch=batch, asked_by=user)
        _put(tryout, cards, trying.kept(batch, batch.engine))
        activity.record(batch, user, "try", len(cards), group=True, engine=batch.engine.name if batch.engine else "")
        activity.sent_out(batch, user, batch.engine, len(cards))
        change.set()
        transaction.on_commit(partial(tasks.drain, batch.pk))
    return tryout


def _refusal(batch: Batch) -> str:
    if not batch.specs():
        return _("Name at least one field that is to be read.")
    if batch.engine is None or not batch.engine.enabled:
        return _("Choose what reads the cards.")
    return trying.refusal(batch, batch.engine)


def _put(tryout: TryOut, cards: Collection[Card], kept: dict[int, CardResult]) -> None:
    rows = [TryCard(tryout=tryout, card=card, place=place) for place, card in enumerate(cards)]
    if not all(card.pk in kept for card in cards):
        asked = [spec.to_dict() for spec in tryout.batch.specs()]
        for row in rows:
            if row.card_id in kept:
                row.result, row.finished_at, row.fields = kept[row.card_id], timezone.now(), asked
    TryCard.objects.bulk_create(rows)


def sample(user: User) -> Batch:
    """The person's draft of sample cards, tried as soon as it is made where that costs nothing."""
    batch = Batch.objects.select_related("engine").get(pk=drafts.sample(user).pk)
    local = batch.engine is not None and batch.engine.kind == Engine.Kind.LOCAL
    if local and batch.specs() and not TryOut.objects.filter(batch=batch).exists():
        ask(batch, user)
    return batch


def give_up(batch: Batch) -> None:
    """Nobody waits for what is not read yet. A call that is out ends by itself, and is booked."""
    with draft(batch) as change:
        unread = TryCard.objects.filter(tryout__batch=batch, finished_at=None)
        unread.delete()
        if not TryCard.objects.filter(tryout__batch=batch).exists():
            TryOut.objects.filter(batch=batch).delete()
        change.set()


def compared(batch: Batch, user: Any) -> None:
    """They have said that they compared the readings with the scans."""
    TryOut.objects.filter(batch=batch).update(compared_by=user, compared_at=timezone.now())
