"""The part of a scan on which a value stands."""

from dataclasses import dataclass

from django import template
from django.urls import reverse

from batches.queries.results import Cell
from batches.queries.trying import Tried

register = template.Library()

AROUND = 0.35  # of the part's height, on each side
LARGEST = 0.6  # of the scan: a larger part is no part


@dataclass(frozen=True, slots=True)
class Part:
    """In pixels of the upright page, as SVG wants them."""

    x: int
    y: int
    width: int
    height: int
    page_width: int
    page_height: int
    address: str


@register.filter
def crop(tried: Tried, cell: Cell) -> Part | None:
    """None where nobody knows the place, or it is all over the scan."""
    card = tried.card
    scan = card.back if cell.on_back and card.back else card
    page_width, page_height = scan.upright
    boxes = [[float(number) / 100 for number in box] for box in cell.regions]
    if not boxes or not page_width or not page_height:
        return None
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    if (right - left) * (bottom - top) > LARGEST:
        return None
    margin = AROUND * (bottom - top) * page_height
    x, y = max(0, round(left * page_width - margin)), max(0, round(top * page_height - margin))
    width = min(page_width - x, round((right - left) * page_width + 2 * margin))
    height = min(page_height - y, round((bottom - top) * page_height + 2 * margin))
    return Part(x, y, max(1, width), max(1, height), page_width, page_height, _address(tried, on_back=scan is not card))


def _address(tried: Tried, *, on_back: bool) -> str:
    card = tried.card
    if on_back and card.back is not None:
        return f"{reverse('scan_image', args=[card.batch_id, card.pk, card.back.pk, 'page'])}?{card.back.look}"
    return f"{reverse('card_image', args=[card.batch_id, card.pk, 'page'])}?{card.look}"
