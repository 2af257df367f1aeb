"""Values that run on over the lines below."""

from collections.abc import Sequence

from ocr.engines.local import values
from ocr.engines.local.rows import Segment
from ocr.engines.local.strips import TAKEN, Match, Strip, joined
from ocr.fields import FieldSpec, FieldType

CLOSE_BELOW = 1.9  # line heights from one middle to the next within a paragraph
SLACK = 0.5  # line heights
RUNNING = (FieldType.TEXT, FieldType.MULTILINE, FieldType.LIST)


def run_on(
    spec: FieldSpec,
    card: Sequence[Strip],
    place: tuple[int, int, int],
    factor: float,
    edge: float,
    reserved: frozenset[tuple[int, int]] = frozenset(),
) -> Match:
    """The value that begins at this row and span, with the lines below that belong to it: close, not left of `edge`.

    What begins at a reserved row and place is another field's.
    """
    row, start, end = place
    strip = card[row]
    last = strip.parts(start, end)[0]
    whole = values.until(spec, strip.text[start:end])
    ended = whole < end - start or spec.type not in RUNNING
    lines = [strip.match(start, start + whole, factor)]
    while not ended and row + 1 < len(card):
        row += 1
        below = _first_line(card[row], edge, last)
        if below is None or (row, below[0]) in reserved:
            break
        start, end, last = below
        whole = values.until(spec, card[row].text[start:end])
        ended = whole < end - start
        lines.append(card[row].match(start, start + whole, factor))
    return joined((line for line in lines if line.text), " " if spec.type == FieldType.TEXT else "\n")


def _first_line(strip: Strip, edge: float, last: Segment) -> tuple[int, int, Segment] | None:
    """The piece of the next row that goes on below `last`; none where a label or a gap stands in between."""
    for start, end in strip.pieces():
        part = strip.parts(start, end)[0]
        first, _ = strip.ends(strip.segment_at(start))
        if part.right < edge or part.left > last.right:
            continue
        close = part.middle - last.middle <= CLOSE_BELOW * max(part.height, last.height)
        if close and part.left >= edge - SLACK * part.height and TAKEN not in strip.text[first:start]:
            return start, end, part
        return None
    return None
