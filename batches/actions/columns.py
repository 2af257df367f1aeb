"""Which columns of a batch's table a person sees."""

from collections.abc import Collection

from batches.models import Batch, HiddenColumns
from batches.queries import columns
from cardocr_site.accounts.models import User


def show(batch: Batch, user: User, wanted: Collection[str]) -> None:
    """These alone; unknown names are left out."""
    hidden = [name for name in columns.names(batch) if name not in wanted]
    if hidden:
        HiddenColumns.objects.update_or_create(batch=batch, user=user, defaults={"names": hidden})
    else:
        HiddenColumns.objects.filter(batch=batch, user=user).delete()
