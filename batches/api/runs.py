"""A batch on its way: tried, started, paused, resumed, stopped, retried, read again."""

from typing import Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Router, Schema, Status

from batches.actions import keys, rereadings, runs, trying
from batches.api import found, schemas, setup, tasks
from batches.api.filters import FilterIn
from batches.models import Batch, TryCard
from batches.queries import grid
from batches.queries.rereading import Means, versions
from cardocr_site.contract import Closed, Id, Reply, Text, fails, invalid, reply

router = Router(tags=["Reading a batch"])


class TryIn(Closed):
    card_ids: list[int] = Field([], max_length=100, description="None: some from all over the batch.")


class TriedCard(Schema):
    card_id: int
    finished: bool
    values: dict[str, str | None] | None
    error: str | None


class TryOutSchema(Schema):
    """Ask again until each card is `finished`."""

    cards: list[TriedCard]


@router.post("/batches/{batch_id}/try", response={202: Reply[TryOutSchema], **fails("BATCH_LOCKED")})
def try_batch(request: HttpRequest, batch_id: str, data: TryIn) -> Any:
    """Read up to three cards of a draft with its present settings. They are kept if the settings stay."""
    user: Any = request.user
    batch = found.editable(request, batch_id)
    wanted = {one for one in data.card_ids if abs(one) < 2**63}
    if len(wanted) < len(set(data.card_ids)) or batch.cards.filter(pk__in=wanted).count() < len(wanted):
        raise invalid("card_ids", _("These are not all cards of this batch."))
    trying.ask(batch, user, wanted)
    return Status(202, reply(_tried(batch)))


@router.get("/batches/{batch_id}/try", response=Reply[TryOutSchema])
def get_try(request: HttpRequest, batch_id: str) -> Any:
    """What came of the cards that were tried last."""
    return reply(_tried(found.visible(request, batch_id)))


def _tried(batch: Batch) -> dict[str, Any]:
    rows = TryCard.objects.filter(tryout__batch=batch).select_related("result").order_by("place")
    return {
        "cards": [
            {
                "card_id": row.card_id,
                "finished": row.finished_at is not None,
                "values": row.result.values if row.result else None,
                "error": row.error or None,
            }
            for row in rows
        ]
    }


class StartIn(Closed):
    confirm: Literal[True] = Field(description="The fields and the engine were looked at: reading may cost money.")


class Started(Schema):
    task_id: str
    status: tasks.TaskStatus


@router.post("/batches/{batch_id}/start", response={202: Reply[Started]})
def start_batch(request: HttpRequest, batch_id: str, data: StartIn) -> Any:
    """Lock the batch and have its cards read. Starting it twice is starting it once."""
    user: Any = request.user
    batch = runs.start(found.editable(request, batch_id), user)
    return Status(202, reply({"task_id": tasks.of_batch(batch), "status": tasks.batch_task(batch)["status"]}))


STATE = fails("BATCH_STATE_INVALID")


class WhoseKey(Closed):
    """May be left out. Whose key the batch is read with from now on."""

    key: Literal["batch", "mine"] = Field(
        "batch", description="batch: as it was frozen. mine: one's own; who has none means the engine's."
    )


def _key(data: WhoseKey | None) -> str:
    return data.key if data is not None else keys.BATCH


@router.post("/batches/{batch_id}/pause", response={200: Reply[schemas.ProgressOut], **STATE})
def pause_batch(request: HttpRequest, batch_id: str) -> Any:
    """After the answer no new call starts; cards in flight complete and are kept."""
    user: Any = request.user
    return reply(schemas.progress_of(runs.pause(found.editable(request, batch_id), user)))


@router.post("/batches/{batch_id}/resume", response={200: Reply[schemas.ProgressOut], **STATE})
def resume_batch(request: HttpRequest, batch_id: str, data: WhoseKey | None = None) -> Any:
    """Go on with a paused batch, also after its pilot, or read the rest of a stopped one."""
    user: Any = request.user
    return reply(schemas.progress_of(runs.resume(found.editable(request, batch_id), user, key=_key(data))))


@router.post("/batches/{batch_id}/cancel", response={200: Reply[schemas.ProgressOut], **STATE})
def cancel_batch(request: HttpRequest, batch_id: str) -> Any:
    """Stop. Cards in flight may still complete and are kept; the rest can be read later by `resume`."""
    user: Any = request.user
    return reply(schemas.progress_of(runs.cancel(found.editable(request, batch_id), user)))


class Retried(Schema):
    retried: int


@router.post("/batches/{batch_id}/retry", response={202: Reply[Retried], **STATE})
def retry_batch(request: HttpRequest, batch_id: str, data: WhoseKey | None = None) -> Any:
    """Every failed card again, nothing else."""
    user: Any = request.user
    number = runs.retry_all(found.editable(request, batch_id), user, key=_key(data))
    return Status(202, reply({"retried": number}))


@router.post("/batches/{batch_id}/retry-image/{filename}", response={202: Reply[Retried], **STATE})
def retry_image(request: HttpRequest, batch_id: str, filename: str, data: WhoseKey | None = None) -> Any:
    """One failed card again, by its stored name or id."""
    user: Any = request.user
    runs.retry_card(found.card(found.editable(request, batch_id), filename), user, key=_key(data))
    return Status(202, reply({"retried": 1}))


class RereadIn(Closed):
    """Which cards: by id or by the filter of the results; neither: all. With what: as the batch, unless said."""

    filter: FilterIn | None = None
    card_ids: list[int] | None = Field(None, min_length=1, max_length=10_000)
    engine_id: Id | None = None
    model: Text = Field("", max_length=200)
    template_version_id: Id | None = None


class Reread(Schema):
    task_id: str
    cards: int


@router.post("/batches/{batch_id}/reread", response={202: Reply[Reread], **STATE})
def reread_batch(request: HttpRequest, batch_id: str, data: RereadIn) -> Any:
    """Read cards once more; new readings stand beside the old ones as candidates until a person decides."""
    user: Any = request.user
    batch = found.editable(request, batch_id)
    if data.filter is not None and data.card_ids is not None:
        raise invalid("card_ids", _("Send either a filter or ids."))
    cards = grid.narrowed(batch, data.filter.filters(batch) if data.filter else grid.Filters())
    if data.card_ids is not None:
        cards = cards.filter(pk__in=[one for one in data.card_ids if abs(one) < 2**63])
    made = rereadings.start(batch, user, cards, _means(batch, data))
    return Status(202, reply({"task_id": tasks.of_batch(batch), "cards": made.total}))


def _means(batch: Batch, data: RereadIn) -> Means:
    engine = setup.engine(data.engine_id) if data.engine_id is not None else batch.engine
    if engine is None:
        raise invalid("engine_id", _("Choose what reads the cards."))
    version = None
    if data.template_version_id is not None:
        version = next((one for one in versions(batch) if one.pk == data.template_version_id), None)
        if version is None:
            raise invalid("template_version_id", _("That is no newer version of the batch’s template."))
    model = data.model or (batch.model if engine == batch.engine else "")
    return Means(engine=engine, model=model, version=version)
