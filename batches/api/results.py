"""What was read of the cards: listed, followed, corrected, decided, told back to its first reading."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema

from batches.actions import candidates as decisions
from batches.actions import cards as edits
from batches.api import found
from batches.drain import files
from batches.models import Batch, Card, CardResult
from batches.queries import words
from batches.states import CardStatus, ResultState
from cardocr_site.contract import (
    Closed,
    Listed,
    Paging,
    Refused,
    Reply,
    Text,
    cursor_of,
    fails,
    invalid,
    not_found,
    reply,
    values_of,
)
from ocr.errors import of_reason

router = Router(tags=["Results"])

Region = list[float]


class ValueOut(Schema):
    """The machine's reading of one field, who has said that its value is right, and why it deserves a look."""

    verbatim: str | None
    value: str | None = Field(description="What holds now: read, corrected or entered.")
    state: Literal["value", "absent", "unreadable", "not_asked"]
    confidence: float | None
    region: Region | None = Field(description="x, y, width, height, as parts of the upright image.")
    issues: list[str]
    verified_by: str | None


class Candidate(Schema):
    """Another reading that waits for a person. `n` names it in `…/candidates/{int:n}/accept`."""

    n: int
    engine: str
    model: str
    values: dict[str, str | None]


class ErrorOut(Schema):
    code: str
    message: str


class ResultOut(Schema):
    card_id: int
    filename: str
    original_name: str
    position: int
    version: int
    template_version: int | None
    to_check: bool
    candidates: list[Candidate]
    status: CardStatus
    values: dict[str, str | None]
    fields: dict[str, ValueOut]
    confidence: dict[str, float | None]
    confidence_overall: float | None
    issues: dict[str, list[str]]
    entries: list[dict[str, str | None]] | None
    transcription: str
    summary: str
    pictures: str
    reviewed: bool
    reviewed_by: str | None
    error: ErrorOut | None
    attempts: int
    engine: str | None
    model: str | None
    tokens_in: int | None
    tokens_out: int | None
    cost: Decimal | None
    duration_seconds: float | None
    finished_at: datetime | None


def results_of(keys: Iterable[int]) -> list[dict[str, Any]]:
    """Of these cards, in their order; a few statements, however many there are."""
    cards = files.load(list(keys))
    waiting: dict[int, list[CardResult]] = {}
    open_to = [card.pk for card in cards if card.candidates]
    if open_to:
        for one in CardResult.objects.filter(card__in=open_to, state=ResultState.CANDIDATE).order_by("pk"):
            waiting.setdefault(one.card_id, []).append(one)
    checked = {said["by"] for card in cards if card.result for said in card.result.checks.values()}
    people = get_user_model().objects.in_bulk(checked) if checked else {}
    names = {str(pk): person.get_username() for pk, person in people.items()}
    return [_result(card, waiting.get(card.pk, []), names) for card in cards]


def _result(card: Card, waiting: list[CardResult], names: dict[str, str]) -> dict[str, Any]:
    result = card.result if card.is_read else None
    return {
        **{name: getattr(card, name) for name in ("filename", "original_name", "position", "version", "status")},
        **{name: getattr(card, name) for name in ("to_check", "reviewed", "finished_at")},
        "card_id": card.pk,
        "candidates": [
            {"n": one.pk, "engine": one.engine_name, "model": one.model, "values": one.values} for one in waiting
        ],
        "reviewed_by": card.reviewed_by.get_username() if card.reviewed_by else None,
        "error": {"code": card.error, "message": _(of_reason(card.error).sentence)} if card.error else None,
        "attempts": card.tries,
        **(_read(card, result, names) if result else _UNREAD),
        "duration_seconds": card.duration,
    }


_UNREAD: dict[str, Any] = {
    **dict.fromkeys(("template_version", "confidence_overall", "entries", "engine", "model")),
    **dict.fromkeys(("tokens_in", "tokens_out", "cost")),
    **dict.fromkeys(("transcription", "summary", "pictures"), ""),
    **{name: {} for name in ("values", "fields", "confidence", "issues")},
}


def _read(card: Card, result: CardResult, names: dict[str, str]) -> dict[str, Any]:
    issues = files.issues(card.batch, result.fields)
    call = vars(result)["call"]
    keys = dict.fromkeys([*result.values, *result.fields])
    return {
        "template_version": result.template_version.number if result.template_version else None,
        "values": result.values,
        "fields": {key: _value(result, key, issues.get(key, []), names) for key in keys},
        "confidence": {key: stored.get("confidence") for key, stored in result.fields.items()},
        "confidence_overall": result.confidence,
        "issues": issues,
        "entries": None if result.entries is None and result.arranged is None else result.values_of_entries(),
        **{name: getattr(result, name) for name in ("transcription", "summary", "pictures", "model")},
        "engine": result.engine_name or None,
        **{name: getattr(call, name, None) for name in ("tokens_in", "tokens_out", "cost")},
    }


def _value(result: CardResult, key: str, issues: list[str], names: dict[str, str]) -> dict[str, Any]:
    stored = result.fields.get(key, {})
    said = result.checks.get(key)
    return {
        "verbatim": stored.get("verbatim"),
        "value": result.values.get(key),
        "state": stored.get("state", "not_asked"),
        "confidence": stored.get("confidence"),
        "region": (stored.get("regions") or [None])[0],
        "issues": issues,
        "verified_by": names.get(said["by"]) if said else None,
    }


# -- the list


class ResultsAsked(Paging):
    status: CardStatus | None = None
    min_confidence: float | None = Field(None, ge=0, le=1)
    reviewed: bool | None = None
    q: Text = Field("", max_length=200, description="Words of the values or the file name.")
    since: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="Only cards that changed after this version of the batch, in the order of their changes. "
        "Go on with the highest `version` that was seen.",
    )


@router.get("/batches/{batch_id}/results", response=Reply[Listed[ResultOut]])
def list_results(request: HttpRequest, batch_id: str, asked: Query[ResultsAsked]) -> Any:
    """The cards with what was read; by position, or with `since` by the order in which they changed."""
    batch = found.visible(request, batch_id)
    cards, whole = _narrowed(batch, asked)
    column = "position" if asked.since is None else "version"
    if asked.since is not None:
        cards = cards.filter(version__gt=asked.since, version__lte=batch.version)
    if asked.cursor is not None:
        last, pk = values_of(asked.cursor, [int, int])
        cards = cards.filter(Q(**{f"{column}__gte": last})).exclude(Q(**{column: last, "pk__lte": pk}))
    rows = list(cards.order_by(column, "pk").values_list("pk", column)[: asked.limit + 1])
    more = len(rows) > asked.limit
    shown = rows[: asked.limit]
    following = cursor_of([shown[-1][1], shown[-1][0]]) if more else None
    total = batch.total if whole else None
    return reply({"items": results_of(pk for pk, _ in shown), "next": following, "total": total})


def _narrowed(batch: Batch, asked: ResultsAsked) -> tuple[QuerySet[Card], bool]:
    """And whether those are all that there are."""
    cards = batch.cards.all()
    if asked.status is not None:
        cards = cards.filter(status=asked.status)
    if asked.min_confidence is not None:
        cards = cards.filter(result__confidence__gte=asked.min_confidence)
    if asked.reviewed is not None:
        cards = cards.filter(reviewed=asked.reviewed)
    if asked.q.strip():
        cards = cards.filter(words.matching(asked.q.strip()))
    narrowed = (asked.status, asked.min_confidence, asked.reviewed, asked.since)
    return cards, all(one is None for one in narrowed) and not asked.q.strip()


@router.get("/batches/{batch_id}/results/{card_id}", response=Reply[ResultOut])
def get_result(request: HttpRequest, batch_id: str, card_id: str) -> Any:
    """One card, by its id or stored name."""
    return reply(_one(found.card(found.visible(request, batch_id), card_id)))


def _one(card: Card) -> dict[str, Any]:
    return results_of([card.pk])[0]


# -- corrected


class Correction(Closed):
    version: int = Field(ge=0, lt=2**63, description="Of the card, as it was read.")
    values: dict[str, Text | None] = Field({}, max_length=100)
    reviewed: bool | None = Field(None, description="Whether a person has found the card right.")


CHANGE = fails("EDIT_CONFLICT", "BATCH_STATE_INVALID")


@router.patch("/batches/{batch_id}/results/{card_id}", response={200: Reply[ResultOut], **CHANGE})
def correct_result(request: HttpRequest, batch_id: str, card_id: str, data: Correction) -> Any:
    """Record what stands on the card. Nothing is refused for its form; the machine's reading stays in the history.

    Somebody else's change meanwhile is EDIT_CONFLICT: `details` holds the card as it stands now.
    """
    user: Any = request.user
    batch = found.correctable(request, batch_id)
    card = found.card(batch, card_id)
    known = {spec.key for spec in batch.specs()}
    if strange := sorted(set(data.values) - known):
        raise invalid("values", _("These are no fields of this batch: %(keys)s") % {"keys": ", ".join(strange[:10])})
    try:
        return reply(_one(edits.correct(card, user, data.version, data.values, data.reviewed)))
    except edits.EditConflict as conflict:
        raise _conflict(conflict) from conflict


def _conflict(conflict: edits.EditConflict) -> Refused:
    message = _("Somebody has changed this card since you read it: see how it stands now.")
    return Refused("EDIT_CONFLICT", message, ResultOut.model_validate(_one(conflict.current)).model_dump(mode="json"))


# -- other readings


class Decision(Closed):
    version: int = Field(ge=0, lt=2**63, description="Of the card, as it was read.")


class Acceptance(Decision):
    keys: list[str] | None = Field(None, max_length=100, description="These values alone; null: all of it.")


@router.post(
    "/batches/{batch_id}/results/{card_id}/candidates/{int:n}/accept", response={200: Reply[ResultOut], **CHANGE}
)
def accept_candidate(request: HttpRequest, batch_id: str, card_id: str, n: int, data: Acceptance) -> Any:
    """Let another reading hold, or some of its values. The present one stays in the history."""
    user: Any = request.user
    card = found.card(found.correctable(request, batch_id), card_id)
    return _decided(lambda: decisions.accept(card, user, data.version, _reading(n), data.keys))


@router.post(
    "/batches/{batch_id}/results/{card_id}/candidates/{int:n}/reject", response={200: Reply[ResultOut], **CHANGE}
)
def reject_candidate(request: HttpRequest, batch_id: str, card_id: str, n: int, data: Decision) -> Any:
    """Keep what holds."""
    user: Any = request.user
    card = found.card(found.correctable(request, batch_id), card_id)
    return _decided(lambda: decisions.reject(card, data.version, _reading(n), user))


def _reading(n: int) -> int:
    if abs(n) >= 2**63:
        raise not_found()
    return n


def _decided(decide: Any) -> Any:
    try:
        return reply(_one(decide()))
    except edits.EditConflict as conflict:
        raise _conflict(conflict) from conflict
    except decisions.NoSuchReading as error:
        raise not_found(_("Somebody has decided about this reading already, or it is none of this card’s.")) from error


# -- history

MOST = 1000


class AttemptOut(Schema):
    started_at: datetime
    duration_seconds: float
    engine: str
    model: str
    error: str | None
    error_message: str
    tokens_in: int | None
    tokens_out: int | None
    cost: Decimal | None


class CorrectionOut(Schema):
    """One correction of one value. `old` and `new` null: nothing stands there."""

    at: datetime
    by: str | None
    key: str
    entry: int
    old: str | None
    new: str | None


class HistoryOut(Schema):
    attempts: list[AttemptOut]
    corrections: list[CorrectionOut]


@router.get("/batches/{batch_id}/results/{card_id}/history", response=Reply[HistoryOut])
def get_history(request: HttpRequest, batch_id: str, card_id: str) -> Any:
    """Every call and every correction, newest first: who, when, from, to."""
    card = found.card(found.visible(request, batch_id), card_id)
    calls = card.attempts.order_by("-pk")[:MOST]
    corrections = card.revisions.select_related("by").order_by("-pk")[:MOST]
    same = ("started_at", "model", "error_message", "tokens_in", "tokens_out", "cost")
    return reply(
        {
            "attempts": [
                {name: getattr(one, name) for name in same}
                | {"engine": one.engine_name, "error": one.error or None, "duration_seconds": one.duration}
                for one in calls
            ],
            "corrections": [
                {name: getattr(one, name) for name in ("at", "key", "entry", "old", "new")}
                | {"by": one.by.get_username() if one.by else None}
                for one in corrections
            ],
        }
    )
