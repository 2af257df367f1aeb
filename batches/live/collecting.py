"""The table of a collection, followed: the cards that change in any of its batches, at most once a second."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation

from batches.live import feed, fragments
from batches.live.audience import Audience, Seat, Sheet
from batches.live.feed import FAR_BEHIND, Cursor, Frame, Row
from batches.live.fragments import Fragment
from batches.live.listing import Hall
from batches.models import Batch, Card
from batches.queries import collections, columns, live, rights
from batches.queries.rights import Role
from ocr.fields import FieldSpec

NAMED = (
    300  # batches that an address names, those that changed last; of more, what is missed while it is down is not told
)
WHOLE = 2**62  # a version is always shown as a whole: no card of it comes after

Place = tuple[int, int, Role]  # a batch, the version that was shown, and what may be done with it


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a viewer of a collection stands. Those who stand at the same place get the same frame."""

    name: str
    language: str
    fields: str  # a mark of the columns that the page has
    places: tuple[Place, ...]  # of the batches that this person may see, those that changed last first
    stale: bool = False  # the page shows a batch that it should not, or has other columns: it loads afresh

    def __str__(self) -> str:
        """As the page keeps it, and sends it back."""
        return f"{self.fields}!" + ",".join(f"{pk}.{version}" for pk, version, _role in self.places[:NAMED])

    @property
    def shown(self) -> dict[int, int]:
        return {pk: version for pk, version, _role in self.places}


def _mark(united: Iterable[FieldSpec]) -> str:
    return format(zlib.crc32("\n".join(spec.key for spec in united).encode()), "x")


def at(name: str, read: Iterable[Batch]) -> Stand:
    """Where a page stands that shows these batches as they were just read."""
    newest = sorted(read, key=lambda batch: batch.changed_at, reverse=True)
    return Stand(
        name, "", _mark(collections.fields(newest)), tuple((batch.pk, batch.version, Role.READER) for batch in newest)
    )


def parse(name: str, language: str, text: str) -> Stand:
    """What a page says of itself, before anybody has allowed it. What is no number is left out."""
    fields, _, rest = text.partition("!")
    parts = [part.partition(".") for part in rest.split(",")[:NAMED]]
    shown = {int(pk): int(version) for pk, _, version in parts if _is_number(pk) and _is_number(version)}
    return Stand(name, language, fields[:20], tuple((pk, version, Role.READER) for pk, version in shown.items()))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def seen_by(user: Any, stand: Stand) -> Stand | None:
    """The batches that this person may see now, at the versions that the page shows; None: there is none."""
    read = collections.started(collections.batches_of(user, stand.name))
    if not read:
        return None
    shown, roles = stand.shown, rights.of_each(user, read)
    every = len(shown) < NAMED  # one that is not named was started since; otherwise it stands where it is
    newest = sorted(read, key=lambda batch: (batch.pk in shown, batch.changed_at), reverse=True)
    places = ((one.pk, shown.get(one.pk, 0 if every else one.version), roles[one.pk]) for one in newest)
    gone = shown.keys() - {batch.pk for batch in read}
    stale = stand.stale or bool(gone) or _mark(collections.fields(read)) != stand.fields
    return replace(stand, places=tuple(places), stale=stale)


def renew(held: Stand, fresh: Stand) -> Stand:
    """What may be seen has perhaps changed; what was shown has not."""
    shown = held.shown
    places = tuple((pk, shown.get(pk, version), role) for pk, version, role in fresh.places)
    return replace(fresh, places=places, stale=held.stale or fresh.stale)


class Drawn:
    """Rows that were drawn: viewers who come from different places share them."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str, Role, int], str] = {}

    def rows(
        self, stand: Stand, place: Place, batch: Batch, united: Sequence[FieldSpec], cards: list[Card]
    ) -> list[Row]:
        _pk, _version, role = place
        look = (stand.name, stand.language, stand.fields, role)
        shown = columns.of_collection(united)
        shared = rights.shown(role) | {"collection": stand.name, "columns": shown, "query": ""}
        new = [card for card in cards if (*look, card.pk) not in self._rows]
        for one in collections.rows([batch], new):
            html = render_to_string("batches/_collection_row.html", shared | {"one": one})
            self._rows[*look, one.row.card.pk] = html
        return [Row(id=f"card-{card.pk}", position=card.position, html=self._rows[*look, card.pk]) for card in cards]


def frame(stand: Stand, batches: Mapping[int, Batch], drawn: Drawn) -> tuple[Stand, Frame]:
    """Where the viewer stands then, and what is not shown yet. The same for socket and polling."""
    united = collections.fields(batches.values())
    still = [place for place in stand.places if place[0] in batches]
    behind = [place for place in still if batches[place[0]].version != place[1]]
    rows: list[Row] = []
    reload = stand.stale or len(still) < len(stand.places)
    with translation.override(stand.language):
        for place in behind if not reload else ():
            batch = batches[place[0]]
            cards = feed.behind(batch, Cursor(place[1], WHOLE), "grid")
            reload = cards is None or len(rows) + len(cards) > FAR_BEHIND
            if cards is None or reload:
                break
            rows += drawn.rows(stand, place, batch, united, cards)
        made = [_check(stand, batches)] if behind and not reload else []
    first = [*behind, *(place for place in still if place not in behind)]
    there = replace(stand, places=tuple((pk, batches[pk].version, role) for pk, _shown, role in first), stale=False)
    return there, Frame(version=[str(there)], fragments=made, rows=[] if reload else rows, reload=reload)


def _check(stand: Stand, batches: Mapping[int, Batch]) -> Fragment:
    """How many cards there are to review, and whether this viewer may."""
    can_act = any(role >= Role.CORRECTOR for _pk, _version, role in stand.places)
    drawn = {"name": stand.name, "to_check": sum(batch.to_check for batch in batches.values()), "can_act": can_act}
    return Fragment(id="collection-check", html=render_to_string("batches/_collection_check.html", drawn))


def frame_of(stand: Stand) -> Frame:
    return frame(stand, _batches(stand.shown), Drawn())[1]


def _batches(ids: Iterable[int]) -> dict[int, Batch]:
    return {batch.pk: batch for batch in live.batches(set(ids))}


def draw(stands: set[Stand]) -> dict[Stand, Sheet[Stand]]:
    """One question for all versions; what is behind is read, and drawn once for all who see it in the same way."""
    fragments.use_own_addresses()
    versions = live.versions({pk for stand in stands for pk in stand.shown})
    sheets = {stand: Sheet(stand) for stand in stands}
    behind = [stand for stand in stands if stand.stale or any(versions.get(pk) != at for pk, at, _role in stand.places)]
    batches = _batches(pk for stand in behind for pk in stand.shown) if behind else {}
    drawn = Drawn()
    for stand in behind:
        there, made = frame(stand, {pk: batches[pk] for pk in stand.shown if pk in batches}, drawn)
        sheets[stand] = Sheet(there, text=feed.text_of(made))
    return sheets


_hall = Hall(draw, renew)


def join(seat: Seat[Stand]) -> Audience[Stand]:
    return _hall.join(seat)
