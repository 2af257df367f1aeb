"""Front and back: two scans become one card, by their order or by their names. In a draft alone, and to be undone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from django.utils.translation import gettext as _

from batches import changes, tasks
from batches.actions.drafts import Refused, draft
from batches.intake import order, seeing
from batches.models import Batch, Card, CardScan
from batches.states import CardStatus, SkipReason

T = TypeVar("T")
How = Literal["order", "names"]
BLOCK = 200  # pairs in one transaction
SUFFIXES = (
    ("_r", "_v"),
    ("-r", "-v"),
    ("_recto", "_verso"),
    ("-recto", "-verso"),
    ("_front", "_back"),
    ("-front", "-back"),
    ("_vs", "_rs"),
    ("_a", "_b"),
    ("-a", "-b"),
    ("_1", "_2"),
    ("-1", "-2"),
    ("r", "v"),
    ("a", "b"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would become of the scans. `odd`: those that stay as they are."""

    pairs: list[tuple[Card, Card]] = field(default_factory=list)  # front, back
    odd: list[Card] = field(default_factory=list)


def plan(batch: Batch, how: How, front: str = "", back: str = "") -> Plan:
    """In the order that the cards have; by names: those alike but for an ending, `front` may be empty."""
    cards = list(batch.cards.filter(back=None).order_by("position", "cut", "pk"))
    return _by_names(cards, front, back) if how == "names" else _by_order(cards)


def suggested(batch: Batch) -> tuple[str, str] | None:
    """The two endings by which most scans pair; None where none does."""
    cards = list(batch.cards.filter(back=None).only("batch", "original_name", "page", "cut", "position"))
    numbers = [(len(_by_names(cards, *pair).pairs), pair) for pair in SUFFIXES]
    most, best = max(numbers, key=lambda each: each[0])
    return best if most else None


def apply(batch: Batch, how: How, front: str = "", back: str = "") -> int:
    """Pair them; return how many pairs. Raises Refused."""
    how_said = {"how": how, "front": front, "back": back} if how == "names" else {"how": how}
    with draft(batch) as change:
        order.settle(change)
        change.set(options=change.batch.options | {"pairing": how_said})
    pairs = plan(batch, how, front, back).pairs
    if any(card.prepared_at is None for pair in pairs for card in pair):
        raise Refused(_("The previews are still being made. Pair the scans when they are there."))
    with order.settled_afterwards(batch):
        for block in _blocks(pairs):
            with draft(batch) as change:
                _pair(change, block)
    tasks.prepare(batch.pk)
    return len(pairs)


def part(batch: Batch, card: Card | None = None) -> int:
    """Make two cards of a pair again, or of all of them; return how many."""
    wanted = batch.cards.exclude(back=None).order_by("pk")
    keys = list((wanted if card is None else wanted.filter(pk=card.pk)).values_list("pk", flat=True))
    with order.settled_afterwards(batch):
        for block in _blocks(keys):
            with draft(batch) as change:
                _part(
                    change,
                    list(change.batch.cards.exclude(back=None).select_related("back__sheet").filter(pk__in=block)),
                )
    tasks.prepare(batch.pk)
    return len(keys)


def _blocks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


def _by_order(cards: Sequence[Card]) -> Plan:
    pairs = list(zip(cards[::2], cards[1::2], strict=False))
    return Plan(pairs, list(cards[2 * len(pairs) :]))


def _by_names(cards: Sequence[Card], front: str, back: str) -> Plan:
    """Of several with the same name the first counts."""
    if not back or front.casefold() == back.casefold():
        return Plan(odd=list(cards))
    fronts: dict[tuple[str, int, int], Card] = {}
    backs: dict[tuple[str, int, int], Card] = {}
    for card in cards:
        name = _stem(card.original_name)
        for ending, kept in ((back.casefold(), backs), (front.casefold(), fronts)):
            if name.endswith(ending) and len(name) > len(ending):
                kept.setdefault((name.removesuffix(ending), card.page, card.cut), card)
                break
    pairs = [(card, backs[key]) for key, card in fronts.items() if key in backs]
    paired = {card.pk for pair in pairs for card in pair}
    return Plan(pairs, [card for card in cards if card.pk not in paired])


def _stem(name: str) -> str:
    """With its folder, without what follows the last dot."""
    folder, slash, last = name.casefold().rpartition("/")
    root, dot, _ending = last.rpartition(".")
    return f"{folder}{slash}{root if dot and root else last}"


def _pair(change: changes.Change, pairs: Sequence[tuple[Card, Card]]) -> None:
    there = change.batch.cards.filter(back=None).in_bulk([card.pk for pair in pairs for card in pair])
    backs = []
    for one, other in pairs:
        front, back = there.get(one.pk), there.get(other.pk)
        if front is None or back is None:  # removed, or paired, since the plan was made
            continue
        nothing = back.blank is True
        made = CardScan.objects.create(
            card=front,
            role=CardScan.Role.BACK,
            blank=nothing,
            turned_by=back.turned_by,
            sheet_id=back.sheet_id,
            upload_id=back.upload_id,
            **back.as_scan(),
        )
        back.scans.update(card=front)  # what was replaced stays in the card's history
        if not nothing and front.status == CardStatus.SKIPPED and front.skip_reason == SkipReason.BLANK:
            change.move_card(front, CardStatus.PENDING, skip_reason="", finished_at=None)
        change.touch_card(front, back=made, codes=[*front.codes, *back.codes])
        backs.append(back)
    change.remove_cards(backs)


def _part(change: changes.Change, cards: Sequence[Card]) -> None:
    """What is found on a scan, codes and whether it is blank, is looked for once more on each of the two."""
    restored = []
    for card in cards:
        back = card.back
        assert back is not None  # noqa: S101
        trimmed = back.crop != seeing.uncut(back, back.sheet)
        columns = back.as_scan() | {"sheet_id": back.sheet_id, "upload_id": back.upload_id, "trimmed": trimmed}
        restored.append(Card(position=card.position, turned_by=back.turned_by, **columns))
        change.touch_card(card, back=None, prepared_at=None, codes=[])
        back.delete()
    made = change.add_cards(restored)
    left_out = [back.pk for back, card in zip(made, cards, strict=True) if card.skip_reason == SkipReason.NOT_CHOSEN]
    if left_out:  # nobody has chosen the back either
        backs = change.batch.cards.filter(pk__in=left_out)
        change.move_cards(backs, CardStatus.SKIPPED, skip_reason=SkipReason.NOT_CHOSEN)
    change.set(reload_after=change.version)
