"""What changed in a batch since a cursor, drawn once for everybody who looks at it in the same way."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypedDict, TypeVar
from weakref import WeakKeyDictionary

from django.utils import translation

from batches.live import events, fragments
from batches.live.audience import Audience, Seat, Sheet
from batches.live.fragments import Fragment, Role, Viewer
from batches.live.watcher import Watcher
from batches.models import Batch, Card
from batches.queries import live

FAR_BEHIND = 500  # changed cards; beyond it a page loads afresh
LARGEST = 4_000_000  # bytes of one message; the server would drop one beyond its own limit without a word
GONE = 4404
VIEWS = ("live", "grid", "fields", "problems")
ROWLESS = ("fields", "problems")
EVERY = 0.25  # seconds between two frames

Key = TypeVar("Key")


class Cursor(NamedTuple):
    """The end of a complete version, and the last card stamped with it: everything up to here has been shown."""

    version: int
    id: int

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """ "12.345"; whatever else it says, it starts from the beginning."""
        version, _, card = text.partition(".")
        if not (version.isascii() and version.isdigit() and card.isascii() and card.isdigit()) or len(text) > 40:
            return cls(0, 0)
        return cls(int(version), int(card))

    def __str__(self) -> str:
        return f"{self.version}.{self.id}"


class Row(TypedDict):
    id: str
    position: int
    html: str


class Frame(TypedDict):
    version: list[int] | list[str]  # joined by dots it is the cursor
    fragments: list[Fragment]
    rows: list[Row]
    reload: bool


def cursor_at(batch: Batch) -> Cursor:
    """Where a page stands that shows this batch as it was just read."""
    return Cursor(batch.version, live.last_card_of(batch, batch.version))


def frame(batch: Batch, cursor: Cursor, viewer: Viewer, drawn: "Drawn | None" = None) -> Frame:
    """What `viewer` has not seen yet of `batch`, which was just read. The same for socket and polling."""
    if cursor.version == batch.version:
        return Frame(version=[*cursor], fragments=[], rows=[], reload=False)
    end = cursor_at(batch)
    cards = behind(batch, cursor, viewer.view)
    if cards is None:
        return Frame(version=[*end], fragments=[], rows=[], reload=True)
    drawn = drawn or Drawn()
    with translation.override(viewer.language):
        rows = drawn.rows(batch, cards, viewer)
        return Frame(version=[*end], fragments=drawn.fragments(batch, viewer), rows=rows, reload=False)


def behind(batch: Batch, cursor: Cursor, view: str) -> list[Card] | None:
    """The cards that changed since; None where they are too many, or nobody can tell: the page loads afresh."""
    lost = cursor.version > batch.version or cursor.version < batch.reload_after
    no_rows = lost or view in ROWLESS
    cards = [] if no_rows else live.changed(batch, cursor, view=view, limit=FAR_BEHIND + 1)
    return None if lost or len(cards) > FAR_BEHIND else cards


class Drawn:
    """What has been drawn of a batch at one version: viewers who come from different cursors share it."""

    def __init__(self) -> None:
        self._fragments: dict[Viewer, list[Fragment]] = {}
        self._rows: dict[tuple[Viewer, int], str] = {}

    def fragments(self, batch: Batch, viewer: Viewer) -> list[Fragment]:
        if viewer not in self._fragments:
            self._fragments[viewer] = fragments.of(batch, viewer)
        return self._fragments[viewer]

    def rows(self, batch: Batch, cards: list[Card], viewer: Viewer) -> list[Row]:
        new = [card for card in cards if (viewer, card.pk) not in self._rows]
        for card, html in zip(new, fragments.rows(batch, new, viewer), strict=True):
            self._rows[viewer, card.pk] = html
        return [Row(id=f"card-{card.pk}", position=card.position, html=self._rows[viewer, card.pk]) for card in cards]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a viewer of a batch stands. Those who stand at the same place get the same frame."""

    batch_id: int
    cursor: Cursor
    viewer: Viewer


def draw(places: set[Place]) -> dict[Place, Sheet[Place]]:
    """Read the batch once, then draw for each place. Runs in a thread."""
    fragments.use_own_addresses()
    batches = {batch.pk: batch for batch in live.batches({place.batch_id for place in places})}
    drawn = {batch_id: Drawn() for batch_id in batches}
    sheets = {}
    for place in places:
        batch = batches.get(place.batch_id)
        if batch is None:
            sheets[place] = Sheet(place, code=GONE)
            continue
        made = frame(batch, place.cursor, place.viewer, drawn[batch.pk])
        there = replace(place, cursor=Cursor(*(int(part) for part in made["version"])))
        sheets[place] = Sheet(there, text=None if there == place else text_of(made))
    return sheets


def text_of(made: Frame) -> str:
    text = json.dumps(made)
    if len(text) <= LARGEST:
        return text
    return json.dumps(Frame(version=made["version"], fragments=[], rows=[], reload=True))


def seen_by(place: Place, role: Role) -> Place:
    return replace(place, viewer=replace(place.viewer, role=role))


def renew(held: Place, fresh: Place) -> Place:
    """The role may have changed; where the viewer stands has not."""
    return replace(held, viewer=fresh.viewer)


class House:
    """All audiences of one event loop, and the watcher that wakes them."""

    def __init__(self) -> None:
        self.watcher = Watcher()
        self.feeds: dict[int, Audience[Place]] = {}
        self.programs: dict[int, Audience[Any]] = {}

    def join(self, seat: Seat[Place]) -> Audience[Place]:
        return self._admit(self.feeds, seat.key.batch_id, seat, draw, renew)

    def follow(
        self,
        batch_id: int,
        seat: Seat[Key],
        draw: Callable[[set[Key]], dict[Key, Sheet[Key]]],
        renew: Callable[[Key, Key], Key],
        beat_every: float,
    ) -> Audience[Key]:
        """As join, for those who get no HTML."""
        return self._admit(self.programs, batch_id, seat, draw, renew, beat_every)

    def _admit(
        self,
        room: dict[int, Audience[Key]],
        batch_id: int,
        seat: Seat[Key],
        draw: Callable[[set[Key]], dict[Key, Sheet[Key]]],
        renew: Callable[[Key, Key], Key],
        beat_every: float | None = None,
    ) -> Audience[Key]:
        audience = room.get(batch_id)
        if audience is None:

            def empty() -> None:
                room.pop(batch_id, None)
                if batch_id not in self.feeds and batch_id not in self.programs:
                    self.watcher.unwatch(batch_id)

            audience = Audience(events.group(batch_id), draw, renew, empty, EVERY, beat_every)
            room[batch_id] = audience
            self.watcher.watch(batch_id)
        audience.join(seat)
        return audience


_houses: WeakKeyDictionary[asyncio.AbstractEventLoop, House] = WeakKeyDictionary()


def house() -> House:
    """The one of the running loop."""
    return _houses.setdefault(asyncio.get_running_loop(), House())
