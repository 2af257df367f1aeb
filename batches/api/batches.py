"""The list of batches; one of them, made, changed at any time, deleted; how far it is."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status

from batches.actions import budgets, drafts, settings, trash
from batches.api import found, schemas, setup
from batches.models import Batch
from batches.queries import lists
from batches.states import BatchStatus
from cardocr_site.contract import Listed, Paging, Refused, Reply, fails, invalid, listed, reply

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
    rows = rows.select_related("owner", "engine", "template_version").prefetch_related("tags", "shares__group")
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


@router.post("/batches", response={201: Reply[schemas.BatchOut]})
def create_batch(request: HttpRequest, data: schemas.BatchIn) -> Any:
    """A draft: it waits for scans, then for its start."""
    user: Any = request.user
    if not user.runs:
        raise Refused("PERMISSION_DENIED", _("Your role makes no batches."))
    tags = setup.tags(data.tags)
    version = setup.template(user, data.template_id) if data.template_id is not None else None
    with transaction.atomic():
        batch = drafts.create(user, data.name, data.collection, template_version=version)
        settings.change(batch, user, tags)
        setup.apply(batch, user, data.dict(exclude_unset=True))
    return Status(201, reply(schemas.batch_out(found.visible(request, str(batch.pk)))))


@router.patch("/batches/{batch_id}", response=Reply[schemas.BatchOut])
def change_batch(request: HttpRequest, batch_id: str, data: schemas.BatchChange) -> Any:
    """Name, collection, tags, budget and sharing, at any time. Label and folder stay."""
    user: Any = request.user
    batch = found.editable(request, batch_id)
    given = data.dict(exclude_unset=True)
    groups = setup.groups(data.sharing.groups) if data.sharing else {}
    if data.sharing is not None:
        found.owned(request, batch_id)
    names = {name: given[name] for name in ("name", "collection") if given.get(name) is not None}
    tags = None if given.get("tags") is None else setup.tags(given["tags"])
    settings.change(batch, user, tags, **names)
    if "budget" in given:
        budgets.set_budget(batch, given["budget"], user)
    if data.sharing is not None:
        settings.share(batch, user, data.sharing.everybody, groups)
    return reply(schemas.batch_out(found.visible(request, str(batch.pk))))


class Confirmed(Schema):
    confirm: str = Field("", max_length=200, description="The name of the batch.")


@router.delete("/batches/{batch_id}", response={200: Reply[None], **fails("BATCH_STATE_INVALID")})
def delete_batch(request: HttpRequest, batch_id: str, asked: Query[Confirmed]) -> Any:
    """Into the trash, with its files. `confirm` is its name: nothing is deleted by a slip."""
    user: Any = request.user
    batch = found.owned(request, batch_id)
    if asked.confirm != batch.name:
        raise invalid("confirm", _("Send the name of the batch."))
    trash.delete(batch, user)
    return reply(None)
