"""For the page that closes an account, which knows nothing of batches: what the person would leave."""

from django import template

from batches.models import Batch
from batches.states import BatchStatus
from cardocr_site.accounts.models import User

register = template.Library()


@register.simple_tag
def left_behind(person: User) -> dict[str, int]:
    own = Batch.objects.filter(owner=person, deleted_at=None)
    going = own.filter(status__in=[BatchStatus.QUEUED, BatchStatus.RUNNING])
    return {"batches": own.count(), "going": going.count()}
