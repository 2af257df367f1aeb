"""Over all batches that one may see: searched, and counted."""

from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema

from batches.api import found
from batches.models import Batch
from batches.queries import figures, search
from cardocr_site.contract import Day, Reply, Text, cursor_of, fails, invalid, reply, values_of

router = Router(tags=["Search and statistics"])


class SearchAsked(Schema):
    q: Text = Field(min_length=search.SHORTEST, max_length=200)
    cursor: str | None = Field(None, max_length=500, description="“next” of the part before.")


class BatchHit(Schema):
    id: int
    name: str
    collection: str
    status: str


class CardHit(Schema):
    batch_id: int
    card_id: int
    original_name: str
    status: str
    values: dict[str, str] = Field(description="Those in which the words stand, by label.")


class SearchOut(Schema):
    batches: list[BatchHit]
    cards: list[CardHit]
    next: str | None


@router.get("/search", response=Reply[SearchOut])
def search_all(request: HttpRequest, asked: Query[SearchAsked]) -> Any:
    """Batches and cards by words, newest first; 50 cards at a time."""
    user: Any = request.user
    page = values_of(asked.cursor, [int])[0] if asked.cursor is not None else 1
    if not 1 <= page <= 10_000:
        raise invalid("cursor", _("This is no cursor of this list: take “next” as it came."))
    seen = search.look(user, asked.q.strip(), page)
    return reply(
        {
            "batches": [
                {"id": one.pk, "name": one.name, "collection": one.collection, "status": one.status}
                for one in seen.batches
            ],
            "cards": [
                {
                    "batch_id": hit.batch.pk,
                    "card_id": hit.row.card.pk,
                    "original_name": hit.row.card.original_name,
                    "status": hit.row.card.status,
                    "values": dict(values),
                }
                for hit, values in seen.hits
            ],
            "next": cursor_of([page + 1]) if seen.more else None,
        }
    )


class StatisticsAsked(Schema):
    since: Day | None = Field(None, alias="from", description="The first day.")
    until: Day | None = Field(None, alias="to", description="The last day.")
    batch: str | None = Field(None, max_length=200, description="Integer id, uid or label.")
    owner: Text = Field("", max_length=150, description="A user name.")


class StatisticsOut(Schema):
    """`cost` by currency, of the calls whose price is known."""

    cards: int
    completed: int
    failed: int
    cards_per_day: dict[str, int]
    failures: dict[str, int] = Field(description="Cards that could not be read, by error code.")
    seconds_mean: float | None
    seconds_p95: float | None
    tokens_in: int
    tokens_out: int
    calls: int
    cost: dict[str, Decimal]
    corrections: dict[str, int] = Field(description="Corrected values, by field key.")


@router.get("/statistics", response={200: Reply[StatisticsOut], **fails("RESOURCE_NOT_FOUND")})
def get_statistics(request: HttpRequest, asked: Query[StatisticsAsked]) -> Any:
    """What was read, what failed, how long it took and what it cost, over the batches that one may see."""
    user: Any = request.user
    if asked.since and asked.until and asked.until < asked.since:
        raise invalid("to", _("The last day is before the first one."))
    if any(day is not None and not 1900 <= day.year <= 9000 for day in (asked.since, asked.until)):
        raise invalid("from", _("There are no figures of such a day."))
    batches = Batch.objects.visible_to(user)
    if asked.batch is not None:
        batches = batches.filter(pk=found.visible(request, asked.batch).pk)
    if asked.owner:
        batches = batches.filter(owner__username=asked.owner)
    return reply(figures.of(batches, asked.since, asked.until))
