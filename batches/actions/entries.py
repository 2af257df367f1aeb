"""Several entries on one card: corrected, added, laid in another order, found right, taken out and brought back.

What the machine read stays in CardResult.entries; what persons made of it is CardResult.arranged.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from batches import changes
from batches.actions import activity
from batches.actions.cards import EditConflict, changed_values, read_card, stamped
from batches.drain.reading import searchable
from batches.models import Card, CardResult, FieldRevision
from cardocr_site.accounts.models import User

Arrangement = list[dict[str, Any]]
MOST = 500


class NoSuchEntry(Exception):
    """The card has no such entry any more, or the act makes no sense for it."""


def correct(card: Card, user: User, version: int, place: int, values: Mapping[str, str | None]) -> Card:
    """The values of an entry behind the first one, as a person says. Raises EditConflict, NoSuchEntry."""

    def act(change: changes.Change, fresh: Card, result: CardResult, entries: Arrangement) -> None:
        entry = _at(entries, place)
        changed = changed_values(change.batch, entry["values"], values)
        number = [one["place"] for one in result.standing()].index(place) + 1
        made = FieldRevision.objects.bulk_create(
            FieldRevision(card=fresh, key=key, entry=number, old=entry["values"].get(key), new=value, by=user)
            for key, value in changed.items()
        )
        activity.corrected(change.batch, user, fresh, made)
        if made:
            entry.setdefault("was_checked", entry["checked"])
            _follow(entry, made)
        entry |= {"values": entry["values"] | changed, "checked": True}

    return _arrange(card, user, version, act)


def _follow(entry: dict[str, Any], made: Collection[FieldRevision]) -> None:
    """Which revisions made its values goes with an entry, wherever it is moved: its number says nothing of it then."""
    history = {key: list(keys) for key, keys in entry.get("made", {}).items()}
    for one in made:
        history.setdefault(one.key, []).append(one.pk)
    entry["made"] = history


def take_back(card: Card, user: User, version: int, made: Collection[int]) -> int:
    """Put the values back that these revisions made, where they are the last ones; return how many.

    An entry that was taken out since is left. Raises EditConflict, and NoSuchEntry where there is nothing to put back.
    """
    put: list[FieldRevision] = []

    def act(change: changes.Change, fresh: Card, result: CardResult, entries: Arrangement) -> None:
        standing = [one["place"] for one in result.standing()]
        for number, place in enumerate(standing, start=1):
            put.extend(_put_back(fresh, user, number, entries[place], made))
        if not put:
            raise NoSuchEntry

    _arrange(card, user, version, act)
    return len(put)


def _put_back(card: Card, user: User, number: int, entry: dict[str, Any], made: Collection[int]) -> list[FieldRevision]:
    known = FieldRevision.objects.in_bulk([pk for keys in entry.get("made", {}).values() for pk in keys])
    back: list[FieldRevision] = []
    for key, keys in entry.get("made", {}).items():
        before = keys[: _kept(keys, made)]
        mine = [known[pk] for pk in keys[len(before) :] if pk in known]
        if not mine or entry["values"].get(key) != mine[-1].new or mine[0].old == mine[-1].new:
            continue
        if number == 1 and card.revisions.filter(entry=1, key=key, pk__gt=mine[-1].pk).exists():
            continue  # it is the card's first one by now, and was corrected as such
        back.append(FieldRevision(card=card, key=key, entry=number, old=mine[-1].new, new=mine[0].old, by=user))
    entry["values"] = entry["values"] | {one.key: one.new for one in back}
    FieldRevision.objects.bulk_create(back)
    _follow(entry, back)
    first = {key: known[keys[0]].old for key, keys in entry["made"].items() if keys[0] in known}
    if "was_checked" in entry and all(entry["values"].get(key) == old for key, old in first.items()):
        entry["checked"] = entry.pop("was_checked")
    return back


def _kept(keys: list[int], made: Collection[int]) -> int:
    """How many of these revisions come before the last ones that are all among those that were made."""
    return next((n for n in range(len(keys), 0, -1) if keys[n - 1] not in made), 0)


def add(card: Card, user: User, version: int) -> tuple[Card, int]:
    """One more entry, empty, at the end; also its place."""
    places: list[int] = []

    def act(change: changes.Change, fresh: Card, _result: CardResult, entries: Arrangement) -> None:
        if len(entries) >= MOST:
            raise NoSuchEntry
        empty = {spec.key: None for spec in change.batch.specs()}
        places.append(len(entries))
        entries.append({"machine": None, "values": empty, "checked": False, "out": False})
        activity.record(change.batch, user, "entry_add", group=True, **activity.about(fresh))

    return _arrange(card, user, version, act), places[0]


def move(card: Card, user: User, version: int, place: int, by: int) -> Card:
    """One step up (-1) or down (1) among the entries that stand. The first one's values are the card's."""

    def act(change: changes.Change, fresh: Card, result: CardResult, entries: Arrangement) -> None:
        standing = [one["place"] for one in result.standing()]
        if place not in standing or not 0 <= standing.index(place) + by < len(standing):
            raise NoSuchEntry
        other = standing[standing.index(place) + by]
        entries[place], entries[other] = entries[other], entries[place]
        activity.record(change.batch, user, "entry_move", group=True, **activity.about(fresh))

    return _arrange(card, user, version, act)


def take_out(card: Card, user: User, version: int, place: int) -> Card:
    """Not one of the card any more. It is kept and can be brought back."""

    def act(change: changes.Change, fresh: Card, _result: CardResult, entries: Arrangement) -> None:
        _at(entries, place)["out"] = True
        if all(one["out"] for one in entries):
            raise NoSuchEntry
        if entries[0]["out"]:  # the next one that stands is the card's first
            first = next(number for number, one in enumerate(entries) if not one["out"])
            entries.insert(0, entries.pop(first))
        activity.record(change.batch, user, "entry_out", group=True, **activity.about(fresh))

    return _arrange(card, user, version, act)


def bring_back(card: Card, user: User, version: int, place: int) -> Card:
    """At the end of those that stand."""

    def act(change: changes.Change, fresh: Card, _result: CardResult, entries: Arrangement) -> None:
        if place >= len(entries) or not entries[place]["out"]:
            raise NoSuchEntry
        entries.append(entries.pop(place) | {"out": False})
        activity.record(change.batch, user, "entry_back", group=True, **activity.about(fresh))

    return _arrange(card, user, version, act)


def check(card: Card, user: User, version: int, place: int, right: bool) -> Card:
    """A person says of one entry that it is right, or takes it back."""

    def act(change: changes.Change, fresh: Card, _result: CardResult, entries: Arrangement) -> None:
        entry = _at(entries, place)
        entry["checked"] = right
        entry.pop("was_checked", None)  # said of the values as they are now
        activity.record(change.batch, user, "entry_check", group=True, **activity.about(fresh))

    return _arrange(card, user, version, act)


def _arrange(
    card: Card, user: User, version: int, act: Callable[[changes.Change, Card, CardResult, Arrangement], None]
) -> Card:
    """Raises EditConflict, NoSuchEntry, and TransitionRefused for a card that was not read."""
    with changes.locked(card.batch_id) as change:
        fresh, result = read_card(change, card)
        if fresh.version != version:
            raise EditConflict(fresh)
        entries = [dict(one) for one in result.arrangement()]
        act(change, fresh, result, entries)
        first = entries[0]
        held, result.arranged, result.values = result.values, entries, first["values"]
        result.checks = {key: one for key, one in result.checks.items() if held.get(key) == result.values.get(key)}
        if result.entries is not None:
            result.fields = result.entries[first["machine"]] if first["machine"] is not None else {}
        result.search = searchable(result)
        result.save(update_fields=["arranged", "values", "checks", "fields", "search"])
        stamped(change, fresh, user)
    return fresh


def _at(entries: Arrangement, place: int) -> dict[str, Any]:
    if place >= len(entries) or entries[place]["out"]:
        raise NoSuchEntry
    return entries[place]
