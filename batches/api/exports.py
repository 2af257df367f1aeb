"""Taking the results along."""

from typing import Any, Literal

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema

from batches import exports
from batches.api import found
from batches.exports import options as choices
from batches.exports import sending
from cardocr_site.contract import Refused, fails

router = Router(tags=["Results"])

FILE = {"schema": {"type": "string", "format": "binary"}}
# Makers of clients take the first for all formats: as text, a spreadsheet would be broken.
TYPES = ["application/octet-stream", *(form.content_type.partition(";")[0] for form in exports.FORMATS.values())]
FORMATS = dict.fromkeys(TYPES, FILE)


class ExportAsked(Schema):
    format: Literal["csv", "xlsx", "json", "jsonl", "txt"] = "csv"
    which: Literal["all", "read", "checked", "changed"] = "all"
    since: int = Field(0, ge=0, lt=2**63, description="With `which=changed`: after this version of the batch.")
    values: Literal["value", "verbatim", "both"] = Field("value", description="As recorded, as on the card, or both.")
    names: Literal["labels", "keys"] = "labels"
    entries: Literal["rows", "joined"] = "rows"
    separator: Literal["comma", "semicolon", "tab"] = "comma"
    bom: bool = False
    guard: bool = Field(True, description="Text that a spreadsheet takes for a formula gets an apostrophe in front.")


@router.get(
    "/batches/{batch_id}/export",
    response={200: None, **fails("BATCH_STATE_INVALID")},
    openapi_extra={"responses": {200: {"description": "The file, streamed", "content": FORMATS}}},
)
def export_batch(request: HttpRequest, batch_id: str, asked: Query[ExportAsked]) -> Any:
    """The results as a file, streamed. Noted in the batch's Activity."""
    user: Any = request.user
    batch = found.visible(request, batch_id)
    if batch.is_draft:
        raise Refused("BATCH_STATE_INVALID", _("This batch was not started yet."), {"status": batch.status})
    options = choices.from_query(_as_form(asked), batch, asked.since)
    return sending.streamed(batch, user, exports.FORMATS[asked.format], options)


def _as_form(asked: ExportAsked) -> QueryDict:
    """As the page's address says it, so that both mean the same."""
    told = QueryDict(mutable=True)
    for name in ("which", "values", "names", "entries", "separator"):
        told[name] = getattr(asked, name)
    if asked.bom:
        told["bom"] = "1"
    told["guard" if asked.guard else "unguarded"] = "1"
    return told
