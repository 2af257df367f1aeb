"""The list of batches, followed: the rows that somebody sees, at most once a second."""

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic
from weakref import WeakKeyDictionary

from django.template.loader import render_to_string
from django.utils import translation

from batches.live import events, fragments
from batches.live.audience import Audience, Key, Seat, Sheet
from batches.live.feed import Frame, Row, house
from batches.models import Batch
from batches.queries import lists, live, rights
from batches.queries.rights import Role

ROWS = 100  # as many as a page of the list has


@dataclass(frozen=True, slots=True)
class Shelf:
    """The batches that a viewer of the list sees, each with the version last shown (-1: none)."""

    shown: tuple[tuple[int, int], ...]
    language: str
    asked: tuple[int, ...]  # what the page shows; `shown` are those of them that this person may see
    roles: tuple[Role, ...] = ()  # what this person may do with each of `shown`

    def looks(self) -> Iterator[tuple[int, int, Role]]:
        for (pk, version), role in zip(self.shown, self.roles, strict=True):
            yield pk, version, role


def parse_ids(text: str) -> tuple[int, ...]:
    ids = [int(part) for part in text.split(",")[:ROWS] if part.isascii() and part.isdigit() and len(part) < 19]
    return tuple(dict.fromkeys(ids))


def shelf(user: Any, asked: tuple[int, ...], language: str) -> Shelf:
    visible = Batch.objects.visible_to(user).filter(pk__in=asked).only("pk", "owner_id", "everybody")
    roles = rights.of_each(user, visible)
    seen = [pk for pk in asked if pk in roles]
    return Shelf(tuple((pk, -1) for pk in seen), language, asked, tuple(roles[pk] for pk in seen))


def frame(html: Iterable[tuple[int, str]]) -> Frame:
    rows = [Row(id=f"batch-{pk}", position=place, html=text) for place, (pk, text) in enumerate(html, 1)]
    return Frame(version=[0, 0], fragments=[], rows=rows, reload=False)


Look = tuple[int, Role]  # a batch, and what may be done with it


def drawn(looks: Collection[Look], language: str) -> dict[Look, str]:
    """Rows of these batches; empty for one that is in the trash or gone."""
    with translation.override(language):
        found = lists.with_first_card(Batch.objects.filter(pk__in={pk for pk, _role in looks}, deleted_at=None))
        rows = {row.batch.pk: row for row in lists.rows(found)}
        return {look: _row(rows[look[0]], look[1]) if look[0] in rows else "" for look in looks}


def _row(row: lists.Row, role: Role) -> str:
    return render_to_string("batches/_batch_row.html", {"row": row, **lists.by_role({row.batch.pk: role})})


def frame_of(one: Shelf) -> Frame:
    """All its rows as they are now."""
    made = drawn([(pk, role) for pk, _version, role in one.looks()], one.language)
    return frame((pk, html) for (pk, _role), html in made.items())


def draw(shelves: set[Shelf]) -> dict[Shelf, Sheet[Shelf]]:
    """One question for all versions, then each changed row once per language and role."""
    fragments.use_own_addresses()
    ids = {pk for one in shelves for pk, _version in one.shown}
    versions = live.versions(ids)
    sheets, made = {}, {}
    for language in {one.language for one in shelves}:
        behind = {
            (pk, role)
            for one in shelves
            if one.language == language
            for pk, version, role in one.looks()
            if version != versions.get(pk, 0)
        }
        made[language] = drawn(behind, language) if behind else {}
    for one in shelves:
        rows = [
            (pk, made[one.language][pk, role]) for pk, version, role in one.looks() if version != versions.get(pk, 0)
        ]
        there = replace(one, shown=tuple((pk, versions.get(pk, 0)) for pk, _version in one.shown))
        sheets[one] = Sheet(there, text=json.dumps(frame(rows)) if rows else None)
    return sheets


def renew(held: Shelf, fresh: Shelf) -> Shelf:
    """Only what may still be seen, at the versions already shown."""
    versions = dict(held.shown)
    return replace(fresh, shown=tuple((pk, versions.get(pk, -1)) for pk, _version in fresh.shown))


class Hall(Generic[Key]):
    """For each event loop one audience, woken by every change of any batch."""

    def __init__(
        self, draw: Callable[[set[Key]], dict[Key, Sheet[Key]]], renew: Callable[[Key, Key], Key], every: float = 1.0
    ) -> None:
        self._draw, self._renew, self._every = draw, renew, every
        self._audiences: WeakKeyDictionary[asyncio.AbstractEventLoop, Audience[Key]] = WeakKeyDictionary()

    def join(self, seat: Seat[Key]) -> Audience[Key]:
        loop, watcher = asyncio.get_running_loop(), house().watcher
        audience = self._audiences.get(loop)
        if audience is None:

            def empty() -> None:
                self._audiences.pop(loop, None)
                watcher.unwatch_list()

            audience = Audience(events.LIST_GROUP, self._draw, self._renew, empty, self._every)
            self._audiences[loop] = audience
            watcher.watch_list()
        audience.join(seat)
        return audience


_hall = Hall(draw, renew)


def join(seat: Seat[Shelf]) -> Audience[Shelf]:
    return _hall.join(seat)
