"""What all answers to programs share: the envelope, the codes of errors, pages of a list. See docs/api.md."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Annotated, Any, Generic, Literal, TypeVar

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Schema
from pydantic import AfterValidator, AwareDatetime, BeforeValidator
from pydantic_core import core_schema

T = TypeVar("T")

STATUS_OF = {
    "AUTH_REQUIRED": 401,
    "AUTH_INVALID": 401,
    "AUTH_EXPIRED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "VALIDATION_ERROR": 422,
    "FILE_TOO_LARGE": 413,
    "FILE_TYPE_INVALID": 415,
    "BATCH_LOCKED": 409,
    "BATCH_STATE_INVALID": 409,
    "TASK_NOT_FOUND": 404,
    "TASK_ALREADY_COMPLETED": 409,
    "EDIT_CONFLICT": 409,
    "ENGINE_UNAVAILABLE": 503,
    "API_KEY_INVALID": 424,
    "NOT_READY": 503,
    "RATE_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
}
LIMIT, LIMIT_MAX = 100, 1000


class Refused(Exception):
    """An answer with an error: its code, a message for a person, details for the program."""

    def __init__(
        self, code: str, message: str, details: Mapping[str, Any] | None = None, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.status = code, STATUS_OF[code]
        self.message, self.details, self.retry_after = message, dict(details or {}), retry_after


def invalid(name: str, *messages: str) -> Refused:
    """One input is not as it must be."""
    return Refused("VALIDATION_ERROR", _("Some of what was sent is not right: see the details."), {name: messages})


def not_found(message: str = "") -> Refused:
    return Refused("RESOURCE_NOT_FOUND", message or _("There is no such thing, or you may not know of it."))


def _storable(text: str) -> str:
    """Raises ValueError for what no database keeps as text."""
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError(_("There are characters in it that are no text."))
    return text


def _named(text: str) -> str:
    """Raises ValueError for a name of nothing but spaces."""
    if not (words := " ".join(_storable(text).split())):
        raise ValueError(_("Say a name."))
    return words


def _iso(text: object) -> object:
    """Raises ValueError for what is no day as it is written in ISO 8601: a bare number is seconds to some."""
    if isinstance(text, str) and not _DAY.fullmatch(text):
        raise ValueError(_("Write a day as 2026-11-20."))
    return text


def _point(text: object) -> object:
    """Raises ValueError for a bare number, as above."""
    if isinstance(text, str) and not _DAY.match(text):
        raise ValueError(_("Write a point in time as 2026-11-20T14:05:00Z."))
    return text


# What the description says of them is what no generated client checks, and what testers of contracts go by.
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
Text = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
Name = Annotated[
    str, AfterValidator(_named), Field(json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"})
]
Day = Annotated[date, BeforeValidator(_iso)]
Moment = Annotated[AwareDatetime, BeforeValidator(_point)]
Id = Annotated[int, Field(ge=1, lt=2**63)]


def _number(value: Any) -> Any:
    """Raises ValueError for text and truth values, which would otherwise be taken for numbers."""
    if isinstance(value, str | bool):
        raise ValueError(_("Send a number."))
    return value


def _not_said(value: Any) -> Any:
    """Raises ValueError for truth values, which Python holds to be 0 and 1."""
    if isinstance(value, bool):
        raise ValueError(_("Send one of the values that are listed."))
    return value


def _strict(schema: Any) -> Any:
    """The same schema, but that text is no number and a number no truth value."""
    if isinstance(schema, list | tuple):
        return type(schema)(_strict(one) for one in schema)
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    kept = {key: value if key in ("default", "expected") else _strict(value) for key, value in schema.items()}
    if kind == "bool":
        return kept | {"strict": True}
    if kind in ("int", "float"):
        return core_schema.no_info_before_validator_function(_number, kept)
    if kind == "literal" and not any(isinstance(one, bool) for one in schema["expected"]):
        return core_schema.no_info_before_validator_function(_not_said, kept)
    return kept


class Strict(Schema):
    """An object sent to us: `"1"` is no 1, and 0 not false."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return _strict(handler(source))


class Closed(Strict):
    """The same, and a key that is not known is an error, not a wish that is passed over."""

    model_config = {"extra": "forbid"}


class Problem(Schema):
    """What went wrong. `code` is for programs and stays; `message` is for people."""

    code: str = Field(examples=["VALIDATION_ERROR"])
    message: str = Field(examples=["Some of what was sent is not right: see the details."])
    details: dict[str, Any] = Field(examples=[{"name": ["Field required"]}])


class Failure(Schema):
    """The answer to a request that was refused or failed."""

    success: Literal[False] = False
    error: Problem


class Reply(Schema, Generic[T]):
    """The answer to a request that was carried out."""

    success: Literal[True] = True
    data: T


class Listed(Schema, Generic[T]):
    """A part of a list. `next` is the `cursor` of the part after it; null: there is none."""

    items: list[T]
    next: str | None = Field(None, description="The cursor of the next part; null at the end.")
    total: int | None = Field(None, description="How many there are in all; null where nobody has counted them.")


def reply(data: Any) -> dict[str, Any]:
    return {"success": True, "data": data}


def tell_secret(request: HttpRequest, data: Any) -> dict[str, Any]:
    """A reply with something that is told this once, and is kept nowhere in the clear."""
    request._tells_secret = True  # type: ignore[attr-defined]
    return reply(data)


def tells_secret(request: HttpRequest) -> bool:
    return getattr(request, "_tells_secret", False)


CODES = "x-codes"  # of the errors that an answer may have; the description makes words and examples of them


def fails(*codes: str) -> dict[int, type[Failure]]:
    """The errors of one call beside those that each call has; for `response=`."""
    statuses = dict.fromkeys(STATUS_OF[code] for code in codes)
    return {status: _failing(tuple(code for code in codes if STATUS_OF[code] == status)) for status in statuses}


@cache
def _failing(codes: tuple[str, ...]) -> type[Failure]:
    extra = {"json_schema_extra": {CODES: list(codes)}}
    return type(f"Failure_{'_'.join(codes)}", (Failure,), {"model_config": extra, "__module__": __name__})


def envelope(code: str, message: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"success": False, "error": {"code": code, "message": message, "details": dict(details or {})}}


# -- pages of a list: by where the last one ended, so that the ten-thousandth costs what the first does


def cursor_of(values: Sequence[int | str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(values), separators=(",", ":")).encode()).decode().rstrip("=")


def values_of(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """Raises Refused."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        values = None
    as_meant = isinstance(values, list) and [type(value) for value in values] == list(kinds)
    # Whole numbers beyond 64 bits are in no column.
    if not as_meant or any(isinstance(value, int) and abs(value) >= 2**63 for value in values):
        raise invalid("cursor", _("This is no cursor of this list: take “next” as it came."))
    return list(values)


def listed(
    rows: QuerySet[Any],
    order: str,
    cursor: str | None,
    limit: int,
    *,
    total: int | None = None,
    shown: Callable[[Iterable[Any]], Iterable[Any]] = list,
) -> dict[str, Any]:
    """One part of `rows`, in the order of one unique column (`-id`: from the newest on)."""
    column, back = order.removeprefix("-"), order.startswith("-")
    if cursor is not None:
        (last,) = values_of(cursor, [int])
        rows = rows.filter(Q(**{f"{column}__{'lt' if back else 'gt'}": last}))
    found = list(rows.order_by(order)[: limit + 1])
    more = len(found) > limit
    following = cursor_of([getattr(found[limit - 1], column)]) if more else None
    return {"items": list(shown(found[:limit])), "next": following, "total": total}


class Paging(Schema):
    """The inputs of every list."""

    limit: int = Field(LIMIT, ge=1, le=LIMIT_MAX, description="How many at once.")
    cursor: str | None = Field(None, max_length=500, description="“next” of the part before.")
