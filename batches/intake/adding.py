"""Files become cards of a draft: streamed, checked, on the disk before the row, both before the answer."""

import errno
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches import changes
from batches.intake import decoders, names, sniff, store
from batches.models import Batch, Card
from ocr.errors import UnreadableImage

FULL = {errno.ENOSPC, errno.EDQUOT}
SAMPLES = Path(settings.BASE_DIR) / "batches" / "samples"


class Refused(Exception):
    """This file, or this change, alone is refused: `code` of the API, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class _Received:
    path: Path
    format: sniff.Format
    size: int
    sha256: str


def add_file(batch: Batch, name: str, chunks: Iterable[bytes], *, client_key: str = "") -> list[Card]:
    """Keep a file; return its cards, one a page. File and rows survive a crash once this has returned.

    The same `client_key` again gives the cards that are there. Raises Refused; nothing is left behind then.
    """
    if kept := _kept(batch, client_key):
        return kept
    _refuse_unless_open(batch)
    part = store.part()
    try:
        received = _receive(part, chunks)
        pages = _pages(received)
        return _keep(batch, name, received, pages, client_key)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise Refused("INTERNAL_ERROR", _("The disk of this server is full: the file was not kept.")) from error
    finally:
        part.unlink(missing_ok=True)


def add_samples(batch: Batch) -> list[Card]:
    """The sample cards that come with cardocr. Again is harmless."""
    cards: list[Card] = []
    for path in sorted(SAMPLES.glob("*.jpg")):
        cards += add_file(batch, path.name, [path.read_bytes()], client_key=f"sample:{path.name}")
    return cards


def remove(cards: Iterable[Card]) -> None:
    """Take cards out of a draft; after the commit their files go too, unless another card needs them."""
    wanted: dict[int, list[int]] = {}
    for card in cards:
        wanted.setdefault(card.batch_id, []).append(card.pk)
    for batch_id in sorted(wanted):
        with changes.locked(batch_id) as change:
            _refuse_unless_open(change.batch)
            doomed = list(change.batch.cards.filter(pk__in=wanted[batch_id]))
            if not doomed:
                continue
            change.remove_cards(doomed)
            used = set(change.batch.cards.values_list("source", flat=True).distinct())
            _forget_after_commit(change.batch, doomed, used)


def _forget_after_commit(batch: Batch, cards: list[Card], used: set[str]) -> None:
    def forget() -> None:
        for card in cards:
            card.batch = batch
            store.forget(card, with_source=card.source not in used)

    transaction.on_commit(forget)


def settle_order(change: changes.Change) -> None:
    """Positions from 1 in the natural order of folder, name and page; 2 comes before 10. The caller holds the lock."""
    rows = list(change.batch.cards.values_list("pk", "position", "original_name", "page"))
    rows.sort(key=lambda row: (names.natural(row[2]), row[3], row[0]))
    moved = [(place, pk) for place, (pk, position, _name, _page) in enumerate(rows, 1) if position != place]
    if not moved:
        return
    # One plain statement a card: bulk_update builds a CASE over all of them, ten times as slow for 100,000.
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE batches_card SET position = %s WHERE id = %s", moved)
    change.set(reload_after=change.version)


def _kept(batch: Batch, client_key: str) -> list[Card]:
    if not client_key:
        return []
    return list(Card.objects.filter(batch=batch, client_key=client_key).order_by("page"))


def _refuse_unless_open(batch: Batch) -> None:
    if batch.deleted_at is not None:
        raise Refused("BATCH_LOCKED", _("This batch lies in the trash."))
    if not batch.is_draft:
        raise Refused("BATCH_LOCKED", _("This batch has been started: its scans stay as they are."))


def _receive(part: Path, chunks: Iterable[bytes]) -> _Received:
    """Write what comes, as long as it is an image and not too large."""
    digest, size, head, found = hashlib.sha256(), 0, b"", None
    with part.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > settings.MAX_IMAGE_BYTES:
                limit = filesizeformat(settings.MAX_IMAGE_BYTES)
                raise Refused("FILE_TOO_LARGE", _("The file is larger than %(limit)s.") % {"limit": limit})
            file.write(chunk)
            digest.update(chunk)
            if found is None:
                head = (head + chunk)[: sniff.HEAD]
                found = sniff.sniff(head)
                if found is None and len(head) == sniff.HEAD:
                    raise _wrong_type(head)
        file.flush()
        os.fsync(file.fileno())
    if found is None:
        raise _wrong_type(head)
    return _Received(part, found, size, digest.hexdigest())


def _wrong_type(head: bytes) -> Refused:
    if not head:
        return Refused("FILE_TYPE_INVALID", _("The file is empty."))
    if name := sniff.name_of(head):
        message = _("%(name)s files are not read yet. Send JPEG, PNG, WebP or TIFF.") % {"name": name}
    else:
        message = _("This is not an image that can be read. Send JPEG, PNG, WebP or TIFF.")
    return Refused("FILE_TYPE_INVALID", message)


def _pages(received: _Received) -> tuple[decoders.Page, ...]:
    try:
        pages = decoders.pool().inspect(received.path).pages
    except UnreadableImage as error:
        raise Refused("FILE_TYPE_INVALID", error.message) from error
    if len(pages) > settings.MAX_FILE_PAGES:
        limit = settings.MAX_FILE_PAGES
        message = ngettext(
            "The file has more than %(limit)d page.", "The file has more than %(limit)d pages.", limit
        ) % {"limit": limit}
        raise Refused("FILE_TOO_LARGE", message)
    largest = max(page.width * page.height for page in pages)
    if largest > settings.MAX_IMAGE_PIXELS:
        message = _("The image has %(pixels)d million pixels; at most %(limit)d million are read.") % {
            "pixels": -(-largest // 1_000_000),
            "limit": settings.MAX_IMAGE_PIXELS // 1_000_000,
        }
        raise Refused("FILE_TOO_LARGE", message)
    return pages


def _keep(
    batch: Batch, name: str, received: _Received, pages: tuple[decoders.Page, ...], client_key: str
) -> list[Card]:
    target: Path | None = None
    try:
        with changes.locked(batch) as change:
            _refuse_unless_open(change.batch)
            if kept := _kept(batch, client_key):
                return kept
            _refuse_too_many(change.batch, len(pages))
            folder = store.make(change.batch)
            source, filenames = _free_names(change.batch, folder, name, received.format.extension, len(pages))
            cards = _cards(change.batch, name, source, filenames, received, pages)
            for card in cards:
                card.client_key = client_key
            made = change.add_cards(cards)
            target = folder / source
            store.replace(received.path, target)
    except BaseException:
        if target is not None:
            target.unlink(missing_ok=True)
        raise
    return made


def _refuse_too_many(batch: Batch, pages: int) -> None:
    limit = settings.MAX_BATCH_CARDS
    if batch.total + pages > limit:
        message = ngettext("A batch holds at most %(limit)d card.", "A batch holds at most %(limit)d cards.", limit) % {
            "limit": limit
        }
        raise Refused("VALIDATION_ERROR", message)


def _free_names(batch: Batch, folder: Path, name: str, extension: str, pages: int) -> tuple[str, list[str]]:
    """Names that no row and no file has, in whatever case: the folder may be copied to a disk that sees none."""
    start = names.stem(name)
    rows = batch.cards.filter(Q(filename__istartswith=start) | Q(source__istartswith=start))
    taken = {stored.lower() for pair in rows.values_list("filename", "source") for stored in pair}
    while True:
        source, filenames = names.stored(name, extension, pages, taken)
        if not (folder / source).exists():  # left by a crash before its commit; a person decides about it
            return source, filenames
        taken.add(source.lower())


def _cards(
    batch: Batch,
    name: str,
    source: str,
    filenames: list[str],
    received: _Received,
    pages: tuple[decoders.Page, ...],
) -> list[Card]:
    last = batch.cards.order_by("-position").values_list("position", flat=True).first() or 0
    return [
        Card(
            batch=batch,
            position=last + number,
            filename=filename,
            source=source,
            page=number if len(pages) > 1 else 0,
            original_name=names.shown(name) or source,
            sha256=received.sha256,
            size=received.size,
            width=page.width,
            height=page.height,
            media_type=received.format.media_type,
        )
        for number, (filename, page) in enumerate(zip(filenames, pages, strict=True), 1)
    ]
