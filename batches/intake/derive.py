"""Page image and thumbnail of each card, and what engines are given. Pixels are touched by the sandbox alone."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from batches import changes
from batches.intake import alike, decoders, moves, seeing, sniff, store, upright
from batches.intake.decoders import Target
from batches.intake.sizes import fitted
from batches.models import Card, CardScan, Sheet
from batches.states import CardStatus, TurnedBy
from ocr.engines.base import Prepared
from ocr.errors import UnreadableImage

PAGE_PX, THUMB_PX = 1600, 320
PAGE_QUALITY, THUMB_QUALITY, FULL_QUALITY = 85, 78, 95
PLAIN_TYPES = frozenset({"", *(read.media_type for read in (sniff.JPEG, sniff.PNG, sniff.WEBP))})
NOTED = (
    "prepared_at",
    "error",
    "error_message",
    "width",
    "height",
    "rotation",
    "turned_by",
    "blank",
    "phash",
    "status",
)
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
    scan: store.AnyScan  # the card itself, or its back
    source: Path | None  # None: the file is missing
    targets: list[Target]
    width: int = 0
    height: int = 0
    seen: seeing.Seen | None = None
    sheet: Sheet | None = None  # the page that it was cut from, or may be
    region: list[int] | None = None  # that is left of the scan, trimmed and straightened
    picture: tuple[str, int, str] = ("", 0, "")  # that it was when it was begun
    unreadable: UnreadableImage | None = None
    failure: Exception | None = None  # says nothing about the scan

    def do(self) -> None:
        try:
            if self.source is None:
                raise UnreadableImage(_("The file is missing."))
            size = _derive(self.source, self.scan, self.targets)
            if not self.scan.width:
                self.width, self.height = size or _proven_size(self.source, self.scan)
            if self.scan is self.card and self.card.prepared_at is None:
                self._see(self.source)
        except UnreadableImage as error:
            self.unreadable = error if self.scan is self.card else _of_the_back(error)
        except (OSError, decoders.Stopped) as error:
            self.failure = error

    def _see(self, source: Path) -> None:
        """Once for a card: what its page image shows; and its images as they then are to be trimmed and turned."""
        size = (self.width or self.card.width, self.height or self.card.height)
        self.region = seeing.framed(self.card, size, self.sheet)
        if self.region is not None:
            self.card.crop = self.region
            made = _derive(source, self.scan, _missing(_pair(self.scan, self.scan.rotation)))
            self.width, self.height = made or _proven_size(source, self.scan)
        self.seen = seeing.see(self.card)
        if self.seen.turned.rotation != self.card.rotation:
            _derive(source, self.scan, _missing(_pair(self.scan, self.seen.turned.rotation)))


def _of_the_back(error: UnreadableImage) -> UnreadableImage:
    return UnreadableImage(_("The back: %(problem)s") % {"problem": error.message}, raw=error.raw)


def _prepare_batch(cards: list[Card]) -> None:
    for card in cards:
        if card.prepared_at is None and (turned := upright.known(card)):
            card.rotation = turned.rotation  # its images are made that way at once
    wanted = {card.sheet_id for card in cards if card.sheet_id} if seeing.frames(cards[0].batch) else set()
    sheets: dict[int | None, Sheet] = {sheet.pk: sheet for sheet in Sheet.objects.filter(pk__in=wanted)}
    with store.writing(cards[0].batch):
        works = [
            _Work(
                card,
                scan,
                _found(scan),
                _missing(_pair(scan, scan.rotation)),
                sheet=sheets.get(card.sheet_id),
                picture=_picture(scan),
            )
            for card in cards
            for scan in card.sides
        ]
        if len(works) == 1:
            works[0].do()
        else:
            with ThreadPoolExecutor(decoders.pool().size, thread_name_prefix="prepare") as threads:
                list(threads.map(_Work.do, works))
    failed = {work.card.pk for work in works if work.failure is not None}
    _note([work for work in works if work.card.pk not in failed])
    with store.writing(cards[0].batch):
        for work in works:
            if work.seen is not None and work.card.pk not in failed:
                alike.link(work.card)
    for work in works:
        if work.failure is not None:
            raise work.failure


def _note(works: Sequence[_Work]) -> None:
    """Write down what came of it. Cards that were removed meanwhile, or are another picture now, are left alone."""
    if not works:
        return
    done: dict[int, list[_Work]] = {}
    for work in works:
        done.setdefault(work.card.pk, []).append(work)
    with changes.locked(works[0].card.batch_id) as change:
        for card in change.batch.cards.select_related("back").filter(pk__in=done):
            if [_picture(scan) for scan in card.sides] != [work.picture for work in done[card.pk]]:
                continue
            fields = _fields(card, done[card.pk])
            if fields:
                change.touch_card(card, **fields)
            if seen := done[card.pk][0].seen:
                seeing.settle(change, card, seen)
            for name in NOTED:
                setattr(done[card.pk][0].card, name, getattr(card, name))
            for work in done[card.pk][1:]:
                if work.width and card.back is not None:
                    card.back.width, card.back.height = work.width, work.height
                    card.back.save(update_fields=["width", "height"])


def _picture(scan: store.AnyScan) -> tuple[str, int, str]:
    return scan.source, scan.page, scan.tag


def _fields(card: Card, works: Sequence[_Work]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if card.prepared_at is None:
        fields["prepared_at"] = timezone.now()
    if works[0].width and not card.width:
        fields |= {"width": works[0].width, "height": works[0].height}
    if works[0].unreadable is not None and card.width:
        fields |= {"width": 0, "height": 0}  # what its header told is no size of a picture
    if works[0].region is not None:
        fields |= {"crop": works[0].region, "trimmed": True, "width": works[0].width, "height": works[0].height}
    if works[0].seen is not None:
        fields |= seeing.columns(card, works[0].seen)
    if card.status != CardStatus.PENDING:
        return fields
    unreadable = next((work.unreadable for work in works if work.unreadable is not None), None)
    if unreadable is not None and card.error != UnreadableImage.reason:
        fields |= {"error": UnreadableImage.reason, "error_message": unreadable.message}
    elif unreadable is None and card.error == UnreadableImage.reason:
        fields |= {"error": "", "error_message": ""}
    return fields


def _found(scan: store.AnyScan) -> Path | None:
    try:
        return store.find(scan)
    except FileNotFoundError:
        return None


def _pair(scan: store.AnyScan, rotation: int) -> list[Target]:
    return [
        _target(store.derived(scan, "page", rotation), PAGE_PX, rotation, PAGE_QUALITY),
        _target(store.derived(scan, "thumb", rotation), THUMB_PX, rotation, THUMB_QUALITY),
    ]


def _target(path: Path, max_px: int | None, rotation: int, quality: int) -> Target:
    return Target(str(path), str(store.part()), max_px, rotation, quality)


def _missing(targets: Iterable[Target]) -> list[Target]:
    return [target for target in targets if not store.kept().has(Path(target.path))]


def _derive(source: Path, scan: store.AnyScan, targets: Sequence[Target]) -> tuple[int, int] | None:
    """The size of the scan, None where nothing was to be made."""
    if not targets:
        return None
    try:
        with store.making([Path(target.path) for target in targets]) as places:
            written = [replace(target, path=str(place)) for target, place in zip(targets, places, strict=True)]
            return decoders.pool().derive(source, max(scan.page, 1), written, crop=scan.crop)
    finally:
        for target in targets:
            Path(target.part).unlink(missing_ok=True)


def _page(source: Path, scan: store.AnyScan) -> tuple[str, decoders.Page]:
    inspection = decoders.pool().inspect(source)
    if scan.page > len(inspection.pages):
        raise UnreadableImage(_("The file does not have this page any more."))
    return inspection.format, inspection.pages[max(scan.page, 1) - 1]


def turn(scan: Card | CardScan, rotation: int) -> None:
    """Page image and thumbnail for another rotation. Files alone: the row is the caller's. Raises UnreadableImage."""
    with store.writing(scan.batch):
        _derive(_source(scan), scan, _missing(_pair(scan, rotation)))


def show(scan: store.AnyScan) -> None:
    """Page image and thumbnail as it lies. Raises UnreadableImage; OSError where the disk is at fault."""
    with store.writing(scan.batch):
        _derive(_source(scan), scan, _missing(_pair(scan, 0)))


def prepared(card: Card, *, full_resolution: bool, max_px: int) -> Prepared:
    """The card for an engine, with its back unless that is blank. Raises UnreadableImage; OSError where the disk is
    at fault.

    At full resolution not turned, with the rotation as far as it is known; otherwise turned as the card stands.
    """
    front, *backs = [
        _prepared(scan, full_resolution=full_resolution, max_px=max_px)
        for scan in card.sides
        if not (isinstance(scan, CardScan) and scan.blank)
    ]
    return replace(front, back=backs[0]) if backs else front


def _prepared(scan: Card | CardScan, *, full_resolution: bool, max_px: int) -> Prepared:
    if not full_resolution:
        return _reduced(scan, max_px)
    _bring_back(scan)
    with store.writing(scan.batch):
        return _full(scan)


def _source(scan: store.AnyScan) -> Path:
    try:
        return store.find(scan)
    except FileNotFoundError as error:
        raise UnreadableImage(_("The file is missing.")) from error


def _bring_back(scan: Card | CardScan) -> None:
    """A card that failed before is read where it will stay, so that no move passes between path and opening."""
    if not scan.shares_source and _source(scan).parent.name == store.ERRORS:
        moves.place(scan if isinstance(scan, Card) else scan.card)


def _full(scan: Card | CardScan) -> Prepared:
    rotation = _known_rotation(scan)
    source, path = _source(scan), store.full_size(scan)
    if scan.media_type in PLAIN_TYPES and scan.crop is None:
        name, page = _page(source, scan)
        if page.plain:
            _prove(source, scan)
            return Prepared(source, MEDIA_TYPES[name], page.width, page.height, rotation)
    made = _derive(source, scan, _missing([_target(path, None, 0, FULL_QUALITY)]))
    width, height = fitted(made or _size(scan, source), None)
    return Prepared(store.kept().local(path), MEDIA_TYPES["JPEG"], width, height, rotation)


def _known_rotation(scan: Card | CardScan) -> int | None:
    """None where an engine that can see it should look itself."""
    if scan.turned_by in upright.CERTAIN:
        return scan.rotation
    if scan.turned_by in {TurnedBy.OTHERS, TurnedBy.NOTHING}:
        return None
    return scan.rotation or None  # 0 is also what a card has that nobody has looked at


def _prove(source: Path, scan: Card | CardScan) -> None:
    """Headers say nothing about the pixels: a scan goes out as it is only when a page image was made of it."""
    _derive(source, scan, _missing(_pair(scan, scan.rotation)))


def _reduced(scan: Card | CardScan, max_px: int) -> Prepared:
    """In the drain the file is there and its size is noted: nothing is locked, opened or made then."""
    made, (width, height) = store.kept().present(_reduced_path(scan, max_px)), (scan.width, scan.height)
    if not width or made is None:
        with store.writing(scan.batch):
            source, path = _source(scan), _reduced_path(scan, max_px)
            _derive(source, scan, _missing([_target(path, max_px, scan.rotation, PAGE_QUALITY)]))
            width, height = _size(scan, source)
            made = store.kept().local(path)
    width, height = fitted((width, height), max_px)
    if scan.rotation in {90, 270}:
        width, height = height, width
    return Prepared(made, MEDIA_TYPES["JPEG"], width, height, 0 if scan.rotation else None)


def _reduced_path(scan: Card | CardScan, max_px: int) -> Path:
    return store.derived(scan, "page") if max_px == PAGE_PX else store.sized(scan, max_px, scan.rotation)


def _size(scan: store.AnyScan, source: Path) -> tuple[int, int]:
    if scan.width:
        return scan.width, scan.height
    return _proven_size(source, scan)


def _proven_size(source: Path, scan: store.AnyScan) -> tuple[int, int]:
    """Of the scan, by opening it once more: for what was made in a run that was cut off before it noted it."""
    page = _page(source, scan)[1]
    if page.width and scan.crop is None:
        return page.width, page.height
    made = store.part()
    try:
        target = Target(str(made), f"{made}.part", THUMB_PX)
        return decoders.pool().derive(source, max(scan.page, 1), [target], crop=scan.crop)
    finally:
        made.unlink(missing_ok=True)
