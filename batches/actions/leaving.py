"""What becomes of the batches of somebody whose account is closed."""

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from batches import changes
from batches.actions import activity
from batches.actions.runs import ring
from batches.models import Batch
from batches.states import BatchStatus, PauseReason
from cardocr_site.accounts.models import User


def pause_batches(instance: User, **more: Any) -> None:
    """Those that are being read wait for a person, and say why. Who resumes one, lets it be read."""
    if instance.is_active:
        return
    person = instance.get_full_name() or instance.username
    message = _("The account of %(person)s, whose batch this is, has been closed.") % {"person": person}
    going = Q(status__in=[BatchStatus.QUEUED, BatchStatus.RUNNING])
    for pk in Batch.objects.filter(going, owner=instance).order_by("pk").values_list("pk", flat=True):
        with changes.locked(pk) as change:
            if not change.batch.is_active:  # over meanwhile
                continue
            activity.record(change.batch, None, "pause")
            change.move_batch(BatchStatus.PAUSED, pause_reason=PauseReason.PERSON, pause_message=message, retry_at=None)
            ring(pk)
