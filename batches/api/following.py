"""What programs that follow a batch are told: its progress, each card that came to something, the end.

As on the pages, one audience per batch reads what changed and puts it into words once for all who stand at the same
place. The cursor goes from card to card, so that whoever is cut off in the middle of a version goes on there.
"""

import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from django.utils import translation
from ninja.responses import NinjaJSONEncoder

from batches.api import found, schemas
from batches.api.results import ResultOut, results_of
from batches.api.tasks import BATCH
from batches.live import feed
from batches.live.audience import Access, Audience, Seat, Sheet
from batches.live.consumers import NOT_ALLOWED, SIGNED_OUT, UNKNOWN, user_of
from batches.live.feed import Cursor
from batches.models import Batch
from batches.queries import live
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts import tokens
from cardocr_site.contract import Refused

HEARTBEAT_EVERY = 30.0  # seconds
AT_ONCE = 250  # results of one frame
WHOLE = 2**62  # all cards of a version: none comes after
BEGINNING = Cursor(0, WHOLE)
DONE = 1000  # a socket's normal end
OVER = ".done"  # after the cursor: the end of the batch was told, too


class Form(StrEnum):
    EVENTS = "Server-Sent Events"
    SOCKET = "WebSocket"


@dataclass(frozen=True, slots=True)
class Follower:
    """Where a program stands. Those who stand at the same place are told the same."""

    batch_id: int
    cursor: Cursor
    form: Form
    language: str
    greeted: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """By what a program came in; what that may see is asked again and again."""

    token: str = field(default="", repr=False)
    session_key: str | None = None

    def user(self) -> Any:
        """None where the token or the session does not hold any more."""
        if not self.token:
            return user_of(self.session_key)
        try:
            return tokens.find(self.token).user
        except tokens.Invalid:
            return None

    def access(self, follower: Follower) -> Access[Follower]:
        """Of one who has followed: somebody who never saw the batch is not told that it exists."""
        user = self.user()
        if user is None:
            return Access(SIGNED_OUT)
        if not user.must_change_password and Batch.objects.visible_to(user).filter(pk=follower.batch_id).exists():
            return Access(None, follower)
        there = Batch.objects.filter(pk=follower.batch_id, deleted_at=None).exists()
        return Access(NOT_ALLOWED if there else UNKNOWN)


def batch_of(user: Any, name: str) -> Batch | None:
    """By integer id, uid, label or the task that reads it."""
    batches = Batch.objects.visible_to(user)
    for one in (name, name.removeprefix(BATCH)):
        try:
            return found.named(batches, one)
        except Refused:
            continue
    return None


def cursor_of(text: str) -> Cursor | None:
    """`5`: after all cards of version 5; `5.12`: after its card 12; nothing: from the beginning. None: no cursor."""
    version, dot, card = text.removesuffix(OVER).partition(".")
    if not text:
        return BEGINNING
    if not _is_number(version) or (dot and not _is_number(card)):
        return None
    return Cursor(int(version), int(card) if dot else WHOLE)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _text_of(cursor: Cursor) -> str:
    return str(cursor.version) if cursor.id >= WHOLE else str(cursor)


def has_heard_all(batch: Batch, text: str) -> bool:
    return text.endswith(OVER) and is_over(batch) and cursor_of(text) == Cursor(batch.version, WHOLE)


def is_over(batch: Batch) -> bool:
    """Of one that is being stopped the last cards still come."""
    if batch.status == BatchStatus.CANCELLED:
        return not batch.pending and not batch.processing
    return batch.status in {BatchStatus.COMPLETED, BatchStatus.FAILED}


def join(seat: Seat[Follower]) -> Audience[Follower]:
    return feed.house().follow(seat.key.batch_id, seat, draw, renew, HEARTBEAT_EVERY)


def renew(held: Follower, fresh: Follower) -> Follower:
    """Being allowed changes nothing of where one stands."""
    return held


def draw(followers: set[Follower]) -> dict[Follower, Sheet[Follower]]:
    """Read the batch once, then what each has not been told. Runs in a thread."""
    batches = {batch.pk: batch for batch in live.batches({one.batch_id for one in followers})}
    told: dict[str, _Told] = {}
    sheets = {}
    for one in followers:
        batch = batches.get(one.batch_id)
        if batch is None:
            sheets[one] = Sheet(one, code=UNKNOWN)
            continue
        with translation.override(one.language):
            sheets[one] = _sheet(one, batch, told.setdefault(one.language, _Told(batch)))
    return sheets


class _Told:
    """The same words for all of one language."""

    def __init__(self, batch: Batch) -> None:
        self.progress = _json(schemas.progress_of(batch))
        self._results: dict[tuple[int, int], str] = {}

    def results(self, keys: list[tuple[int, int]]) -> list[tuple[Cursor, str]]:
        """Without those that have changed since they were looked for: they come with their new version."""
        new = [pk for version, pk in keys if (version, pk) not in self._results]
        for one in results_of(new):
            if one["status"] not in {CardStatus.PENDING, CardStatus.PROCESSING}:
                self._results[one["version"], one["card_id"]] = _json(ResultOut.model_validate(one))
        return [(Cursor(*key), self._results[key]) for key in keys if key in self._results]


def _json(told: schemas.ProgressOut | ResultOut) -> str:
    """As a reply has it."""
    return json.dumps(told.model_dump(), cls=NinjaJSONEncoder)


def _sheet(one: Follower, batch: Batch, told: _Told) -> Sheet[Follower]:
    end = Cursor(batch.version, WHOLE)
    start = one.cursor if one.cursor <= end else BEGINNING  # of another life of the database: rather twice than never
    keys = live.came_of(batch, start, AT_ONCE + 1) if start != end else []
    more = len(keys) > AT_ONCE
    over = is_over(batch) and not more
    if one.greeted and start == end and not over:
        return Sheet(one)
    keys = keys[:AT_ONCE]
    say = _event if one.form == Form.EVENTS else _message
    parts = [] if one.greeted else [say("snapshot", _text_of(start if keys else end), told.progress)]
    parts += [say("result", _text_of(cursor), body) for cursor, body in told.results(keys)]
    if one.greeted and not more:
        parts.append(say("progress", _text_of(end), told.progress))
    if over:
        parts.append(say("done", _text_of(end), told.progress))
    there = replace(one, cursor=Cursor(*keys[-1]) if more else end, greeted=True)
    return Sheet(there, "\n".join(parts) or None, code=DONE if over else None, more=more)


def _event(kind: str, cursor: str, body: str) -> str:
    """A progress at the beginning, too: there is no other word for it in the contract."""
    name = "progress" if kind == "snapshot" else kind
    return f"event: {name}\nid: {cursor}{OVER if kind == 'done' else ''}\ndata: {body}\n"


def _message(kind: str, cursor: str, body: str) -> str:
    head = f'{{"type": "{kind}", "since": "{cursor}", '
    return f'{head}"progress": {body}}}' if kind == "snapshot" else head + body.removeprefix("{")
