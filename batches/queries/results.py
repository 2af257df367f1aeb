"""Cards as the grid and the card page show them: every field's value, where it came from, why it deserves a look."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches import progress
from batches.models import Batch, Card, CardResult, FieldRevision
from batches.states import CardStatus, ResultState, SkipReason
from cardocr_site.accounts.models import User
from ocr import checking, codes, coercion
from ocr.fields import FieldSpec
from ocr.models import Engine
from ocr.reading import Issue, ValueState


@dataclass(frozen=True, slots=True)
class Cell:
    """One value. `kind` is value, absent, unreadable, not_asked, or nothing (the card was not read)."""

    spec: FieldSpec
    kind: str
    value: str = ""
    verbatim: str = ""  # as on the card, where it differs from what is recorded
    confidence: str = ""
    mark: str = ""  # why it deserves a look, in a word or two; empty where it does not
    doubts: tuple[str, ...] = ()  # the same in sentences
    corrected: bool = False
    by_hand: bool = False  # entered where the machine read nothing
    by: str = ""
    version: int | None = None  # of the template, where it came after the card was read
    machine: str = ""  # what the machine had read, where a person changed it
    regions: tuple[tuple[str, str, str, str], ...] = ()  # in percent of the upright image, as SVG wants them
    on_back: bool = False  # of the card's back
    checked: str = ""  # who has said that this value is right
    codes: tuple[str, ...] = ()  # what barcodes of the card offer for it, other than its value

    @property
    def key(self) -> str:
        return self.spec.key

    @property
    def long(self) -> bool:
        return "\n" in self.value or len(self.value) > 60


@dataclass(frozen=True, slots=True)
class Pill:
    word: str
    kind: str
    icon: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    card: Card
    cells: list[Cell]
    pill: Pill
    confidence: str
    further: int = 0  # fields of its other entries that deserve a look
    entries: Sequence["Entry"] = ()  # behind the first one

    @property
    def name(self) -> str:
        return self.card.display_name.rsplit("/", 1)[-1]

    @property
    def can_retry(self) -> bool:
        return self.card.status == CardStatus.FAILED

    @property
    def can_skip(self) -> bool:
        return self.card.status in {CardStatus.FAILED, CardStatus.PENDING} and not self.is_read

    @property
    def left_out(self) -> bool:
        return self.card.status == CardStatus.SKIPPED

    @property
    def is_read(self) -> bool:
        return self.card.is_read

    @property
    def settled(self) -> bool:
        """Somebody has said that it is right, and nothing has come since."""
        return self.card.reviewed and not self.card.to_check

    @property
    def marked(self) -> int:
        return sum(1 for cell in self.cells if cell.mark) + self.further


_EVER = datetime(1, 1, 1, tzinfo=UTC)
Corrections = Mapping[tuple[int, str], FieldRevision]


def rows(batch: Batch, cards: Sequence[Card]) -> list[Row]:
    """The same few queries, however many they are."""
    return rows_of({batch.pk: batch.specs()}, cards)


def rows_of(specs: Mapping[int, Sequence[FieldSpec]], cards: Sequence[Card]) -> list[Row]:
    """The same for cards of several batches, each with the fields of its own."""
    prefetch_related_objects(cards, "result", "reviewed_by")
    corrections = corrections_of(cards)
    names = _names_of_checks(cards)
    return [_row(card, specs[card.batch_id], corrections, names) for card in cards]


def _names_of_checks(cards: Sequence[Card]) -> dict[str, str]:
    """Those who have accepted single values, and are still known."""
    ids = {one["by"] for card in cards if card.result for one in card.result.checks.values()}
    return {str(user.pk): user.get_full_name() or user.get_username() for user in User.objects.in_bulk(ids).values()}


def corrections_of(cards: Sequence[Card]) -> dict[tuple[int, str], FieldRevision]:
    """The last correction of each value that holds now; those of an earlier reading do not count.

    Of a reading that a person accepted, corrections count that its values still show, whenever they were made.
    """
    made = {card.pk: card.result for card in cards if card.result}
    accepted = {pk for pk, result in made.items() if result.state == ResultState.ACCEPTED}
    since = {pk: _EVER if pk in accepted else result.created_at for pk, result in made.items()}
    found = corrections_since(since)
    return {
        (pk, key): one for (pk, key), one in found.items() if pk not in accepted or one.new == made[pk].values.get(key)
    }


def corrections_since(made: Mapping[int, datetime]) -> dict[tuple[int, str], FieldRevision]:
    """The last correction of each value of these cards since the moments given."""
    revisions = FieldRevision.objects.filter(card__in=made, entry=1).select_related("by").order_by("pk")
    return {(one.card_id, one.key): one for one in revisions if one.at >= made[one.card_id]}


def is_to_check(batch: Batch, specs: Sequence[FieldSpec], result: CardResult, corrected: Collection[str]) -> bool:
    """Whether a reading that nobody has reviewed deserves a look. A field that a person corrected is in no doubt."""
    if result.by_hand:
        return False
    engine = result.engine or batch.engine
    every_value = engine is not None and engine.kind == Engine.Kind.LOCAL
    open_specs = [spec for spec in specs if spec.key not in corrected]
    if not corrected and result.arranged is None:
        return checking.to_check(open_specs, result.fields, every_value=every_value, entries=result.entries)
    if every_value and open_specs:
        return True
    return checking.in_doubt(open_specs, result.fields) or _further_doubts(result, specs) > 0


def nothing_found(specs: Sequence[FieldSpec], result: CardResult) -> bool:
    """Whether neither the machine nor a person has found a value."""
    empty = checking.nothing_found(specs, result.fields) and not any(result.values.values())
    return empty and not result.by_hand


def _row(card: Card, specs: Sequence[FieldSpec], corrections: Corrections, names: Mapping[str, str]) -> Row:
    result = card.result if card.is_read else None
    if result is None:
        cells = [Cell(spec, "nothing") for spec in specs]
    else:
        cells = [cell(card, result, spec, corrections.get((card.pk, spec.key))) for spec in specs]
        cells = [_checked(one, result, names) for one in cells]
    if card.codes:
        cells = [replace(one, codes=_offered(one, card)) for one in cells]
    certainty = result.confidence if result else None
    further = _further_doubts(result, specs) if result and not card.reviewed else 0
    return Row(card, cells, _pill(card, cells, further), percent(certainty), further, _entries_of(card, specs))


def _checked(one: Cell, result: CardResult, names: Mapping[str, str]) -> Cell:
    """A value that a person has accepted as it stands is in no doubt."""
    said = result.checks.get(one.key)
    if said is None:
        return one
    return replace(one, checked=names.get(said["by"], _("somebody")), mark="", doubts=())


def _offered(one: Cell, card: Card) -> tuple[str, ...]:
    return tuple(text for text in codes.fitting(one.spec, card.codes) if text != one.value)


def cell(card: Card, result: CardResult, spec: FieldSpec, correction: FieldRevision | None) -> Cell:
    stored = result.fields.get(spec.key, {})
    value = result.values.get(spec.key)
    regions = _regions(stored)
    if correction is not None and value != stored.get("value"):
        issues = list(coercion.normalise(spec, value)[1]) if value is not None else []
        was = stored.get("value")
        return Cell(
            spec,
            _kind(value, {}),
            value=_text(value),
            mark=_mark(issues, ""),
            doubts=_sentences(issues, spec),
            corrected=True,
            by=_name(correction),
            machine=_text(was),
            by_hand=result.by_hand,
            regions=regions,
            on_back=stored.get("on_back", False),
        )
    issues = [] if correction or result.by_hand or _was_seen(card, stored) else checking.doubts(spec, stored)
    confidence = percent(stored.get("confidence"))
    verbatim = _text(stored.get("verbatim"))
    return Cell(
        spec,
        "not_asked" if _not_asked(card.result or result, spec) else _kind(value, stored),
        value=_text(value),
        verbatim="" if verbatim == _text(value) else verbatim,
        confidence=confidence,
        mark=_mark(issues, confidence),
        doubts=_sentences(issues, spec),
        by_hand=result.by_hand,
        by=_name(correction) if correction else "",
        version=stored.get("version"),
        regions=regions,
        on_back=stored.get("on_back", False),
    )


def _was_seen(card: Card, stored: Mapping[str, Any]) -> bool:
    """A field that a later version brought came perhaps after the review."""
    return card.reviewed and not (card.to_check and "version" in stored)


def _not_asked(result: CardResult, spec: FieldSpec) -> bool:
    return not result.by_hand and spec.key not in result.fields and result.values.get(spec.key) is None


@dataclass(frozen=True, slots=True)
class Entry:
    """One of several on a card. `place` is what its address names; the first one's values are the card's."""

    number: int
    place: int
    cells: list[Cell]
    checked: bool
    by_hand: bool


def further_entries(batch: Batch, card: Card) -> list[Entry]:
    """The entries of a card behind the first one, as they hold now."""
    return _entries_of(card, batch.specs())


def _entries_of(card: Card, specs: Sequence[FieldSpec]) -> list[Entry]:
    if not card.is_read or card.result is None:
        return []
    return [
        Entry(
            number,
            one["place"],
            [_entry_cell(card, one["values"], card.result.machine_of(number), spec) for spec in specs],
            one["checked"] or (card.reviewed and not card.to_check),
            one["machine"] is None,
        )
        for number, one in enumerate(card.result.standing()[1:], 2)
    ]


def taken_out(card: Card) -> list[tuple[int, str]]:
    """Entries that a person took out: their places, and what stood in them."""
    if not card.is_read or card.result is None:
        return []
    out = [(place, one["values"]) for place, one in enumerate(card.result.arrangement()) if one["out"]]
    return [(place, ", ".join(value for value in values.values() if value)) for place, values in out]


def _entry_cell(card: Card, values: Mapping[str, Any], machine: Mapping[str, Any], spec: FieldSpec) -> Cell:
    stored, value = machine.get(spec.key, {}), values.get(spec.key)
    if not _corrected(values, machine, spec):
        return cell(card, CardResult(fields=machine, values=values), spec, None)
    issues = list(coercion.normalise(spec, value)[1]) if value is not None else []
    return Cell(
        spec,
        _kind(value, {}),
        value=_text(value),
        mark=_mark(issues, ""),
        doubts=_sentences(issues, spec),
        corrected=True,
        machine=_text(stored.get("value")),
        by_hand=not machine,
        regions=_regions(stored),
        on_back=stored.get("on_back", False),
    )


def _corrected(values: Mapping[str, Any], machine: Mapping[str, Any], spec: FieldSpec) -> bool:
    return not machine or values.get(spec.key) != machine.get(spec.key, {}).get("value")


def _further_doubts(result: CardResult, specs: Sequence[FieldSpec]) -> int:
    """Fields behind the first entry that deserve a look; none of an entry that was found right."""
    return sum(
        bool(checking.doubts(spec, result.machine_of(number).get(spec.key, {})))
        for number, one in enumerate(result.standing()[1:], 2)
        if not one["checked"]
        for spec in specs
        if not _corrected(one["values"], result.machine_of(number), spec)
    )


def _values(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: field.get("value") for key, field in entry.items()}


def _kind(value: str | None, stored: Mapping[str, Any]) -> str:
    if value is not None:
        return "value"
    return "unreadable" if stored.get("state") == ValueState.UNREADABLE else "absent"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def percent(number: float | None) -> str:
    return "" if number is None else _("%(n)s %%") % {"n": round(number * 100)}


def _mark(issues: Sequence[Issue], confidence: str) -> str:
    """The gravest one alone; the sentences tell them all."""
    words = {
        Issue.UNREADABLE: _("cannot read"),
        Issue.REQUIRED: _("missing"),
        Issue.TYPE: _("other kind"),
        Issue.CHOICE: _("not on the list"),
        Issue.PATTERN: _("other pattern"),
        Issue.BARCODE: _("from the barcode"),
        Issue.CONFIDENCE: _("unsure, %(confidence)s") % {"confidence": confidence} if confidence else _("unsure"),
    }
    return next((word for issue, word in words.items() if issue in issues), "")


def _sentences(issues: Sequence[Issue], spec: FieldSpec) -> tuple[str, ...]:
    return tuple(progress.issue_sentence(issue, spec) for issue in issues)


def _name(revision: FieldRevision) -> str:
    return (revision.by.get_full_name() or revision.by.get_username()) if revision.by else ""


def _regions(stored: Mapping[str, Any]) -> tuple[tuple[str, str, str, str], ...]:
    boxes = []
    for box in stored.get("regions") or ():
        if len(box) == 4:
            x, y, width, height = (f"{100 * float(part):.2f}" for part in box)
            boxes.append((x, y, width, height))
    return tuple(boxes)


def _pill(card: Card, cells: Sequence[Cell], further: int) -> Pill:
    if card.status == CardStatus.COMPLETED:
        marked = sum(1 for one in cells if one.mark) + further
        read = _read(card, marked, empty=all(one.kind == "absent" for one in cells))
        return replace(read, note=read.note or _entries(card))
    if card.is_read:
        return _read_again(card)
    return {
        CardStatus.FAILED: Pill(_("Not read"), "bad", "alert", progress.error_sentence(card.error)),
        CardStatus.PROCESSING: Pill(_("Being read"), "run", "loader"),
        CardStatus.SKIPPED: Pill(_("Skipped"), "quiet", "skip", _skipped(card)),
        CardStatus.CANCELLED: Pill(_("Stopped"), "quiet", "stop"),
    }.get(CardStatus(card.status), Pill(_("Waiting"), "quiet", "clock"))


def _read_again(card: Card) -> Pill:
    """What it shows is what it had."""
    if card.status == CardStatus.PROCESSING:
        return Pill(_("Being read again"), "run", "loader")
    return Pill(_("Waits to be read again"), "quiet", "clock")


def _skipped(card: Card) -> str:
    return str(SkipReason(card.skip_reason).label) if card.skip_reason else ""


def _entries(card: Card) -> str:
    """How many stand on the card, where there are several."""
    number = len(card.result.standing()) if card.result else 0
    return ngettext("%(n)s entry", "%(n)s entries", number) % {"n": number} if number > 1 else ""


def _read(card: Card, marked: int, *, empty: bool) -> Pill:
    if card.candidates:
        other = ngettext("%(n)s other reading differs", "%(n)s other readings differ", card.candidates)
        return Pill(_("Check again"), "warn", "flag", other % {"n": card.candidates})
    if card.flagged:
        return Pill(_("Flagged"), "warn", "flag")
    if card.reviewed and not card.to_check:
        return Pill(_("Checked"), "plain", "check-check")
    if card.to_check and empty:
        return Pill(_("Nothing found"), "warn", "flag")
    if card.to_check and marked:
        return Pill(ngettext("Check %(n)s field", "Check %(n)s fields", marked) % {"n": marked}, "warn", "flag")
    if card.to_check:
        return Pill(_("To check"), "warn", "flag")
    return Pill(_("Read"), "plain", "check")
