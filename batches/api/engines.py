"""What reads cards: the engines, their models, a test. No address and no key is ever told."""

from typing import Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Router, Schema, Status

from batches.actions import engines as actions
from cardocr_site.accounts.authentication import need_administrator
from cardocr_site.contract import Closed, Listed, Refused, Reply, Text, fails, not_found, reply
from ocr import offers
from ocr.errors import CredentialsRefused
from ocr.models import Engine

router = Router(tags=["Engines"])


class EngineOut(Schema):
    id: int
    name: str
    kind: Engine.Kind
    place: Engine.Place
    model: str
    is_default: bool
    priced: bool = Field(description="Whether its prices are known.")
    currency: str


@router.get("/engines", response=Reply[Listed[EngineOut]])
def list_engines(request: HttpRequest) -> Any:
    """Those in use."""
    rows = list(Engine.objects.filter(enabled=True).order_by("name"))
    same = ("name", "kind", "place", "model", "is_default", "currency")
    items = [
        {name: getattr(one, name) for name in same}
        | {"id": one.pk, "priced": one.kind == Engine.Kind.LOCAL or one.price_in is not None}
        for one in rows
    ]
    return reply({"items": items, "next": None, "total": len(items)})


def _engine(engine_id: int, *, also_unused: bool = False) -> Engine:
    """Raises Refused."""
    engines = Engine.objects.all() if also_unused else Engine.objects.filter(enabled=True)
    found = engines.filter(pk=engine_id).first() if abs(engine_id) < 2**63 else None
    if found is None:
        raise not_found()
    return found


class ModelOut(Schema):
    name: str


@router.get(
    "/engines/{int:engine_id}/models",
    response={200: Reply[Listed[ModelOut]], **fails("ENGINE_UNAVAILABLE", "API_KEY_INVALID")},
)
def list_models(request: HttpRequest, engine_id: int) -> Any:
    """The models of an endpoint, asked of it by this server and remembered for a while."""
    engine = _engine(engine_id)
    if engine.kind == Engine.Kind.LOCAL:
        return reply({"items": [], "next": None, "total": 0})
    user: Any = request.user
    offer = offers.of(engine, user)
    if offer.failure:
        code = "API_KEY_INVALID" if offer.failure == CredentialsRefused.reason else "ENGINE_UNAVAILABLE"
        raise Refused(code, offer.why, {"reason": offer.failure}, retry_after=round(offers.FAILURE_KEPT))
    items = [{"name": one.name} for one in offer.models]
    return reply({"items": items, "next": None, "total": len(items)})


class TestIn(Closed):
    model: Text = Field("", max_length=200)
    key: Literal["engine", "mine"] = Field("engine", description="mine: with your own key, where you have one.")


class TestOut(Schema):
    asked: bool = Field(description="false: it is being tested already.")


@router.post("/engines/{int:engine_id}/test", response={202: Reply[TestOut]})
def test_engine(request: HttpRequest, engine_id: int, data: TestIn) -> Any:
    """Have an engine tested by one tiny real call; what came of it stands on its page. For administrators."""
    need_administrator(request)
    engine = _engine(engine_id, also_unused=True)
    if not data.model.isprintable():
        raise Refused("VALIDATION_ERROR", _("This is not the name of a model."), {"model": [data.model]})
    user: Any = request.user
    asked = actions.ask_test(engine, data.model.strip(), user, own_key=data.key == "mine")
    return Status(202, reply({"asked": asked}))
