"""The list of batches, one of them, how far it is."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Router

from batches.api import found, schemas
from batches.models import Batch
from batches.queries import lists
from batches.states import BatchStatus
from cardocr_site.contract import Listed, Paging, Reply, listed, reply

router = Router(tags=["Batches"])


class BatchesAsked(Paging):
    status: BatchStatus | None = None
    owner: str = Field("", max_length=150, description="A user name.")
    q: str = Field("", max_length=200, description="A part of name or label.")
    tag: str = Field("", max_length=60)
    collection: str = Field("", max_length=200)


@router.get("/batches", response=Reply[Listed[schemas.BatchOut]])
def list_batches(request: HttpRequest, asked: Query[BatchesAsked]) -> Any:
    """The batches that one may see, newest first."""
    user: Any = request.user
    filters = lists.Filters.from_query(
        {"q": asked.q, "tag": asked.tag, "owner": asked.owner, "collection": asked.collection}
    )
    rows = lists.narrowed(Batch.objects.visible_to(user), filters, user)
    if asked.status is not None:
        rows = rows.filter(status=asked.status)
    rows = rows.select_related("owner", "engine", "template_version").prefetch_related("tags")
    return reply(listed(rows, "-id", asked.cursor, asked.limit, shown=_all))


def _all(batches: Iterable[Batch]) -> list[dict[str, Any]]:
    return [schemas.batch_out(batch) for batch in batches]


@router.get("/batches/{batch_id}", response=Reply[schemas.BatchOut])
def get_batch(request: HttpRequest, batch_id: str) -> Any:
    """One batch, by its integer id, uid or label."""
    return reply(schemas.batch_out(found.visible(request, batch_id)))


@router.get("/batches/{batch_id}/status", response=Reply[schemas.ProgressOut])
def get_status(request: HttpRequest, batch_id: str) -> Any:
    """How far it is, for whoever asks again and again."""
    return reply(schemas.progress_of(found.visible(request, batch_id)))
