"""Files become cards of a draft: streamed, checked, on the disk before the rows, both before the answer."""

import errno
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches import changes
from batches.intake import containers, decoders, durable, free_names, names, sniff, store
from batches.intake.receiving import Received, receive
from batches.intake.receiving import Refused as Refused  # for whoever adds
from batches.models import Batch, Card, CardScan, Upload
from ocr.errors import UnreadableImage

_ADDING = threading.Lock()
FULL = {errno.ENOSPC, errno.EDQUOT}
SAMPLES = Path(settings.BASE_DIR) / "batches" / "samples"
GROUP_CARDS, GROUP_SECONDS = 100, 1.0  # of a ZIP, in one transaction
Enter = Callable[[changes.Change, Received, int], dict[str, Any] | None]  # the file, and how many cards it makes
KEY_CHARACTERS = 50  # of a client key; a member's number follows


@dataclass(frozen=True, slots=True)
class MemberRefused:
    """A file in a ZIP of which no card was made."""

    index: int  # in the ZIP's directory
    name: str
    code: str
    message: str
    ready: "Ready | None" = None


@dataclass(frozen=True, slots=True)
class Step:
    """What has come of a received file since the step before. `total`: its pages, or the files in it."""

    done: int
    total: int
    cards: list[Card] = field(default_factory=list)  # made now, or there since an earlier run
    refusals: list[MemberRefused] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What came of a file that was sent."""

    cards: list[Card] = field(default_factory=list)
    refusals: list[MemberRefused] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ready:
    """A file that is read and about to become cards."""

    name: str
    received: Received
    pages: tuple[decoders.Page, ...]
    key: str = ""
    index: int = 0


def add_file(batch: Batch, name: str, chunks: Iterable[bytes], *, client_key: str = "") -> Outcome:
    """Keep a file; one card a page. File and rows survive a crash once this has returned.

    The same `client_key` again gives the cards that are there. Raises Refused; nothing is left behind then.
    """
    if kept := _kept(batch, client_key):
        return Outcome(kept)
    refuse_unless_open(batch)
    part, outcome = store.part(), Outcome()
    try:
        for step in steps(batch, name, receive(part, chunks), client_key=client_key):
            outcome.cards += step.cards
            outcome.refusals += step.refusals
        return outcome
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise Refused("STORAGE_FULL", _("The disk of this server is full: the file was not kept.")) from error
    finally:
        part.unlink(missing_ok=True)


def steps(
    batch: Batch,
    name: str,
    received: Received,
    *,
    client_key: str = "",
    columns: dict[str, Any] | None = None,
) -> Generator[Step, None, None]:
    """Make the cards of a received file, in as many steps as it needs, each of them committed when it is given.

    Again with the same file and `client_key`, it makes what is missing: it may be left off after any step, and begun
    anew after a crash. `columns` are set on each card. An image, a TIFF or a PDF is moved into the batch's folder; a
    ZIP is left where it is. Raises Refused; what earlier steps made stays.
    """
    refuse_unless_open(batch)
    if received.format is sniff.ZIP:
        with received.path.open("rb") as file:
            archive = containers.opened(received.path, file)
            yield from _members(name, archive, client_key, _Group(batch, columns or {}))
        return
    if kept := _kept(batch, client_key):
        yield Step(len(kept), len(kept), kept)
        return
    pages = pages_of(received)
    cards, refusals = keep(batch, [Ready(name, received, pages, client_key)], columns or {})
    if refusals:
        raise Refused(refusals[0].code, refusals[0].message)
    yield Step(len(pages), len(pages), cards)


def _members(name: str, archive: containers.Archive, client_key: str, group: "_Group") -> Iterator[Step]:
    folder = f"{names.shown(name).rpartition('/')[0]}/".lstrip("/")
    keys = {member.index: _member_key(client_key, member.index) for member in archive.members}
    group.look_up(keys.values())
    total, began = len(archive.members), time.monotonic()
    yield Step(0, total)
    try:
        for done, member in enumerate(archive.members, 1):
            group.take(archive, member, folder + member.name, keys[member.index])
            late = time.monotonic() - began >= GROUP_SECONDS
            if late or done == total or group.size >= GROUP_CARDS:
                yield Step(done, total, *group.keep())
                began = time.monotonic()
    finally:
        group.drop()


class _Group:
    """Files of a ZIP that become cards in one transaction."""

    def __init__(self, batch: Batch, columns: dict[str, Any]) -> None:
        self._batch, self._columns = batch, columns
        self._there: dict[str, list[Card]] = {}
        self._ready: list[Ready] = []
        self._kept: list[Card] = []
        self._refusals: list[MemberRefused] = []

    @property
    def size(self) -> int:
        return sum(len(ready.pages) for ready in self._ready)

    def look_up(self, keys: Iterable[str]) -> None:
        """What an earlier run has made, in one query instead of one for each file."""
        self._there = _kept_by_key(self._batch, keys)

    def take(self, archive: containers.Archive, member: containers.Member, name: str, key: str) -> None:
        if kept := self._there.get(key):
            self._kept += kept
            return
        part = store.part()
        try:
            received = receive(part, archive.unpack(member), sync=False, in_archive=True)
            self._ready.append(Ready(name, received, pages_of(received), key, member.index))
        except BaseException as error:
            part.unlink(missing_ok=True)
            if not isinstance(error, Refused):
                raise
            self._refusals.append(MemberRefused(member.index, name, error.code, error.message))

    def keep(self) -> tuple[list[Card], list[MemberRefused]]:
        durable.flush([ready.received.path for ready in self._ready])
        made: tuple[list[Card], list[MemberRefused]] = ([], [])
        if self._ready:
            made = keep(self._batch, self._ready, self._columns)
        kept = [*self._kept, *made[0]], [*self._refusals, *made[1]]
        self.drop()
        return kept

    def drop(self) -> None:
        for ready in self._ready:
            ready.received.path.unlink(missing_ok=True)
        self._ready, self._kept, self._refusals = [], [], []


def _member_key(client_key: str, index: int) -> str:
    if not client_key:
        return ""
    if len(client_key) > KEY_CHARACTERS:
        client_key = hashlib.sha256(client_key.encode()).hexdigest()[:KEY_CHARACTERS]
    return f"{client_key}/{index}"


def add_samples(batch: Batch) -> list[Card]:
    """The sample cards that come with cardocr. Again is harmless."""
    cards: list[Card] = []
    for path in sorted(SAMPLES.glob("*.jpg")):
        cards += add_file(batch, path.name, [path.read_bytes()], client_key=f"sample:{path.name}").cards
    return cards


def remove(cards: Iterable[Card]) -> None:
    """Take cards out of a draft; after the commit their files go too, unless another card needs them."""
    wanted: dict[int, list[int]] = {}
    for card in cards:
        wanted.setdefault(card.batch_id, []).append(card.pk)
    for batch_id in sorted(wanted):
        with changes.locked(batch_id) as change:
            refuse_unless_open(change.batch)
            doomed = list(change.batch.cards.filter(pk__in=wanted[batch_id]))
            if not doomed:
                continue
            beside = list(CardScan.objects.filter(card__in=[card.pk for card in doomed]).select_related("card"))
            change.remove_cards(doomed)
            _count_out([*doomed, *beside])
            used = _sources(change.batch)
            sheets = list(change.batch.sheets.filter(cards=None, scans=None))
            change.batch.sheets.filter(pk__in=[sheet.pk for sheet in sheets]).delete()
            _forget_after_commit(change.batch, [*doomed, *beside, *sheets], used)


def _count_out(scans: Iterable[Card | CardScan]) -> None:
    """The files that they came in hold fewer now."""
    for pk, number in Counter(scan.upload_id for scan in scans if scan.upload_id is not None).items():
        Upload.objects.filter(pk=pk, cards_made__gte=number).update(cards_made=F("cards_made") - number)


def _sources(batch: Batch) -> set[str]:
    beside = CardScan.objects.filter(card__batch=batch)
    return {*batch.cards.values_list("source", flat=True), *beside.values_list("source", flat=True)}


def _forget_after_commit(batch: Batch, scans: list[store.AnyScan], used: set[str]) -> None:
    transaction.on_commit(lambda: store.forget(batch, scans, used), robust=True)


def _kept(batch: Batch, client_key: str) -> list[Card]:
    return _kept_by_key(batch, [client_key]).get(client_key, [])


def _kept_by_key(batch: Batch, keys: Iterable[str]) -> dict[str, list[Card]]:
    wanted, found = {key for key in keys if key}, dict[str, list[Card]]()
    if not wanted:
        return found
    cards = Card.objects.filter(batch=batch, client_key__in=wanted).exclude(client_key="")  # as its index says
    for card in cards.order_by("page", "cut"):
        found.setdefault(card.client_key, []).append(card)
    # What has become the back of another.
    backs = CardScan.objects.filter(card__batch=batch, client_key__in=wanted - found.keys()).select_related("card")
    for scan in backs.order_by("card__position", "card"):
        cards_of = found.setdefault(scan.client_key, [])
        if scan.card not in cards_of:
            cards_of.append(scan.card)
    return found


def refuse_unless_open(batch: Batch) -> None:
    """Raises Refused where the batch takes no scans and gives none up."""
    if batch.deleted_at is not None:
        raise Refused("BATCH_LOCKED", _("This batch lies in the trash."))
    if not batch.is_draft:
        raise Refused("BATCH_LOCKED", _("This batch has been started: its scans stay as they are."))


def pages_of(received: Received) -> tuple[decoders.Page, ...]:
    try:
        inspection = decoders.pool().inspect(received.path)
    except UnreadableImage as error:
        raise Refused("FILE_TYPE_INVALID", error.message) from error
    pages = inspection.pages
    if len(pages) > settings.MAX_FILE_PAGES:
        limit = settings.MAX_FILE_PAGES
        message = ngettext(
            "The file has more than %(limit)d page.", "The file has more than %(limit)d pages.", limit
        ) % {"limit": limit}
        raise Refused("FILE_TOO_LARGE", message)
    _refuse_too_many_pixels(inspection)
    return pages


def _refuse_too_many_pixels(inspection: decoders.Inspection) -> None:
    largest = max(page.width * page.height for page in inspection.pages)
    if largest > settings.MAX_IMAGE_PIXELS:
        limit = settings.MAX_IMAGE_PIXELS
        message = _("The image has %(pixels)d million pixels; at most %(limit)d million are read.")
    elif inspection.format in {sniff.WEBP.name, sniff.AVIF.name} and largest > settings.MAX_WEBP_PIXELS:
        limit = settings.MAX_WEBP_PIXELS
        message = _(
            "The image has %(pixels)d million pixels; of WebP and AVIF at most %(limit)d million are read. "
            "Save it as JPEG, PNG or TIFF."
        )
    else:
        return
    counts = {"pixels": -(-largest // 1_000_000), "limit": limit // 1_000_000}
    raise Refused("FILE_TOO_LARGE", message % counts)


def keep(
    batch: Batch,
    group: Sequence[Ready],
    columns: dict[str, Any],
    enter: Enter | None = None,
    at_last: Callable[[], None] | None = None,
) -> tuple[list[Card], list[MemberRefused]]:
    """The cards of these files, all in one transaction; and those that the batch has no room for.

    `enter` is asked for each file under the batch's lock: further columns of its cards, or None to keep it out.
    `at_last` is called when the cards are made.
    """
    made: list[Card] = []
    refusals: list[MemberRefused] = []
    moves: dict[Path, Path] = {}
    try:
        arriving = store.kept().arriving([ready.received.path for ready in group])
        with arriving, _turn(), changes.locked(batch) as change:
            refuse_unless_open(change.batch)
            folder = store.make(change.batch)
            there = _kept_by_key(batch, [ready.key for ready in group])
            last = change.batch.cards.order_by("-position").values_list("position", flat=True).first() or 0
            for ready in group:
                if kept := there.get(ready.key):
                    made += kept
                    continue
                try:
                    _refuse_too_many(change, len(ready.pages))
                except Refused as refusal:
                    refusals.append(MemberRefused(ready.index, ready.name, refusal.code, refusal.message, ready))
                    continue
                further = enter(change, ready.received, len(ready.pages)) if enter else {}
                if further is None:
                    continue
                source, cards = _cards(change.batch, folder, ready, last)
                last += len(cards)
                for card in cards:
                    for column, value in (columns | further).items():
                        setattr(card, column, value)
                made += change.add_cards(cards)
                moves[ready.received.path] = folder / source
            if at_last is not None:
                at_last()
            store.kept().keep(moves)
    except BaseException:
        store.kept().take_back(moves)
        raise
    return made, refusals


def _turn() -> AbstractContextManager[object]:
    """Threads that wait for each other inside SQLite sleep longer than there is to wait for."""
    return _ADDING if connection.vendor == "sqlite" else nullcontext()


def _refuse_too_many(change: changes.Change, pages: int) -> None:
    limit = settings.MAX_BATCH_CARDS
    if change.counted("total") + pages > limit:
        message = ngettext("A batch holds at most %(limit)d card.", "A batch holds at most %(limit)d cards.", limit) % {
            "limit": limit
        }
        raise Refused("VALIDATION_ERROR", message)


def _cards(batch: Batch, folder: Path, ready: Ready, last: int) -> tuple[str, list[Card]]:
    """The stored name, and a card for each page, behind the last one."""
    pages, received = ready.pages, ready.received
    source, filenames = free_names.find(batch, folder, ready.name, received.format.extension, len(pages))
    return source, [
        Card(
            batch=batch,
            position=last + number,
            filename=filename,
            source=source,
            page=number if len(pages) > 1 else 0,
            original_name=names.shown(ready.name) or source,
            client_key=ready.key,
            sha256=received.sha256,
            size=received.size,
            width=page.width,
            height=page.height,
            media_type=received.format.media_type,
        )
        for number, (filename, page) in enumerate(zip(filenames, pages, strict=True), 1)
    ]
