"""The scans of a batch: added, listed, taken out, chosen; and its fields, all before the start."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status, UploadedFile
from ninja.params.functions import File as part

from batches import pictures
from batches.actions import choosing as choices
from batches.actions import drafts
from batches.actions import files as incoming
from batches.api import found, schemas, setup, tasks
from batches.intake.receiving import Refused as FileRefused
from batches.models import Batch, Card, Upload
from batches.queries import choosing
from batches.states import UploadStatus
from cardocr_site.contract import Closed, Listed, Paging, Reply, Text, fails, invalid, listed, reply
from templates_app.schemas import FieldIn, FieldOut

FILE = {"schema": {"type": "string", "format": "binary"}}
IMAGE = {"image/*": FILE, "application/octet-stream": FILE}  # makers of clients know the second alone

router = Router(tags=["Scans and fields of a draft"])


Files = Annotated[list[UploadedFile], part(min_length=1, description="One part for each file, all called files.")]


class Added(Schema):
    id: int
    filename: str
    original_name: str


class Rejected(Schema):
    original_name: str
    code: str = Field(examples=["FILE_TYPE_INVALID"])
    message: str


class AddedOut(Schema):
    """What came of the files. `tasks`: containers that are still being opened."""

    added: list[Added]
    rejected: list[Rejected]
    tasks: list[str] = []


@router.post(
    "/batches/{batch_id}/images",
    response={200: Reply[AddedOut], 202: Reply[AddedOut], **fails("BATCH_LOCKED", "FILE_TOO_LARGE")},
)
def add_images(request: HttpRequest, batch_id: str, files: Files) -> Any:
    """Add scans: images, multi-page TIFF, PDF, ZIP. One bad file never spoils the others.

    202: opening a container takes longer; see its task.
    """
    batch = found.editable(request, batch_id)
    if not batch.is_draft:
        raise drafts.BatchLocked
    uploads = [_take(request, batch, file) for file in files]
    opening = [tasks.of_upload(one) for one in uploads if one.status == UploadStatus.OPENING]
    told = {"added": _added(batch, uploads), "rejected": _rejected(uploads), "tasks": opening}
    return Status(202 if opening else 200, reply(told))


def _take(request: HttpRequest, batch: Batch, file: UploadedFile) -> Upload:
    user: Any = request.user
    name = file.name or ""
    try:
        return incoming.receive(batch, name, file.chunks(), size=file.size or 0, by=user)
    except FileRefused as refusal:  # the batch was started meanwhile
        status = UploadStatus.REFUSED
        return Upload(batch=batch, name=name, status=status, code=refusal.code, message=refusal.message)


def _added(batch: Batch, uploads: Iterable[Upload]) -> list[dict[str, Any]]:
    kept = [one.pk for one in uploads if one.pk and one.status in {UploadStatus.DONE, UploadStatus.OPENING}]
    cards = batch.cards.filter(upload__in=kept).order_by("position", "pk")
    return [{"id": card.pk, "filename": card.filename, "original_name": card.original_name} for card in cards]


def _rejected(uploads: Iterable[Upload]) -> list[dict[str, Any]]:
    told = []
    for one in uploads:
        if one.status == UploadStatus.REFUSED:
            told.append({"original_name": one.name, "code": one.code, "message": one.message})
        elif one.status == UploadStatus.DUPLICATE:
            message = _("The same file is there already: “%(name)s”.") % {"name": one.message}
            told.append({"original_name": one.name, "code": "DUPLICATE", "message": message})
        for member in one.members.filter(status=UploadStatus.REFUSED) if one.pk else ():
            told.append({"original_name": member.name, "code": member.code, "message": member.message})
    return told


class ImagesAsked(Paging):
    only: Literal["", "chosen", "left-out", "blank", "alike", "unreadable"] = ""


@router.get("/batches/{batch_id}/images", response=Reply[Listed[schemas.ImageOut]])
def list_images(request: HttpRequest, batch_id: str, asked: Query[ImagesAsked]) -> Any:
    """The scans, in the order in which they came."""
    batch = found.visible(request, batch_id)
    cards = choosing.found(batch, choosing.Filters(only=asked.only))
    total = None if asked.only else batch.total
    return reply(listed(cards, "id", asked.cursor, asked.limit, total=total, shown=_images))


def _images(cards: Iterable[Card]) -> list[dict[str, Any]]:
    names = ("filename", "original_name", "position", "status", "width", "height")
    return [
        {name: getattr(card, name) for name in names} | {"id": card.pk, "skip_reason": card.skip_reason or None}
        for card in cards
    ]


@router.delete("/batches/{batch_id}/images/{filename}", response={200: Reply[None], **fails("BATCH_LOCKED")})
def remove_image(request: HttpRequest, batch_id: str, filename: str) -> Any:
    """Take a scan out, before the start. By its stored name or the card's id."""
    user: Any = request.user
    batch = found.editable(request, batch_id)
    drafts.remove_cards(batch, [found.card(batch, filename)], user)
    return reply(None)


class ImageAsked(Schema):
    size: Literal["thumb", "page", "full"] = Field("page", description="full: the file as it was sent.")


@router.get(
    "/batches/{batch_id}/images/{filename}",
    response={200: None},
    openapi_extra={"responses": {200: {"description": "The image", "content": IMAGE}}},
)
def get_image(request: HttpRequest, batch_id: str, filename: str, asked: Query[ImageAsked]) -> Any:
    """The image of a card, by its stored name or the card's id. Not found while a size is not made yet."""
    batch = found.visible(request, batch_id)
    card = found.card(batch, filename)
    card.batch = batch
    return pictures.show(request, card, asked.size)


class SelectionIn(Closed):
    """One of: all cards or none, then `chosen` and `left_out` by card id, which are ticked one by one."""

    all: bool | None = Field(None, description="true: every card is read; false: none; null: as they are.")
    chosen: list[int] = Field([], max_length=100_000)
    left_out: list[int] = Field([], max_length=100_000)


class SelectionOut(Schema):
    total: int
    chosen: int
    not_chosen: int
    blank: int


@router.put("/batches/{batch_id}/selection", response={200: Reply[SelectionOut], **fails("BATCH_LOCKED")})
def set_selection(request: HttpRequest, batch_id: str, data: SelectionIn) -> Any:
    """Which cards are read, before the start. The others are skipped as not chosen and can be read later."""
    user: Any = request.user
    batch = found.editable(request, batch_id)
    wanted = {*data.chosen, *data.left_out}
    known = set(batch.cards.filter(pk__in=[one for one in wanted if abs(one) < 2**63]).values_list("pk", flat=True))
    for name, numbers in (("chosen", data.chosen), ("left_out", data.left_out)):
        if strange := sorted(set(numbers) - known):
            raise invalid(name, _("These are no cards of this batch: %(ids)s") % {"ids": strange[:10]})
    if both := set(data.chosen) & set(data.left_out):
        raise invalid("left_out", _("These are chosen, too: %(ids)s") % {"ids": sorted(both)[:10]})
    if data.all is not None:
        choices.set_all(batch, batch.cards.all(), chosen=data.all, by=user)
    choices.set_each(batch, set(data.chosen), set(data.left_out), user)
    fresh = found.visible(request, str(batch.pk))
    told = {name: getattr(fresh, name) for name in ("total", "not_chosen", "blank")}
    return reply(told | {"chosen": fresh.pending})


class FieldsIn(Closed):
    fields: list[FieldIn] = Field(min_length=1, max_length=100)
    instruction: Text | None = Field(None, max_length=20_000)


class FieldsOut(Schema):
    fields: list[FieldOut]
    instruction: str


@router.put("/batches/{batch_id}/fields", response={200: Reply[FieldsOut], **fails("BATCH_LOCKED")})
def set_fields(request: HttpRequest, batch_id: str, data: FieldsIn) -> Any:
    """What is to be read, before the start. Types that were guessed are told."""
    user: Any = request.user
    batch = found.editable(request, batch_id)
    setup.apply(batch, user, data.dict(exclude_unset=True))
    told = schemas.batch_out(found.visible(request, str(batch.pk)))
    return reply({"fields": told["fields"], "instruction": told["instruction"]})
