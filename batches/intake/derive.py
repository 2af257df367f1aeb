"""Page image and thumbnail of each card, and what engines are given. Pixels are touched by the sandbox alone."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from batches import changes
from batches.intake import decoders, sniff, store
from batches.intake.decoders import Target
from batches.intake.sizes import fitted
from batches.models import Card
from batches.states import CardStatus
from ocr.engines.base import Prepared
from ocr.errors import UnreadableImage

PAGE_PX, THUMB_PX = 1600, 320
PAGE_QUALITY, THUMB_QUALITY, FULL_QUALITY = 85, 78, 95
PLAIN_TYPES = frozenset({"", *(read.media_type for read in (sniff.JPEG, sniff.PNG, sniff.WEBP))})
MEDIA_TYPES = {read.name: read.media_type for read in sniff.READ}


def prepare(card: Card) -> None:
    """Page image and thumbnail; notes on the row that they are made, or why not. Again is harmless.

    Raises OSError where the disk, not the scan, is at fault: the row is left as it was.
    """
    prepare_many([card])


def prepare_many(cards: Iterable[Card]) -> None:
    """As prepare: images first, as many at once as there are decoders, then the rows of a batch in one change."""
    ordered = sorted(cards, key=lambda card: (card.batch_id, card.position))
    for _batch, group in groupby(ordered, key=lambda card: card.batch_id):
        _prepare_batch(list(group))


@dataclass(slots=True)
class _Work:
    """Everything that a thread needs, so that none of them touches the database."""

    card: Card
    source: Path | None  # None: the file is missing
    targets: list[Target]
    width: int = 0
    height: int = 0
    unreadable: UnreadableImage | None = None
    failure: Exception | None = None  # says nothing about the scan

    def do(self) -> None:
        try:
            if self.source is None:
                raise UnreadableImage(_("The file is missing."))
            size = _derive(self.source, self.card, self.targets)
            if not self.card.width:
                self.width, self.height = size or _proven_size(self.source, self.card)
        except UnreadableImage as error:
            self.unreadable = error
        except (OSError, decoders.Stopped) as error:
            self.failure = error


def _prepare_batch(cards: list[Card]) -> None:
    with store.writing(cards[0].batch):
        works = [_Work(card, _found(card), _missing(_pair(card, card.rotation))) for card in cards]
        if len(works) == 1:
            works[0].do()
        else:
            with ThreadPoolExecutor(decoders.pool().size, thread_name_prefix="prepare") as threads:
                list(threads.map(_Work.do, works))
    _note([work for work in works if work.failure is None])
    for work in works:
        if work.failure is not None:
            raise work.failure


def _note(works: Sequence[_Work]) -> None:
    """Write down what came of it. Cards that were removed meanwhile are not there any more."""
    if not works:
        return
    done = {work.card.pk: work for work in works}
    with changes.locked(works[0].card.batch_id) as change:
        for card in change.batch.cards.filter(pk__in=done):
            fields = _fields(card, done[card.pk])
            if fields:
                change.touch_card(card, **fields)
            for name in ("prepared_at", "error", "error_message", "width", "height"):
                setattr(done[card.pk].card, name, getattr(card, name))


def _fields(card: Card, work: _Work) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if card.prepared_at is None:
        fields["prepared_at"] = timezone.now()
    if work.width and not card.width:
        fields |= {"width": work.width, "height": work.height}
    if card.status != CardStatus.PENDING:
        return fields
    if work.unreadable is not None and card.error != UnreadableImage.reason:
        fields |= {"error": UnreadableImage.reason, "error_message": work.unreadable.message}
    elif work.unreadable is None and card.error == UnreadableImage.reason:
        fields |= {"error": "", "error_message": ""}
    return fields


def _found(card: Card) -> Path | None:
    try:
        return store.find(card)
    except FileNotFoundError:
        return None


def _pair(card: Card, rotation: int) -> list[Target]:
    return [
        _target(store.derived(card, "page", rotation), PAGE_PX, rotation, PAGE_QUALITY),
        _target(store.derived(card, "thumb", rotation), THUMB_PX, rotation, THUMB_QUALITY),
    ]


def _target(path: Path, max_px: int | None, rotation: int, quality: int) -> Target:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    return Target(str(path), str(store.part()), max_px, rotation, quality)


def _missing(targets: Iterable[Target]) -> list[Target]:
    return [target for target in targets if not Path(target.path).is_file()]


def _derive(source: Path, card: Card, targets: Sequence[Target]) -> tuple[int, int] | None:
    """The size of the scan, None where nothing was to be made."""
    if not targets:
        return None
    try:
        return decoders.pool().derive(source, max(card.page, 1), targets)
    finally:
        for target in targets:
            Path(target.part).unlink(missing_ok=True)


def _page(source: Path, card: Card) -> tuple[str, decoders.Page]:
    inspection = decoders.pool().inspect(source)
    if card.page > len(inspection.pages):
        raise UnreadableImage(_("The file does not have this page any more."))
    return inspection.format, inspection.pages[max(card.page, 1) - 1]


def turn(card: Card, rotation: int) -> None:
    """Page image and thumbnail for another rotation. Files alone: the row is the caller's. Raises UnreadableImage."""
    with store.writing(card.batch):
        _derive(_source(card), card, _missing(_pair(card, rotation)))


def prepared(card: Card, *, full_resolution: bool, max_px: int) -> Prepared:
    """The image for an engine. Raises UnreadableImage; OSError where the disk is at fault.

    At full resolution not turned, with the rotation as far as it is known; otherwise turned as the card stands.
    """
    if not full_resolution:
        return _reduced(card, max_px)
    _bring_back(card)
    with store.writing(card.batch):
        return _full(card)


def _source(card: Card) -> Path:
    try:
        return store.find(card)
    except FileNotFoundError as error:
        raise UnreadableImage(_("The file is missing.")) from error


def _bring_back(card: Card) -> None:
    """A card that failed before is read where it will stay, so that no move passes between path and opening."""
    if not card.page and _source(card).parent.name == store.ERRORS:
        store.place(card)


def _full(card: Card) -> Prepared:
    rotation = card.rotation or None  # 0 is also what a card has that nobody has looked at
    source, path = _source(card), store.full_size(card)
    if card.media_type in PLAIN_TYPES:
        name, page = _page(source, card)
        if page.plain:
            _prove(source, card)
            return Prepared(source, MEDIA_TYPES[name], page.width, page.height, rotation)
    made = _derive(source, card, _missing([_target(path, None, 0, FULL_QUALITY)]))
    width, height = fitted(made or _size(card, source), None)
    return Prepared(path, MEDIA_TYPES["JPEG"], width, height, rotation)


def _prove(source: Path, card: Card) -> None:
    """Headers say nothing about the pixels: a scan goes out as it is only when a page image was made of it."""
    _derive(source, card, _missing(_pair(card, card.rotation)))


def _reduced(card: Card, max_px: int) -> Prepared:
    """In the drain the file is there and its size is noted: nothing is locked, opened or made then."""
    path, (width, height) = _reduced_path(card, max_px), (card.width, card.height)
    if not (width and path.is_file()):
        with store.writing(card.batch):
            source, path = _source(card), _reduced_path(card, max_px)
            _derive(source, card, _missing([_target(path, max_px, card.rotation, PAGE_QUALITY)]))
            width, height = _size(card, source)
    width, height = fitted((width, height), max_px)
    if card.rotation in {90, 270}:
        width, height = height, width
    return Prepared(path, MEDIA_TYPES["JPEG"], width, height, 0 if card.rotation else None)


def _reduced_path(card: Card, max_px: int) -> Path:
    return store.derived(card, "page") if max_px == PAGE_PX else store.sized(card, max_px, card.rotation)


def _size(card: Card, source: Path) -> tuple[int, int]:
    if card.width:
        return card.width, card.height
    return _proven_size(source, card)


def _proven_size(source: Path, card: Card) -> tuple[int, int]:
    """Of the scan, by opening it once more: for what was made in a run that was cut off before it noted it."""
    page = _page(source, card)[1]
    if page.width:
        return page.width, page.height
    made = store.part()
    try:
        return decoders.pool().derive(source, max(card.page, 1), [Target(str(made), f"{made}.part", THUMB_PX)])
    finally:
        made.unlink(missing_ok=True)
