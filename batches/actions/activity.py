"""What people did, written down where they do it: one entry for an act, however many cards it changed.

`record` is called inside the transaction of the act. Which sentence a kind is said in: templatetags/activity_words.py.
What matters beyond the batch is written into the audit log as well.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from batches.models import Activity, Batch, Card, FieldRevision
from cardocr_site.accounts import audit
from cardocr_site.accounts.models import User
from ocr import addresses
from ocr.models import Engine

AUDITED = {
    *("start", "pause", "resume", "stop", "retry", "reread", "try", "unreadable"),
    *("delete", "restore", "sharing", "export", "export_collection", "erase_card", "remove_scans", "replace_scan"),
    *("read_skipped", "read_rest"),
}
READ = {"retry", "read_skipped", "read_rest"}  # cards go to the batch's engine once more
COUNTED = READ | {"start", "resume", "stop", "reread", "try", "unreadable", "remove_scans"}  # so many cards
TOLD = {
    "engine",
    "format",
    "which",
    "everybody",
    "groups",
    "collection",
    "do",
    "cause",
    "position",
    "erased",
}  # of what is said: no name of a card
TOGETHER = timedelta(minutes=30)  # acts of one kind by one person no further apart are one entry


def record(
    batch: Batch | int, by: User | None, kind: str, count: int = 1, *, group: bool = False, **what: Any
) -> Activity | None:
    """Write an act down. `by` None: no person did it, and nothing is written.

    `group`: the person's last entry in this batch goes on, where it is of this kind and not long ago. What it says is
    then what the last act says, but for `first`; and it names a `card` only as long as all were about that one.
    """
    if by is None:
        return None
    _audit(batch, by, kind, count, what)
    return _record(batch, by, kind, count, what, group=group)


def _record(
    batch: Batch | int, by: User, kind: str, count: int, what: dict[str, Any], *, group: bool = False
) -> Activity:
    pk = batch if isinstance(batch, int) else batch.pk
    now = timezone.now()
    if group and (last := _last(pk, by, kind)) is not None and now - last.at < TOGETHER:
        last.at, last.count, last.what = now, last.count + count, _joined(last.what, what)
        last.save(update_fields=["at", "count", "what"])
        return last
    return Activity.objects.create(batch_id=pk, by=by, at=now, kind=kind, count=count, what=what)


def record_each(batches: Sequence[Batch], by: User, kind: str, **what: Any) -> None:
    """One act on several batches: each has an entry."""
    now = timezone.now()
    Activity.objects.bulk_create(Activity(batch=batch, by=by, at=now, kind=kind, what=what) for batch in batches)
    for batch in batches:
        _audit(batch, by, kind, None, what)


def _audit(batch: Batch | int, by: User, kind: str, count: int | None, what: dict[str, Any]) -> None:
    if kind in AUDITED:
        told = {name: value if isinstance(value, dict) else str(value) for name, value in what.items() if name in TOLD}
        of = Batch.objects.get(pk=batch) if isinstance(batch, int) else batch
        audit.record(kind, by=by, of=of, details=told | ({"count": count} if count and kind in COUNTED else {}))
        if kind in READ:
            sent_out(of, by, of.engine, count)


def bulk(batch: Batch, by: User, do: str, count: int, *, undone: bool = False) -> None:
    """An act on many cards at once, of which actions/bulk.py keeps the entry."""
    audit.record("bulk_undone" if undone else "bulk", by=by, of=batch, details={"do": do, "count": count})
    if do in READ and not undone:
        sent_out(batch, by, batch.engine, count)


def sent_out(batch: Batch, by: User | None, engine: Engine | None, cards: int | None) -> None:
    """So many cards of the batch go to an engine outside the house, from now on; None: nobody has counted them."""
    if engine is not None and engine.place == Engine.Place.OUTSIDE and engine.kind != Engine.Kind.LOCAL:
        told = {"engine": engine.name, "host": addresses.host_of(engine.address)}
        audit.record("sent_out", by=by, of=batch, details=told | ({} if cards is None else {"cards": cards}))


def _last(batch_id: int, by: User, kind: str) -> Activity | None:
    """The person's last entry in the batch, where it can go on."""
    last = Activity.objects.filter(batch=batch_id, by=by).order_by("-at", "-id").first()
    return last if last is not None and last.kind == kind and last.undone_at is None else None


def _joined(before: dict[str, Any], what: dict[str, Any]) -> dict[str, Any]:
    said = before | what | {name: before[name] for name in ("first",) if name in before}
    if before.get("card") != what.get("card"):
        said.pop("card", None)
        said.pop("name", None)
    return said


def more(entry: Activity | None, batch: Batch, by: User | None, kind: str, count: int, **what: Any) -> Activity | None:
    """One entry for an act that goes in blocks: made with the first, told of each other in its transaction."""
    if entry is None:
        if by is None:
            return None
        _audit(batch, by, kind, None, what)  # nobody knows yet how many there will be
        if kind == "skip":  # all that failed for one cause; a single card that is left out is no such act
            audit.record("bulk", by=by, of=batch, details={"do": kind, "cause": what.get("cause", "")})
        return _record(batch, by, kind, count, what)
    entry.count += count
    entry.save(update_fields=["count"])
    return entry


def about(card: Card) -> dict[str, Any]:
    """The card that an act was about, by its key and the name that it had."""
    return {"card": card.pk, "name": card.short_name}


def corrected(batch: Batch, by: User, card: Card, revisions: Sequence[FieldRevision], kind: str = "correct") -> None:
    """Values that a person has changed: those of the same sitting are one entry, not one for each key stroke."""
    if revisions:
        keys = [one.pk for one in revisions]
        record(batch, by, kind, len(keys), group=True, first=min(keys), last=max(keys), **about(card))
